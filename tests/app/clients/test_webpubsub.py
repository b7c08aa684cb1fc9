"""What the sender makes of the answers of the service, and of none."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from app.clients.bearer import EntraBearer, KeyBearer
from app.clients.webpubsub import ServiceSender
from app.fanout.delivery import SendFailed
from app.models.actions import (
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)
from tests.app.clients.conftest import ACCEPTED, DataPlane, Link, Serve

KEY = "a-key-of-at-least-thirty-two-bytes-000000"


@pytest.fixture
async def sender(data_plane: DataPlane) -> AsyncIterator[ServiceSender]:
    one = ServiceSender(data_plane.url, KeyBearer(KEY.encode()))
    yield one
    await one.close()


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_every_2xx_is_a_success(data_plane: DataPlane, sender: ServiceSender, status: int) -> None:
    data_plane.statuses = [status]

    await sender.send("Chat", SendToAll(data="x"))

    assert len(data_plane.requests) == 1


async def failure_of(sender: ServiceSender, action: Action | None = None) -> SendFailed:
    with pytest.raises(SendFailed) as caught:
        await sender.send("Chat", action or SendToGroup(group="secret", data="secret"))
    return caught.value


@pytest.mark.parametrize(
    ("status", "final"),
    [
        (400, True), (403, True), (404, True), (409, True), (413, True), (415, True),
        (408, False), (429, False), (500, False), (502, False), (503, False), (307, False),
    ],
)  # fmt: skip
async def test_a_refusal_names_status_and_code_and_nothing_else(
    data_plane: DataPlane, sender: ServiceSender, status: int, final: bool
) -> None:
    data_plane.statuses = [status]
    data_plane.headers = {"x-ms-error-code": "Error.Some", "Location": "/secret"}
    data_plane.body = b'{"code":"Error.Other","message":"secret"}'

    failure = await failure_of(sender)

    assert str(failure) == failure.reason == f"the service answered {status} Error.Some"
    assert (failure.status, failure.is_final) == (status, final)
    assert len(data_plane.requests) == 1


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "the service answered 400"),
        (b"x-ms-error-code:\r\n", "the service answered 400"),
        (b"x-ms-error-code: a\tb\r\n", "the service answered 400"),
        (b"x-ms-error-code: " + b"a" * 999 + b"\r\n", "the service answered 400 " + "a" * 128),
    ],
)
async def test_a_code_that_is_none_is_left_out(serve: Serve, header: bytes, reason: str) -> None:
    async def script(link: Link) -> None:
        await link.request()
        link.send(b"HTTP/1.1 400 Bad\r\n" + header + b"Content-Length: 0\r\n\r\n")

    sender = ServiceSender((await serve(script)).url, KeyBearer(KEY.encode()))

    assert (await failure_of(sender)).reason == reason
    await sender.close()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7), ("0", 0), (" 1.5 ", 1.5), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("", 0), ("soon", 0), ("-5", 0),
        ("1e3", 0), ("inf", 0), ("nan", 0), ("9" * 400, 0), (".", 0), ("²", 0), ("Tue, 99 Mar 2099 05:06:07 GMT", 0),
        ("Wed, 04 Mar 99999 05:06:07 GMT", 0), ("Wed, 04 Mar 2099 05:06:07", 0),
        (f"Wed, 04 Mar {'9' * 30} 05:06:07 GMT", 0),
    ],
)  # fmt: skip
async def test_when_to_come_back_is_read_where_it_makes_sense(
    data_plane: DataPlane, sender: ServiceSender, text: str, seconds: float
) -> None:
    data_plane.statuses = [429]
    data_plane.headers = {"Retry-After": text}

    assert (await failure_of(sender)).retry_after_seconds == seconds


async def test_when_to_come_back_may_be_a_date(data_plane: DataPlane, sender: ServiceSender) -> None:
    data_plane.statuses = [503]
    data_plane.headers = {"Retry-After": format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)}

    assert 3540 < (await failure_of(sender)).retry_after_seconds <= 3600


class Counter:
    """A bearer whose values are numbered; a new one where the last was refused."""

    def __init__(self) -> None:
        self.number = 1

    async def value(self, url: str) -> bytes:
        return b"Bearer %d" % self.number

    def forget(self, url: str, value: bytes) -> None:
        assert value == b"Bearer %d" % self.number
        self.number += 1


async def test_an_unauthorized_request_is_tried_once_more_with_another_token(data_plane: DataPlane) -> None:
    sender = ServiceSender(data_plane.url, Counter())
    data_plane.statuses = [401]

    await sender.send("Chat", SendToAll(data="x"))
    await sender.close()

    assert [request.authorization for request in data_plane.requests] == ["Bearer 1", "Bearer 2"]


async def test_a_request_unauthorized_twice_is_tried_again_later(data_plane: DataPlane, sender: ServiceSender) -> None:
    data_plane.statuses = [401, 401]

    failure = await failure_of(sender)

    assert (failure.status, failure.is_final) == (401, False)
    assert len(data_plane.requests) == 2


class Credential:
    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        if self._error is not None:
            raise self._error
        return AccessToken("secret", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Credential":
        return self

    async def __aexit__(self, *details: object) -> None: ...


async def test_an_entra_token_does_not_go_over_plain_http(data_plane: DataPlane) -> None:
    sender = ServiceSender(data_plane.url, EntraBearer(Credential()))

    failure = await failure_of(sender)
    await sender.close()

    assert failure.reason == "no token: an Entra token is sent over https only"
    assert data_plane.requests == []


async def test_a_credential_that_fails_may_succeed_later() -> None:
    error = ClientAuthenticationError("https://login.example/secret")
    sender = ServiceSender("https://localhost", EntraBearer(Credential(error)))

    failure = await failure_of(sender)

    assert (failure.reason, failure.status) == ("no token: ClientAuthenticationError", None)
    assert not failure.is_final


async def test_a_service_that_is_gone_may_come_back(unused_address: str) -> None:
    failure = await failure_of(ServiceSender(unused_address, KeyBearer(KEY.encode())))

    assert (failure.reason, failure.status) == ("cannot connect: Connection refused", None)
    assert not failure.is_final


async def test_a_service_that_does_not_answer_in_time_may_do_so_later(serve: Serve) -> None:
    sender = ServiceSender((await serve(Link.gone)).url, KeyBearer(KEY.encode()), timeout_seconds=0.05)

    failure = await failure_of(sender)
    await sender.close()

    assert (failure.reason, failure.is_final) == ("no answer in time", False)


async def test_data_that_is_not_base64_has_failed_before_it_is_sent(
    data_plane: DataPlane, sender: ServiceSender
) -> None:
    failure = await failure_of(sender, SendToAll(data="abc", data_type="binary"))

    assert failure.is_final
    assert data_plane.requests == []


async def test_closing_fails_what_is_on_its_way(serve: Serve) -> None:
    arrived = asyncio.Event()

    async def script(link: Link) -> None:
        await link.request()
        link.send(ACCEPTED)
        await link.request()
        arrived.set()
        await link.gone()

    sender = ServiceSender((await serve(script)).url, KeyBearer(KEY.encode()))
    await sender.send("Chat", SendToAll(data="x"))
    sending = asyncio.create_task(sender.send("Chat", SendToAll(data="x")))
    await arrived.wait()

    await sender.close()

    with pytest.raises(SendFailed, match=r"^the client was closed$"):
        await sending


@pytest.mark.parametrize("name", [".", ".."])
@pytest.mark.parametrize(
    "action",
    [
        lambda name: SendToGroup(group=name, data="x"),
        lambda name: SendToUser(user_id=name, data="x"),
        lambda name: SendToConnection(connection_id=name, data="x"),
        lambda name: CloseGroupConnections(group=name),
        lambda name: CloseClientConnection(connection_id=name),
        lambda name: AddConnectionToGroup(group=name, connection_id="c"),
        lambda name: RemoveConnectionFromGroup(group="g", connection_id=name),
        lambda name: AddUserToGroup(group="g", user_id=name),
        lambda name: RemoveUserFromAllGroups(user_id=name),
        lambda name: GrantPermission(connection_id=name, permission="sendToGroup", target_name="g"),
    ],
)
async def test_what_would_lead_elsewhere_in_the_path_is_a_dead_letter(
    data_plane: DataPlane, sender: ServiceSender, action: Callable[[str], Action], name: str
) -> None:
    """`groups/../:send` is to everybody. Nobody chooses a receiver by what a group or a device calls itself."""
    failure = await failure_of(sender, action(name))

    assert (failure.is_final, data_plane.requests) == (True, [])
    assert name not in str(failure).split()


async def test_such_a_name_among_the_excluded_hurts_nobody(data_plane: DataPlane, sender: ServiceSender) -> None:
    await sender.send("Chat", SendToAll(data="x", excluded=("..",)))

    assert len(data_plane.requests) == 1
