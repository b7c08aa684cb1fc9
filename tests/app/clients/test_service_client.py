"""What the publisher puts on the wire, beside what the official SDK puts there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import jwt
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from app.clients.service_client import AzureServiceClient
from app.models.payloads import JsonData, ProtobufData
from app.upstream.errors import ServiceError
from tests.app.clients.conftest import DataPlane, Recorded

KEY = "a-key-of-at-least-thirty-two-bytes-000000"
GROUP, USER, CONNECTION = "a b/c%", "žofie/1", "q7Zt-19"

Verb = Callable[[Any], Awaitable[Any]]


@pytest.fixture
async def publisher(data_plane: DataPlane) -> AsyncIterator[AzureServiceClient]:
    async with aiohttp.ClientSession() as session:
        one = AzureServiceClient(data_plane.url, "Chat", AzureKeyCredential(KEY))
        await one.open(session)
        yield one
        await one.close()


@pytest.fixture
async def sdk(data_plane: DataPlane) -> AsyncIterator[WebPubSubServiceClient]:
    async with WebPubSubServiceClient(data_plane.url, "Chat", AzureKeyCredential(KEY)) as client:
        yield client


def comparable(request: Recorded, base: str) -> tuple[str, str, list[tuple[str, str]], str | None, bytes]:
    """The request without what may differ: the order of the query, charset, time. The bearer is checked here."""
    token = request.authorization.removeprefix("Bearer ")
    options: Any = {"verify_aud": False}
    audience = urlsplit(jwt.decode(token, KEY, algorithms=["HS256"], options=options)["aud"])
    parts = urlsplit(base + request.target)
    assert (audience.netloc, audience.path) == (parts.netloc, parts.path)
    content_type = request.content_type.partition(";")[0] if request.content_type else None
    return request.method, parts.path, sorted(parse_qsl(parts.query)), content_type, request.body


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            lambda p: p.send_to_all("grüße", excluded=["a", "b"], filter="userId ne null", ttl_seconds=30),
            lambda s: s.send_to_all(
                "grüße".encode(), content_type="text/plain", excluded=["a", "b"], filter="userId ne null",
                params={"messageTtlSeconds": 30},
            ),
        ),
        (
            lambda p: p.send_to_all(b"\x00\xff"),
            lambda s: s.send_to_all(b"\x00\xff", content_type="application/octet-stream"),
        ),
        (lambda p: p.send_to_group(GROUP, "x"), lambda s: s.send_to_group(GROUP, b"x", content_type="text/plain")),
        (lambda p: p.send_to_user(USER, "x"), lambda s: s.send_to_user(USER, b"x", content_type="text/plain")),
        (
            lambda p: p.send_to_connection(CONNECTION, "x"),
            lambda s: s.send_to_connection(CONNECTION, b"x", content_type="text/plain"),
        ),
        (
            lambda p: p.add_connection_to_group(GROUP, CONNECTION),
            lambda s: s.add_connection_to_group(GROUP, CONNECTION),
        ),
        (
            lambda p: p.remove_connection_from_group(GROUP, CONNECTION),
            lambda s: s.remove_connection_from_group(GROUP, CONNECTION),
        ),
        (
            lambda p: p.remove_connection_from_all_groups(CONNECTION),
            lambda s: s.remove_connection_from_all_groups(CONNECTION),
        ),
        (lambda p: p.add_user_to_group(GROUP, USER), lambda s: s.add_user_to_group(GROUP, USER)),
        (lambda p: p.remove_user_from_group(GROUP, USER), lambda s: s.remove_user_from_group(GROUP, USER)),
        (lambda p: p.remove_user_from_all_groups(USER), lambda s: s.remove_user_from_all_groups(USER)),
        (
            lambda p: p.grant_permission("sendToGroup", CONNECTION, GROUP),
            lambda s: s.grant_permission("sendToGroup", CONNECTION, target_name=GROUP),
        ),
        (
            lambda p: p.revoke_permission("joinLeaveGroup", CONNECTION, GROUP),
            lambda s: s.revoke_permission("joinLeaveGroup", CONNECTION, target_name=GROUP),
        ),
        (
            lambda p: p.has_permission("sendToGroup", CONNECTION, GROUP),
            lambda s: s.has_permission("sendToGroup", CONNECTION, target_name=GROUP),
        ),
        (
            lambda p: p.close_connection(CONNECTION, reason="bye"),
            lambda s: s.close_connection(CONNECTION, reason="bye"),
        ),
        (
            lambda p: p.close_all_connections(excluded=["a"], reason="bye"),
            lambda s: s.close_all_connections(excluded=["a"], reason="bye"),
        ),
        (lambda p: p.close_group_connections(GROUP), lambda s: s.close_group_connections(GROUP)),
        (lambda p: p.close_user_connections(USER), lambda s: s.close_user_connections(USER)),
        (lambda p: p.connection_exists(CONNECTION), lambda s: s.connection_exists(CONNECTION)),
        (lambda p: p.group_exists(GROUP), lambda s: s.group_exists(GROUP)),
        (lambda p: p.user_exists(USER), lambda s: s.user_exists(USER)),
    ],
)  # fmt: skip
async def test_every_verb_is_the_sdks(
    data_plane: DataPlane, publisher: AzureServiceClient, sdk: WebPubSubServiceClient, ours: Verb, theirs: Verb
) -> None:
    assert await ours(publisher) == await theirs(sdk)

    first, second = (comparable(request, data_plane.url) for request in data_plane.requests)
    assert first == second


@pytest.mark.parametrize(
    ("message", "content_type", "body"),
    [
        ({"t": "grüße"}, "application/json", '{"t":"grüße"}'.encode()),
        (JsonData(value=1.1, raw=b"1.10"), "application/json", b"1.10"),
        (None, "application/json", b"null"),
        ("grüße", "text/plain; charset=utf-8", "grüße".encode()),
        (ProtobufData(data=b"\x08\x01"), "application/x-protobuf", b"\x08\x01"),
    ],
)
async def test_a_message_is_sent_as_its_own_bytes(
    data_plane: DataPlane, publisher: AzureServiceClient, message: Any, content_type: str, body: bytes
) -> None:
    await publisher.send_to_all(message)

    assert (data_plane.requests[0].content_type, data_plane.requests[0].body) == (content_type, body)


async def test_groups_of_many_are_changed_at_once(data_plane: DataPlane, publisher: AzureServiceClient) -> None:
    await publisher.add_connections_to_groups(["a", "b"], filter="userId eq 'mia'")
    await publisher.remove_connections_from_groups(["a"])

    add, remove = data_plane.requests
    assert add.target == "/api/hubs/Chat/:addToGroups?api-version=2024-12-01"
    assert add.body == b'{"groups":["a","b"],"filter":"userId eq \'mia\'"}'
    assert remove.target.startswith("/api/hubs/Chat/:removeFromGroups")


async def test_absence_is_an_answer(data_plane: DataPlane, publisher: AzureServiceClient) -> None:
    data_plane.statuses = [404, 404]

    assert not await publisher.group_exists("g")
    assert not await publisher.has_permission("sendToGroup", "c", "g")


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refusal_of_the_service_is_our_error(
    data_plane: DataPlane, publisher: AzureServiceClient, status: int
) -> None:
    data_plane.statuses = [status, status]

    for call in (publisher.send_to_all("x"), publisher.add_connection_to_group("g", "c")):
        with pytest.raises(ServiceError) as caught:
            await call
        assert caught.value.status == status


async def test_a_passing_failure_is_tried_again(data_plane: DataPlane, publisher: AzureServiceClient) -> None:
    data_plane.statuses = [503]

    await publisher.send_to_all("x")

    assert len(data_plane.requests) == 2


async def test_a_service_that_is_gone_is_our_error(unused_address: str) -> None:
    async with aiohttp.ClientSession() as session:
        publisher = AzureServiceClient(unused_address, "Chat", AzureKeyCredential(KEY))
        await publisher.open(session)
        with pytest.raises(ServiceError) as caught:
            await publisher.send_to_all("x")
        await publisher.close()

    assert caught.value.status is None


async def test_before_it_is_open_it_says_so() -> None:
    with pytest.raises(ServiceError, match="no Web PubSub service is configured"):
        await AzureServiceClient(None, "Chat", None).send_to_all("x")


@pytest.mark.parametrize("ttl", [-1, 301])
async def test_a_ttl_has_bounds(publisher: AzureServiceClient, ttl: int) -> None:
    with pytest.raises(ValueError, match="ttl_seconds"):
        await publisher.send_to_all("x", ttl_seconds=ttl)


async def test_what_is_not_json_is_refused_before_it_is_sent(
    data_plane: DataPlane, publisher: AzureServiceClient
) -> None:
    with pytest.raises(ValueError, match=r"expected|NaN"):
        await publisher.send_to_all({"n": float("nan")})

    assert data_plane.requests == []


@pytest.mark.parametrize("name", [".", "..", "\ud800"])
@pytest.mark.parametrize(
    "verb",
    [
        lambda p, name: p.send_to_group(name, "x"),
        lambda p, name: p.send_to_user(name, "x"),
        lambda p, name: p.send_to_connection(name, "x"),
        lambda p, name: p.add_connection_to_group(name, "c"),
        lambda p, name: p.add_connection_to_group("g", name),
        lambda p, name: p.remove_connection_from_group("g", name),
        lambda p, name: p.remove_connection_from_all_groups(name),
        lambda p, name: p.add_user_to_group(name, "u"),
        lambda p, name: p.remove_user_from_group("g", name),
        lambda p, name: p.remove_user_from_all_groups(name),
        lambda p, name: p.grant_permission("sendToGroup", name, "g"),
        lambda p, name: p.revoke_permission("sendToGroup", name, "g"),
        lambda p, name: p.has_permission("sendToGroup", name, "g"),
        lambda p, name: p.close_connection(name),
        lambda p, name: p.close_group_connections(name),
        lambda p, name: p.close_user_connections(name),
        lambda p, name: p.connection_exists(name),
        lambda p, name: p.group_exists(name),
        lambda p, name: p.user_exists(name),
        lambda p, name: anext(p.connections_in_group(name)),
    ],
)
async def test_a_name_that_leads_elsewhere_in_the_path_is_not_asked_for(
    data_plane: DataPlane,
    publisher: AzureServiceClient,
    verb: Callable[[AzureServiceClient, str], Awaitable[Any]],
    name: str,
) -> None:
    """`groups/../:closeConnections` is to close everybody's."""
    with pytest.raises(ServiceError) as caught:
        await verb(publisher, name)

    assert (caught.value.status, data_plane.requests) == (400, [])
