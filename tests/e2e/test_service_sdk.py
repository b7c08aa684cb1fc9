"""The official service SDK, unmodified, against the local service."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncServiceClient

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, JsonClient

GROUPS = ("plain", "a b/c%", "rüm-1/東")


@pytest.fixture
async def sdk(service: LocalPubSub) -> AsyncIterator[AsyncServiceClient]:
    async with AsyncServiceClient.from_connection_string(service.connection_string, hub="open") as client:
        yield client


@pytest.fixture
def sync_sdk(service: LocalPubSub) -> Iterator[WebPubSubServiceClient]:
    with WebPubSubServiceClient.from_connection_string(service.connection_string, hub="Open") as client:
        yield client


@pytest.fixture
async def client(session: aiohttp.ClientSession, sdk: AsyncServiceClient) -> AsyncIterator[JsonClient]:
    token = await sdk.get_client_access_token(user_id="žofie/1", groups=["plain"], roles=["webpubsub.sendToGroup"])
    async with session.ws_connect(token["url"], protocols=[JSON]) as socket:
        yield JsonClient(socket, await socket.receive_json(timeout=5))


async def test_a_client_access_token_of_the_sdk_opens_the_hub(client: JsonClient) -> None:
    assert client.connected["userId"] == "žofie/1"


@pytest.mark.parametrize(
    ("message", "content_type", "data_type", "data"),
    [
        ("hi", "text/plain", "text", "hi"),
        ({"n": 1, "t": "grüße"}, "application/json", "json", {"n": 1, "t": "grüße"}),
        (b"\x01\x02", "application/octet-stream", "binary", "AQI="),
    ],
)
async def test_every_kind_of_message_reaches_its_target(
    sdk: AsyncServiceClient, client: JsonClient, message: Any, content_type: str, data_type: str, data: Any
) -> None:
    await sdk.send_to_all(message, content_type=content_type)
    await sdk.send_to_group("plain", message, content_type=content_type)
    await sdk.send_to_user("žofie/1", message, content_type=content_type)
    await sdk.send_to_connection(client.id, message, content_type=content_type)

    frames = [await client.receive() for _ in range(4)]
    assert [frame["from"] for frame in frames] == ["server", "group", "server", "server"]
    assert all((frame["dataType"], frame["data"]) == (data_type, data) for frame in frames)


async def test_excluded_and_ttl_are_understood(sdk: AsyncServiceClient, client: JsonClient) -> None:
    await sdk.send_to_all("not for you", content_type="text/plain", excluded=[client.id])
    await sdk.send_to_all("for you", content_type="text/plain", params={"messageTtlSeconds": 30})

    assert (await client.receive())["data"] == "for you"


async def test_a_filter_is_refused_and_never_everybody(sdk: AsyncServiceClient, client: JsonClient) -> None:
    with pytest.raises(HttpResponseError) as caught:
        await sdk.send_to_all("x", content_type="text/plain", filter="userId eq 'max'")

    assert caught.value.status_code == 400


@pytest.mark.parametrize("group", GROUPS)
async def test_membership(sdk: AsyncServiceClient, client: JsonClient, group: str) -> None:
    await sdk.add_connection_to_group(group, client.id)
    assert await sdk.group_exists(group)
    members = [member.connection_id async for member in sdk.list_connections(group=group)]
    await sdk.remove_connection_from_group(group, client.id)
    await sdk.add_user_to_group(group, "žofie/1")
    assert await sdk.group_exists(group)
    await sdk.remove_user_from_group(group, "žofie/1")
    assert not await sdk.group_exists(group)
    await sdk.add_user_to_group(group, "žofie/1")
    await sdk.remove_user_from_all_groups("žofie/1")
    await sdk.remove_connection_from_all_groups(client.id)
    assert not await sdk.group_exists(group)

    assert members == [client.id]


async def test_a_connection_that_is_gone_cannot_join(sdk: AsyncServiceClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        await sdk.add_connection_to_group("g", "gone")


async def test_existence(sdk: AsyncServiceClient, client: JsonClient) -> None:
    assert await sdk.connection_exists(client.id)
    assert await sdk.user_exists("žofie/1")
    assert not await sdk.connection_exists("gone")
    assert not await sdk.user_exists("gone")


async def test_permissions(sdk: AsyncServiceClient, client: JsonClient) -> None:
    assert await sdk.has_permission("sendToGroup", client.id, target_name="any")
    assert not await sdk.has_permission("joinLeaveGroup", client.id, target_name="g")
    await sdk.grant_permission("joinLeaveGroup", client.id, target_name="g")
    assert await sdk.has_permission("joinLeaveGroup", client.id, target_name="g")
    await sdk.revoke_permission("joinLeaveGroup", client.id, target_name="g")
    assert not await sdk.has_permission("joinLeaveGroup", client.id, target_name="g")


@pytest.mark.parametrize("verb", ["connection", "user", "group", "all"])
async def test_closing(sdk: AsyncServiceClient, client: JsonClient, verb: str) -> None:
    match verb:
        case "connection":
            await sdk.close_connection(client.id, reason="bye")
        case "user":
            await sdk.close_user_connections("žofie/1", reason="bye")
        case "group":
            await sdk.close_group_connections("plain", reason="bye")
        case _:
            await sdk.close_all_connections(reason="bye", excluded=["another"])

    assert (await client.receive())["message"] == "bye"
    assert await client.closed() == 1000


async def test_the_synchronous_sdk_works_as_well(
    sync_sdk: WebPubSubServiceClient, session: aiohttp.ClientSession
) -> None:
    url = sync_sdk.get_client_access_token(user_id="mia")["url"]
    async with session.ws_connect(url, protocols=[JSON]) as socket:
        client = JsonClient(socket, await socket.receive_json(timeout=5))
        await asyncio.to_thread(sync_sdk.send_to_all, {"n": 1}, content_type="application/json")
        assert (await client.receive())["data"] == {"n": 1}
        assert await asyncio.to_thread(sync_sdk.user_exists, "mia")
        await asyncio.to_thread(sync_sdk.close_connection, client.id)
        assert await client.closed() == 1000
