"""What the sender puts on the wire, beside what the official SDK puts there."""

import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote

import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from yarl import URL

from app.clients.bearer import KeyBearer
from app.clients.webpubsub import ServiceSender, call_for
from app.models.actions import (
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    CloseAllConnections,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    RemoveUserFromGroup,
    RevokePermission,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)
from tests.app.clients.conftest import DataPlane, Recorded

KEY = "a-key-of-at-least-thirty-two-bytes-000000"
GROUP, USER, CONNECTION = "a b/c%", "žofie/1", "q7Zt-19+~'()*!$&,;=:@"
EXCLUDED = ("x y", "ž/&=+%2F", "a'~")
FILTER = "userId ne 'a+b' and not ('a/b%' in groups) and length(userId) gt 1"
TEXT = "text/plain; charset=utf-8"

Verb = Callable[[Any], Awaitable[Any]]


class Verbatim(AioHttpTransport):  # type: ignore[misc]
    """Sends the URL the SDK made and signed. aiohttp would spell it anew, `%27` as `'` and such."""

    async def send(self, request: Any, **options: Any) -> Any:
        request.url = URL(request.url, encoded=True)
        return await super().send(request, **options)


@pytest.fixture
async def sender(data_plane: DataPlane) -> AsyncIterator[ServiceSender]:
    one = ServiceSender(data_plane.url, KeyBearer(KEY.encode()))
    yield one
    await one.close()


@pytest.fixture
async def sdk(data_plane: DataPlane) -> AsyncIterator[WebPubSubServiceClient]:
    client = WebPubSubServiceClient(data_plane.url, "Chat", AzureKeyCredential(KEY), transport=Verbatim())
    async with client:
        yield client


