"""The live feed: who is there, how much goes on, and that it stops when nobody looks."""

from typing import Any

import aiohttp
import pytest

from localpubsub.config import EventHandler, HubSettings
from localpubsub.edge import console_feed
from localpubsub.engine import snapshot as snapshots
from localpubsub.protocol.mqtt import packets
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import PRIMARY, RecordingUpstream, config, json_client
from tests.localpubsub.console_page import command, looking
from tests.localpubsub.rest_calls import call


def hub_of(message: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in message["hubs"] if one["name"] == name)


async def test_a_page_is_told_at_once_who_is_there(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    roles = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup.lobby")
    async with (
        json_client(session, service, groups=("lobby", "attic"), roles=roles) as ivy,
        looking(session, service) as page,
    ):
        first = await page.message()

    [connection] = hub_of(first, "open")["connections"]
    assert (first["type"], first["endpoint"], first["leftOut"]) == ("snapshot", service.endpoint, 0)
    assert isinstance(connection.pop("since"), int)
    assert connection == {
        "id": ivy.id,
        "userId": "ivy",
        "subprotocol": "json.webpubsub.azure.v1",
        "groups": ["attic", "lobby"],
        "permissions": {"sendToGroup": "every group", "joinLeaveGroup": "lobby"},
    }
    assert {"name": "lobby", "members": 1} in hub_of(first, "open")["groups"]
    handler = {"url": f"{upstream.url}/eventhandler/{{event}}", "system": ["connect", "connected", "disconnected"]}
    assert hub_of(first, "den")["handlers"] == [{**handler, "user": "*"}]


async def test_changes_are_told_and_nothing_else(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with looking(session, service) as page:
        assert (await page.message())["type"] == "snapshot"
        assert (await page.message())["type"] == "rates"  # a second has passed, and nothing has changed
        async with json_client(session, service) as ivy:
            joined = await page.expect("snapshot")
        left = await page.expect("snapshot", lambda one: not hub_of(one, "open")["connections"])

    assert [one["id"] for one in hub_of(joined, "open")["connections"]] == [ivy.id]
    assert hub_of(left, "open")["leftOut"] == 0


async def test_a_change_of_permissions_is_one(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as ivy, looking(session, service) as page:
        await page.message()
        path = f"/api/hubs/open/permissions/sendToGroup/connections/{ivy.id}?targetName=lobby"
        await call(session, service, "PUT", path)
        changed = await page.expect("snapshot")

    assert hub_of(changed, "open")["connections"][0]["permissions"]["sendToGroup"] == "lobby"


async def test_how_many_connections_are_left_out_is_said(
    session: aiohttp.ClientSession, service: LocalPubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "CONNECTION_LIMIT", 1)
    async with (
        json_client(session, service),
        json_client(session, service),
        looking(session, service) as page,
    ):
        first = await page.message()

    assert (len(hub_of(first, "open")["connections"]), hub_of(first, "open")["leftOut"], first["leftOut"]) == (1, 1, 1)


async def test_a_secret_of_a_handlers_address_is_not_told(session: aiohttp.ClientSession) -> None:
    handler = EventHandler(f"http://h/?code=s3cr3t&key={PRIMARY}")
    settings = config(hubs={"one": HubSettings(event_handlers=(handler,))})
    async with LocalPubSub(settings) as service, looking(session, service) as page:
        first = await page.message()

    assert hub_of(first, "one")["handlers"][0]["url"] == "http://h/?code=***&key=***"


async def test_rates_are_told_each_second(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as ivy, json_client(session, service), looking(session, service) as page:
        await ivy.ask(type="ping")
        await call(session, service, "POST", "/api/hubs/open/:send", data="x", headers={"Content-Type": "text/plain"})
        busy = await page.expect("rates", lambda one: one["calls"])
        idle = await page.expect("rates")

    assert {name: busy[name] for name in ("events", "calls", "deliveries")} == {
        "events": 0,
        "calls": 1,
        "deliveries": 2,
    }
    assert {name: idle[name] for name in console_feed.RATES} == dict.fromkeys(console_feed.RATES, 0)
    assert idle["at"] - busy["at"] >= 500


async def test_who_comes_later_gets_what_was_before(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as ivy:
        async with looking(session, service) as first:
            for _ in range(510):
                await ivy.send(type="ping")
            last = await first.record("frame", lambda one: one["id"] == 510)
        async with looking(session, service) as second:
            kinds = [(await second.message())["type"] for _ in range(2)]

    assert kinds == ["snapshot", "records"]
    assert list(second.records) == list(range(11, 511))
    assert second.records[510] == last


async def test_records_come_in_batches(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as ivy, looking(session, service) as page:
        for _ in range(50):
            await ivy.send(type="ping")
        await ivy.ask(type="ping")
        batches: list[int] = []
        while sum(batches) < 51:
            batches.append(len((await page.expect("records"))["records"]))

    assert len(batches) < 10


async def test_everybody_who_looks_is_told(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with (
        looking(session, service) as first,
        looking(session, service) as second,
        json_client(session, service) as ivy,
    ):
        seen = [await page.record("open") for page in (first, second)]

    assert {one["connectionId"] for one in seen} == {ivy.id}


async def test_nothing_runs_when_nobody_looks(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    feed = service._console._feed
    async with looking(session, service) as page:
        await page.message()
        assert service.service.trace.on is True
        assert feed._ticking is not None
    async with json_client(session, service) as ivy:  # by now the service has seen the page go
        await ivy.ask(type="ping")

    assert service.service.trace.on is False
    assert feed._ticking is None
    assert service.service.trace.records == ()


async def test_a_page_that_reads_too_slowly_is_cut_off(
    session: aiohttp.ClientSession, service: LocalPubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_feed, "WAITING_LIMIT", 0)
    async with looking(session, service) as page:
        await page.message()
        [viewer] = service._console._feed._viewers
        viewer._waiting = 1
        viewer.put("x")
        message = await page.socket.receive(timeout=5)

    assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE)
    assert page.socket.close_code == 1006


async def test_what_a_page_says_is_of_no_interest(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with looking(session, service) as page:
        await page.message()
        await page.socket.send_str("hello")
        assert (await page.message())["type"] == "rates"


async def test_an_mqtt_client_is_seen_too(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    _, made = await command(
        session, service, "token", hub="den", userId="ivy", protocol="mqtt",
        roles=["webpubsub.sendToGroup", "webpubsub.joinLeaveGroup"],
    )  # fmt: skip
    hello = packets.Connect("buoy7")
    said = (packets.Publish("lobby", b"hi"), packets.Publish("$webpubsub/server/events/roll", b"d20"))
    async with looking(session, service) as page:
        async with session.ws_connect(made["url"], protocols=["mqtt"]) as socket:
            await socket.send_bytes(encode(hello, packets.V5))
            await socket.receive_bytes(timeout=5)
            for packet in said:
                await socket.send_bytes(encode(packet, packets.V5))
            event = await page.record("event", lambda one: one["summary"] == "roll" and one["status"])
            reply = await page.record("delivery", lambda one: one["cause"] == event["id"])
        closed = await page.record("close")
        opened = await page.record("open")
        first, second = [one for one in page.records.values() if one["kind"] == "frame"][:2]

    assert (first["summary"], first["detail"]["text"]) == ("PUBLISH lobby", "hi")
    assert (event["cause"], reply["connectionId"]) == (second["id"], "buoy7")
    assert (opened["detail"]["subprotocol"], opened["connectionId"]) == ("mqtt", closed["connectionId"])
    assert made["token"] not in str(page.records)
