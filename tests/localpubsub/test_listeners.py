"""Copies of events for listeners (spec/service.md 9.9)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, EventListener, HubSettings, ServiceConfig
from localpubsub.edge.listeners import ListenerSinks
from localpubsub.engine.upstream import UpstreamEvent
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import RecordingUpstream, config, json_client

ALL = ("connected", "disconnected")


def listening(*listeners: EventListener, handler: EventHandler | None = None) -> ServiceConfig:
    handlers = (handler,) if handler else ()
    return config(hubs={"den": HubSettings(event_handlers=handlers, event_listeners=listeners)})


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_a_file_gets_a_line_for_each_event(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with (
        LocalPubSub(listening(EventListener(f"file:{path}", ALL, "*"))) as service,
        json_client(session, service, "den") as client,
    ):
        text = await client.ask(type="event", event="roll", dataType="text", data="é\n", ackId=1, metadata={"T": "1"})
        await client.ask(type="event", event="raw", dataType="binary", data="/w==", ackId=2)

    connected, roll, raw, disconnected = lines(path)
    assert text == {"type": "ack", "ackId": 1, "success": True}
    assert roll == {
        "messageId": f"{client.id}/2",
        "partitionKey": client.id,
        "contentType": "text/plain; charset=utf-8",
        "applicationProperties": {
            "cloudEvents:specversion": "1.0",
            "cloudEvents:awpsversion": "1.0",
            "cloudEvents:type": "azure.webpubsub.user.roll",
            "cloudEvents:source": f"/hubs/den/client/{client.id}",
            "cloudEvents:id": "2",
            "cloudEvents:time": roll["applicationProperties"]["cloudEvents:time"],
            "cloudEvents:connectionid": client.id,
            "cloudEvents:hub": "den",
            "cloudEvents:eventname": "roll",
            "cloudEvents:userid": "ivy",
            "cloudEvents:subprotocol": "json.webpubsub.azure.v1",
            "x-webpubsub-metadata-t": "1",
        },
        "body": "é\n",
    }
    assert (connected["messageId"], connected["body"]) == (f"{client.id}/1", "{}")
    assert raw["bodyBase64"] == "/w=="
    assert disconnected["applicationProperties"]["cloudEvents:type"] == "azure.webpubsub.sys.disconnected"


async def test_a_url_gets_what_a_handler_gets_without_its_secrets(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    handler = EventHandler(f"{upstream.url}/handler", ("connected",), "*", bearer_token="t0ken")
    async with LocalPubSub(listening(EventListener(f"{upstream.url}/sink", ALL, "roll"), handler=handler)) as service:
        async with json_client(session, service, "den") as client:
            await client.ask(type="event", event="roll", data=1, ackId=1)
            await client.ask(type="event", event="other", data=1, ackId=2)
        await upstream.wait_for("disconnected")

    sink = [one for one in upstream.events if one.path == "/sink"]
    both = [one for one in upstream.events if one.event == "roll"]
    assert [one.event for one in sink] == ["connected", "roll", "disconnected"]
    assert len({one.headers["ce-id"] for one in both}) == 1
    assert {one.body for one in both} == {b"1"}
    assert all(one.headers["Authorization"] == "Bearer t0ken" for one in both if one.path == "/handler")
    assert not {"ce-signature", "Authorization", "Cookie", "WebHook-Request-Origin"} & set(sink[1].headers)


async def test_a_listener_alone_lets_an_event_succeed(session: aiohttp.ClientSession) -> None:
    heard: list[UpstreamEvent] = []
    async with (
        LocalPubSub(listening(EventListener(heard.append, (), "roll"))) as service,
        json_client(session, service, "den") as client,
    ):
        roll = await client.ask(type="event", event="roll", data=1, ackId=1)
        other = await client.ask(type="event", event="other", data=1, ackId=2)

    assert (roll["success"], other["success"]) == (True, False)
    assert [one.name for one in heard] == ["roll"]


async def test_a_listener_that_fails_harms_nobody(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: UpstreamEvent) -> None:
        raise ZeroDivisionError

    upstream.answer = lambda _: web.Response(status=500)
    listeners = (
        EventListener(fail, (), "*"),
        EventListener(f"file:{tmp_path}/nowhere/x", (), "*"),
        EventListener("http://127.0.0.1:1/?code=s3cr3t", (), "*"),
        EventListener(f"{upstream.url}/sink?code=s3cr3t", (), "*"),
        EventListener("log:", (), "*"),
    )
    caplog.set_level("INFO", "localpubsub")
    async with (
        LocalPubSub(listening(*listeners)) as service,
        json_client(session, service, "den") as client,
    ):
        assert (await client.ask(type="event", event="roll", data="b0dy", ackId=1))["success"]

    assert "ZeroDivisionError" in caplog.text
    assert f"the listener file:{tmp_path}/nowhere/x lost 1 events: FileNotFoundError" in caplog.text
    assert "the listener 127.0.0.1 lost 1 events: ClientConnectorError" in caplog.text
    assert "the listener 127.0.0.1 answered 500" in caplog.text
    assert '"eventName": "roll"' in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "b0dy" not in caplog.text


async def test_a_listener_that_is_too_slow_loses_what_is_too_much(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("localpubsub.edge.listeners.QUEUE_LIMIT", 2)
    path = tmp_path / "events.jsonl"
    sinks = ListenerSinks()
    listener = EventListener(f"file:{path}", (), "*")

    for number in range(4):  # its task has had no chance to run
        sinks.publish(listener, UpstreamEvent("den", "c", "user", "roll", number, b"1", "application/json"))
    await sinks.close(5)

    assert [one["messageId"] for one in lines(path)] == ["c/0", "c/1"]
    assert caplog.text.count("is too slow") == 2


async def test_closing_does_not_wait_for_ever(upstream: RecordingUpstream) -> None:
    asked = asyncio.Event()

    async def never(_: object) -> web.Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    upstream.answer = never
    sinks = ListenerSinks()
    event = UpstreamEvent("den", "c", "user", "roll", 1, b"1", "application/json")
    sinks.publish(EventListener(upstream.url, (), "*"), event)
    await asyncio.wait_for(asked.wait(), 5)

    await asyncio.wait_for(sinks.close(0.01), 5)