def on_the_wire(request: Recorded, base: str) -> dict[str, object]:
    """All that matters of a request. The bearer is checked here: it expires soon and is for this very URL."""
    token = request.authorization.removeprefix("Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience=base + request.target)
    assert 0 < claims["exp"] - time.time() <= 300
    assert claims.keys() == {"aud", "exp"}
    names = ("Host", "Accept", "Content-Type", "Content-Length", "Transfer-Encoding")
    return {
        "method": request.method,
        "target": request.target,
        "body": request.body,
        **{name: request.headers.get(name) for name in names},
    }


def send_protobuf(data: bytes) -> HttpRequest:
    return HttpRequest(
        "POST",
        f"/api/hubs/Chat/groups/{quote(GROUP, safe='')}/:send",
        params={"messageTtlSeconds": 7, "excluded": ["a"], "api-version": "2024-12-01"},
        headers={"Content-Type": "application/x-protobuf", "Accept": "application/json"},
        content=data,
    )


PROTOBUF = b"\x0a\x01a\xff"
CONTRACT: list[tuple[Action, Verb]] = [
    (
        SendToAll(data="grüße", excluded=EXCLUDED, filter=FILTER, ttl_seconds=30),
        lambda s: s.send_to_all(
            "grüße".encode(), content_type=TEXT, excluded=list(EXCLUDED), filter=FILTER,
            params={"messageTtlSeconds": 30},
        ),
    ),
    (SendToAll(data=""), lambda s: s.send_to_all(b"", content_type=TEXT)),
    (
        SendToAll(data=json.dumps({"t": "grüße", "n": [1.5, None]}), data_type="json"),
        lambda s: s.send_to_all({"t": "grüße", "n": [1.5, None]}, content_type="application/json"),
    ),
    (
        SendToGroup(group=GROUP, data=b64encode(b"\x00\xff").decode(), data_type="binary", excluded=("a",)),
        lambda s: s.send_to_group(GROUP, b"\x00\xff", content_type="application/octet-stream", excluded=["a"]),
    ),
    (
        SendToGroup(
            group=GROUP, data=b64encode(PROTOBUF).decode(), data_type="protobuf", excluded=("a",), ttl_seconds=7
        ),
        lambda s: s.send_request(send_protobuf(PROTOBUF)),
    ),
    (
        SendToUser(user_id=USER, data="x", filter=FILTER, ttl_seconds=300),
        lambda s: s.send_to_user(
            USER, b"x", content_type=TEXT, filter=FILTER, params={"messageTtlSeconds": 300}
        ),
    ),
    (
        SendToConnection(connection_id=CONNECTION, data="x", ttl_seconds=1),
        lambda s: s.send_to_connection(CONNECTION, b"x", content_type=TEXT, params={"messageTtlSeconds": 1}),
    ),
    (
        AddConnectionToGroup(group=GROUP, connection_id=CONNECTION),
        lambda s: s.add_connection_to_group(GROUP, CONNECTION),
    ),
    (
        RemoveConnectionFromGroup(group=GROUP, connection_id=CONNECTION),
        lambda s: s.remove_connection_from_group(GROUP, CONNECTION),
    ),
    (AddUserToGroup(group=GROUP, user_id=USER), lambda s: s.add_user_to_group(GROUP, USER)),
    (RemoveUserFromGroup(group=GROUP, user_id=USER), lambda s: s.remove_user_from_group(GROUP, USER)),
    (RemoveUserFromAllGroups(user_id=USER), lambda s: s.remove_user_from_all_groups(USER)),
    (
        GrantPermission(permission="sendToGroup", connection_id=CONNECTION, target_name=GROUP),
        lambda s: s.grant_permission("sendToGroup", CONNECTION, target_name=GROUP),
    ),
    (
        RevokePermission(permission="joinLeaveGroup", connection_id=CONNECTION, target_name=USER),
        lambda s: s.revoke_permission("joinLeaveGroup", CONNECTION, target_name=USER),
    ),
    (
        CloseClientConnection(connection_id=CONNECTION, reason="bye & tschüß/1"),
        lambda s: s.close_connection(CONNECTION, reason="bye & tschüß/1"),
    ),
    (CloseClientConnection(connection_id=CONNECTION), lambda s: s.close_connection(CONNECTION)),
    (
        CloseAllConnections(excluded=EXCLUDED, reason="bye"),
        lambda s: s.close_all_connections(excluded=list(EXCLUDED), reason="bye"),
    ),
    (CloseAllConnections(reason=""), lambda s: s.close_all_connections(reason="")),
    (
        CloseGroupConnections(group=GROUP, excluded=("a", "a"), reason="a+b"),
        lambda s: s.close_group_connections(GROUP, excluded=["a", "a"], reason="a+b"),
    ),
]  # fmt: skip


def test_no_action_is_left_out() -> None:
    assert {type(action) for action, _ in CONTRACT} == set(Action.__args__)
    assert len(Action.__args__) == 14


@pytest.mark.parametrize(("action", "verb"), CONTRACT, ids=lambda value: getattr(value, "action_name", ""))
async def test_an_action_is_on_the_wire_what_the_sdk_puts_there(
    data_plane: DataPlane, sender: ServiceSender, sdk: WebPubSubServiceClient, action: Action, verb: Verb
) -> None:
    await sender.send("Chat", action)
    await verb(sdk)

    ours, theirs = (on_the_wire(request, data_plane.url) for request in data_plane.requests)
    assert ours == theirs


async def test_aiohttp_spells_the_target_otherwise_and_means_the_same(
    data_plane: DataPlane, sender: ServiceSender
) -> None:
    action, verb = CONTRACT[0]

    await sender.send("Chat", action)
    async with WebPubSubServiceClient(data_plane.url, "Chat", AzureKeyCredential(KEY)) as sdk:
        await verb(sdk)

    ours, theirs = data_plane.requests
    assert URL(data_plane.url + ours.target).raw_path_qs == theirs.target


@pytest.mark.parametrize("base", ["", "/", "/behind/a/proxy", "/behind/"])
async def test_the_path_of_the_endpoint_and_any_hub_are_spelt_as_by_the_sdk(data_plane: DataPlane, base: str) -> None:
    endpoint, hub = data_plane.url + base, "chat`1[a,b]"
    sender = ServiceSender(endpoint, KeyBearer(KEY.encode()))
    sdk: Any = WebPubSubServiceClient(endpoint, hub, AzureKeyCredential(KEY), transport=Verbatim())

    async with sdk:
        await sdk.send_to_all(b"x", content_type=TEXT)
        await sender.send(hub, SendToAll(data="x"))
    await sender.close()

    theirs, ours = (on_the_wire(request, data_plane.url) for request in data_plane.requests)
    assert ours == theirs


@pytest.mark.parametrize(
    ("ttl", "waited", "left"),
    [
        (30, 0, "30"),
        (30, 0.4, "30"),
        (30, 10.5, "20"),
        (30, 29.9, "1"),
        (30, 30, "1"),
        (30, 500, "1"),
        (300, -3600, "300"),
        (0, 0, None),
        (None, 5, None),
    ],
)
def test_what_is_left_of_the_time_to_live_goes_out(ttl: int | None, waited: float, left: str | None) -> None:
    call = call_for(SendToAll(data="x", ttl_seconds=ttl), waited)

    assert call.query == ([] if left is None else [f"messageTtlSeconds={left}"]) + ["api-version=2024-12-01"]


async def test_time_waited_shortens_what_is_sent(data_plane: DataPlane, sender: ServiceSender) -> None:
    await sender.send("Chat", SendToAll(data="x", ttl_seconds=30), waited_seconds=12)

    assert URL(data_plane.requests[0].target).query["messageTtlSeconds"] == "18"
