"""Microsoft's tunnel client, unmodified, with its express handler behind it (spec/service.md 10).

The package of the awps-tunnel tool is not on the registry we reach; its client is the one inside the Socket.IO package.
"""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from localpubsub.config import EventHandler, HubSettings, ServiceConfig
from localpubsub.server import LocalPubSub
from tests.e2e.node_programs import Program, running
from tests.localpubsub.conftest import JsonClient, config, json_client

HUBS = {
    "den": HubSettings(event_handlers=(EventHandler("tunnel:///hooks", ("connect", "connected", "disconnected"), "*"),))
}
TEXT = {"contentType": "text/plain"}


def patient(port: int = 0) -> ServiceConfig:
    return config(hubs=HUBS, port=port, retry_delays=(1.0,) * 10, connect_seconds=20.0, shutdown_seconds=0.2)


@pytest.fixture
async def service() -> AsyncIterator[LocalPubSub]:
    """It tries often enough for a client that takes its time to come back."""
    async with LocalPubSub(patient()) as one:
        yield one


@pytest.fixture
async def upstream(service: LocalPubSub) -> AsyncIterator[Program]:
    async with running("tunnel.cjs", service.connection_string, "den") as program:
        assert await program.hear() == {"ready": True}
        yield program


async def opened(upstream: Program) -> None:
    assert [(await upstream.hear())["event"] for _ in range(2)] == ["connect", "connected"]


async def answers(client: JsonClient) -> tuple[str, bool]:
    frames = [await client.receive(), await client.receive()]
    message = next(frame for frame in frames if frame["type"] == "message")
    return message["data"], next(frame["success"] for frame in frames if frame["type"] == "ack")


async def test_events_reach_the_express_handler_and_come_back(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Program
) -> None:
    async with json_client(session, service, "den") as client:
        await opened(upstream)
        for number in (1, 2):
            await client.send(type="event", event="shout", dataType="text", data="hé", ackId=number)
            states = {"count": 1} if number == 2 else {}
            assert await upstream.hear() == {"event": "shout", "length": 2, "states": states}
            assert await answers(client) == ("hé!", True)
    assert await upstream.hear() == {"event": "disconnected"}


async def test_a_megabyte_goes_both_ways(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Program
) -> None:
    async with json_client(session, service, "den") as client:
        await opened(upstream)
        await client.send(type="event", event="shout", dataType="text", data="x" * 1_000_000, ackId=1)

        assert (await upstream.hear())["length"] == 1_000_000
        assert await answers(client) == ("x" * 1_000_000 + "!", True)


async def test_the_handler_may_refuse_a_client(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Program
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with json_client(session, service, "den", user="nobody"):
            pass

    assert refused.value.status == 401


async def test_the_proxy_calls_the_service_back_through_the_tunnel(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Program
) -> None:
    async def call(target: str, verb: str, *args: object) -> None:
        assert await upstream.ask({"target": target, "verb": verb, "args": args}) == {"done": verb}

    async with json_client(session, service, "den") as client:
        await opened(upstream)
        await call("proxy", "sendToAll", "all", {"filter": "'g' in groups"})
        await call("proxy", "sendToAll", "nobody", {"filter": "userId eq null"})
        await call("proxy", "sendToConnection", client.id, "one")
        await call("group", "sendToAll", "group")
        await call("group", "removeConnection", client.id)
        await call("group", "sendToAll", "nobody")
        await call("proxy", "addConnectionsToGroups", ["g"], "userId ne null")
        await call("group", "sendToAll", "again")
        await call("proxy", "removeConnectionsFromGroups", ["g"], "true")
        await call("group", "sendToAll", "nobody")
        await call("proxy", "sendToAll", "the end")
        heard = [(await client.receive())["data"] for _ in range(5)]

        assert heard == ["all", "one", "group", "again", "the end"]
        refused = await upstream.ask({"target": "proxy", "verb": "sendToAll", "args": ["x", {"filter": "nick"}]})
        assert "400" in refused["failed"]


async def test_the_tunnel_comes_back_after_a_restart(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Program
) -> None:
    await service.stop()
    restarted = LocalPubSub(patient(service.port))
    async with restarted, json_client(session, restarted, "den") as client:
        await opened(upstream)
        await client.send(type="event", event="shout", dataType="text", data="x", ackId=1)
        await upstream.hear()

        assert await answers(client) == ("x!", True)
