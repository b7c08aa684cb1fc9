"""Faults on purpose, in a service that runs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.engine.chaos_rules import ChaosSettings, parse_rule
from localpubsub.engine.hub import Connection, Hub
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, RecordingUpstream, client_url, config, json_client, rest_headers

RELIABLE = "json.reliable.webpubsub.azure.v1"


async def send(session: aiohttp.ClientSession, service: LocalPubSub, text: str, path: str = "/:send") -> int:
    path = f"/api/hubs/open{path}"
    headers = rest_headers(service, path) | {"Content-Type": "text/plain"}
    async with session.post(service.endpoint + path, data=text, headers=headers) as response:
        return response.status


@pytest.fixture
async def ivy(session: aiohttp.ClientSession, service: LocalPubSub) -> AsyncIterator[JsonClient]:
    async with json_client(session, service, user="ivy", groups=("g",)) as client:
        yield client


async def texts(client: JsonClient, count: int) -> list[str]:
    return [(await client.receive())["data"] for _ in range(count)]


async def test_every_second_message_is_lost(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("drop every=2 hub=open")

    for number in range(1, 6):
        await send(session, service, str(number))

    assert await texts(ivy, 3) == ["1", "3", "5"]


async def test_a_message_comes_twice_to_one_user_only(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("duplicate user=ivy times=1")

    async with json_client(session, service, user="max") as max_:
        await send(session, service, "a")
        await send(session, service, "b")

        assert await texts(ivy, 3) == ["a", "a", "b"]
        assert await texts(max_, 2) == ["a", "b"]


async def test_a_message_is_late_and_those_behind_it_wait(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("delay 50ms group=g times=1")
    loop = asyncio.get_running_loop()
    before = loop.time()

    await send(session, service, "late", "/groups/g/:send")
    await send(session, service, "behind")

    assert await texts(ivy, 2) == ["late", "behind"]
    assert loop.time() - before >= 0.05


async def test_without_rules_nothing_is_held_back(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("delay 300s")
    await send(session, service, "held")

    service.chaos.clear()
    await send(session, service, "free")

    assert await texts(ivy, 2) == ["held", "free"]
    assert all(one.faults is None for one in service.service.hub("open").connections.values())


async def test_a_message_outlives_its_time_in_no_delay(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("delay 30s times=1")
    await send(session, service, "old", "/:send?messageTtlSeconds=10")
    service.chaos.clear()
    await send(session, service, "new")

    assert await texts(ivy, 1) == ["new"]


async def test_a_message_closes_the_connection_instead(
    session: aiohttp.ClientSession, service: LocalPubSub, ivy: JsonClient
) -> None:
    service.chaos.add("close 4001 group=g")

    await send(session, service, "a", "/groups/g/:send")

    assert await ivy.closed() == 4001


async def test_a_frame_of_a_client_closes_it(service: LocalPubSub, ivy: JsonClient) -> None:
    service.chaos.add("close 1011 user=ivy every=2")

    assert (await ivy.ask(type="ping"))["type"] == "pong"
    await ivy.send(type="ping")

    assert await ivy.closed() == 1011


async def test_a_lost_socket_leaves_a_reliable_connection_alive(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with session.ws_connect(client_url(service, "open"), protocols=[RELIABLE]) as socket:
        connected = await socket.receive_json(timeout=5)
        service.chaos.add("close 1006 times=1")
        await socket.send_json({"type": "ping"})
        assert (await socket.receive(timeout=5)).type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == 1006
    await send(session, service, "missed")

    query = f"awps_connection_id={connected['connectionId']}&awps_reconnection_token={connected['reconnectionToken']}"
    url = f"ws://localhost:{service.port}/client/hubs/open?{query}"
    async with session.ws_connect(url, protocols=[RELIABLE]) as socket:
        assert (await socket.receive_json(timeout=5))["connectionId"] == connected["connectionId"]
        assert (await socket.receive_json(timeout=5))["data"] == "missed"


async def test_rest_is_throttled_where_the_rule_says(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    service.chaos.add("rest 429 retry-after=7 group=g times=1")
    service.chaos.add("rest 503 user=ivy times=1")
    path = "/api/hubs/open/groups/g/:send"
    headers = rest_headers(service, path) | {"Content-Type": "text/plain"}

    async with session.post(service.endpoint + path, data="x", headers=headers) as response:
        throttled = (response.status, response.headers["Retry-After"], (await response.json())["code"])

    assert throttled == (429, "7", "Error.TooManyRequests")
    assert await send(session, service, "x", "/groups/other/:send") == 202
    assert await send(session, service, "x", "/users/ivy/:send") == 503
    assert await send(session, service, "x", "/groups/g/:send") == 202


async def ask(client: JsonClient, number: int) -> bool:
    return bool((await client.ask(type="event", event="roll", data=1, ackId=number))["success"])


async def test_a_webhook_fails_and_is_tried_again(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        await upstream.wait_for("connected")
        service.chaos.add("webhook-fail 503 times=1")
        service.chaos.add("webhook-fail unreachable times=1")
        tried_again = await ask(client, 1)
        service.chaos.clear()
        service.chaos.add("webhook-fail 400 times=1")
        final = await ask(client, 2)
        after = await ask(client, 3)

    assert (tried_again, final, after) == (True, False, True)
    assert len([one for one in upstream.events if one.event == "roll"]) == 2


async def test_a_webhook_that_is_delayed_too_long_is_given_up(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    async with (
        LocalPubSub(config(upstream, delivery_seconds=0.2)) as service,
        json_client(session, service, "den") as client,
    ):
        await upstream.wait_for("connected")
        service.chaos.add("webhook-delay 60s")

        assert not await ask(client, 1)

    assert not [one for one in upstream.events if one.event == "roll"]


async def test_rules_come_with_the_settings(session: aiohttp.ClientSession, upstream: RecordingUpstream) -> None:
    settings = config(chaos=ChaosSettings((parse_rule("drop"),)))
    async with LocalPubSub(settings) as service, json_client(session, service) as client:
        await send(session, service, "a")
        service.apply(config())
        await send(session, service, "b")

        assert await texts(client, 1) == ["b"]


def test_a_service_without_rules_has_nothing_in_the_way() -> None:
    """One attribute is looked at per message; nothing is called."""
    calls: list[Any] = []

    class Plain(Connection):
        def enqueue(self, *arguments: Any) -> None:
            calls.append(arguments)

    class NoOutbound: ...

    nothing: Any = NoOutbound()
    connection = Plain("c", "den", None, None, nothing, nothing, nothing)
    hub = Hub("den")
    hub.add(connection)

    assert connection.faults is None
    Hub.deliver([connection], nothing)
    assert len(calls) == 1


async def test_the_answer_of_an_upstream_is_a_message_too(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.Response(text="17") if one.event == "roll" else web.Response(status=204)
    async with json_client(session, service, "den") as client:
        service.chaos.add("drop")

        assert (await client.ask(type="event", event="roll", data=1, ackId=1))["type"] == "ack"
