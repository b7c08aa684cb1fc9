"""The official client SDK on its reliable protocol loses its socket, unmodified, against the local service."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, WebPubSubDataType, WebPubSubProtocolType

from localpubsub.server import LocalPubSub
from tests.e2e.cable import Cable, cable_to
from tests.localpubsub.conftest import RecordingUpstream, client_token
from tests.localpubsub.reliable_client import Losses, send_to_connection, status_of

ROLES = ("webpubsub.joinLeaveGroup.reef", "webpubsub.sendToGroup.reef")


@pytest.fixture
async def cable(service: LocalPubSub) -> AsyncIterator[Cable]:
    async with cable_to(service.port) as one:
        yield one


class Seen:
    """What the client told its callbacks, in order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def connected(self, args: Any) -> None:
        await self.queue.put(("connected", args.connection_id))

    async def disconnected(self, args: Any) -> None:
        await self.queue.put(("disconnected", args.connection_id))

    async def message(self, args: Any) -> None:
        await self.queue.put((args.data, args.sequence_id))

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(10):
            return await self.queue.get()


@pytest.fixture
async def seen() -> Seen:
    return Seen()


@pytest.fixture
async def client(service: LocalPubSub, cable: Cable, seen: Seen) -> AsyncIterator[WebPubSubClient]:
    token = client_token(service, "den", user="mia", roles=ROLES, aud=f"http://localhost:{cable.port}/client/hubs/den")
    one = WebPubSubClient(
        f"ws://localhost:{cable.port}/client/hubs/den?access_token={token}",
        protocol_type=WebPubSubProtocolType.JSON_RELIABLE,
        auto_reconnect=False,
    )
    await one.subscribe(CallbackType.CONNECTED, seen.connected)
    await one.subscribe(CallbackType.DISCONNECTED, seen.disconnected)
    await one.subscribe(CallbackType.GROUP_MESSAGE, seen.message)
    await one.subscribe(CallbackType.SERVER_MESSAGE, seen.message)
    async with one:
        yield one


async def test_nothing_is_lost_and_nothing_comes_twice(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    upstream: RecordingUpstream,
    cable: Cable,
    client: WebPubSubClient,
    seen: Seen,
) -> None:
    losses = Losses(service)
    _, connection_id = await seen.next()
    await client.join_group("reef")
    await client.send_to_group("reef", "one", WebPubSubDataType.TEXT)
    assert await seen.next() == ("one", 1)

    cable.pull()
    assert await losses.next() == connection_id
    for text in ("two", "three"):
        await send_to_connection(session, service, connection_id, text, "den")
    assert await status_of(session, service, "/api/hubs/den/groups/reef") == 200
    cable.plug()

    assert [await seen.next(), await seen.next()] == [("two", 2), ("three", 3)]
    await client.send_to_group("reef", "four", WebPubSubDataType.TEXT)
    assert await seen.next() == ("four", 4)
    await client.close()
    assert await seen.next() == ("disconnected", connection_id)
    await upstream.wait_for("disconnected")
    assert [one.event for one in upstream.events] == ["connect", "connected", "disconnected"]


async def test_a_connection_that_was_ended_is_given_up(
    session: aiohttp.ClientSession, service: LocalPubSub, cable: Cable, client: WebPubSubClient, seen: Seen
) -> None:
    losses = Losses(service)
    _, connection_id = await seen.next()
    cable.pull()
    await losses.next()
    assert await status_of(session, service, f"/api/hubs/den/connections/{connection_id}", "DELETE") == 204
    cable.plug()

    assert await seen.next() == ("disconnected", connection_id)
    assert not client.is_connected()
