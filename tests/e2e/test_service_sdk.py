"""The official service SDK, unmodified, against the local service."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp
import jwt
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient as AsyncServiceClient
from cryptography.hazmat.primitives.asymmetric import rsa

from localpubsub.edge.tls import CERTIFICATE
from localpubsub.edge.tokens import MQTT_PATH, Tokens
from localpubsub.protocol.roles import LITERAL_LIMIT, Permission
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, JsonClient, config, json_client

ENTRA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
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


async def test_filters_choose_who_hears(sdk: AsyncServiceClient, client: JsonClient) -> None:
    for wanted in ("userId eq 'max'", "'plain' in groups and startswith(userId,'žofie')"):
        await sdk.send_to_all("all", content_type="text/plain", filter=wanted)
        await sdk.send_to_group("plain", "group", content_type="text/plain", filter=wanted)
        await sdk.send_to_user("žofie/1", "user", content_type="text/plain", filter=wanted)
    await sdk.send_to_all("the end", content_type="text/plain")

    assert [(await client.receive())["data"] for _ in range(4)] == ["all", "group", "user", "the end"]


async def test_a_bad_filter_is_refused_and_never_everybody(sdk: AsyncServiceClient, client: JsonClient) -> None:
    with pytest.raises(HttpResponseError) as caught:
        await sdk.send_to_all("x", content_type="text/plain", filter="nick eq 'max'")
    await sdk.send_to_all("the end", content_type="text/plain")

    assert caught.value.status_code == 400
    assert "Token 'nick' is not supported" in caught.value.message
    assert (await client.receive())["data"] == "the end"


async def test_groups_of_many_connections_at_once(sdk: AsyncServiceClient, client: JsonClient) -> None:
    for verb, wanted, expected in (
        ("addToGroups", "userId eq 'max'", False),
        ("addToGroups", "userId ne 'max'", True),
        ("removeFromGroups", "'rüm' in groups", False),
    ):
        body = {"groups": ["rüm"], "filter": wanted}
        request = HttpRequest("POST", f"/api/hubs/open/:{verb}", params={"api-version": "2024-12-01"}, json=body)
        assert (await sdk.send_request(request)).status_code == 200
        assert await sdk.group_exists("rüm") is expected


async def test_members_are_listed_page_by_page(
    sdk: AsyncServiceClient, session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(json_client(session, service, user=f"u{n}", groups=("a b/c%",)))
            for n in range(5)
        ]
        pages = sdk.list_connections(group="a b/c%", params={"maxpagesize": "2"}).by_page()
        listed = [[member.connection_id async for member in page] async for page in pages]
        top = [member.user_id async for member in sdk.list_connections(group="a b/c%", top=3)]

    assert [len(page) for page in listed] == [2, 2, 1]
    assert [one for page in listed for one in page] == sorted(client.id for client in clients)
    assert len(set(top)) == 3


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


async def test_too_many_permissions_are_a_conflict(
    sdk: AsyncServiceClient, service: LocalPubSub, client: JsonClient
) -> None:
    permissions = service.service.hub("open").connections[client.id].permissions
    for number in range(LITERAL_LIMIT):
        permissions.grant(Permission.JOIN_LEAVE_GROUP, f"g{number}")

    with pytest.raises(ResourceExistsError):
        await sdk.grant_permission("joinLeaveGroup", client.id, target_name="more")


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


class EntraCredential:
    """A token nobody issued, for the audience that was asked for."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        expires = int(time.time()) + 600
        audience = scopes[0].removesuffix("/.default")
        token = jwt.encode({"aud": audience, "exp": expires}, ENTRA_KEY, algorithm="RS256")
        return AccessToken(token, expires)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("accepted", [True, False])
async def test_an_entra_credential_works_over_tls_where_it_is_accepted(
    session: aiohttp.ClientSession, tmp_path: Path, accepted: bool
) -> None:
    async with LocalPubSub(config(tls_folder=tmp_path, accept_entra_tokens=accepted)) as service:
        certificate = tmp_path / CERTIFICATE
        async with AsyncServiceClient(
            service.endpoint, "open", EntraCredential(), connection_verify=str(certificate), retry_total=0
        ) as sdk:
            if not accepted:
                with pytest.raises(ClientAuthenticationError):
                    await sdk.user_exists("mia")
                return
            token = await sdk.get_client_access_token(user_id="mia", groups=["g"], minutes_to_expire=5)
            mqtt = await sdk.get_client_access_token(user_id="mia", client_protocol="MQTT")
            trust = ssl.create_default_context(cafile=certificate)
            async with session.ws_connect(token["url"], protocols=[JSON], ssl=trust) as socket:
                assert (await socket.receive_json(timeout=5))["userId"] == "mia"
                assert await sdk.group_exists("g")

    assert mqtt["url"].startswith(f"wss://localhost:{service.port}/clients/mqtt/hubs/open?access_token=")
    Tokens(service.config.access_keys).client(
        mqtt["token"], path=MQTT_PATH, hub="open", host=f"localhost:{service.port}"
    )
