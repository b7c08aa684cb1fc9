"""Requests that are made to hurt: bombs, half characters, bodies that do not come, and what is left behind by them."""

import asyncio
import logging
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import RecordingUpstream, client_url, config, json_client, rest_headers
from tests.localpubsub.console_page import OWN, base, command
from tests.localpubsub.rest_calls import HUB, TEXT, call

JSON = {"Content-Type": "application/json"}
UNPACKED_BYTES = 256 * 1024 * 1024
MOST_BYTES = UNPACKED_BYTES // 2


def bomb() -> bytes:
    """A thousandth of what is in it, which is never whole in memory."""
    packer = zlib.compressobj(9, wbits=31)
    block = b"x" * 1024 * 1024
    return b"".join(packer.compress(block) for _ in range(UNPACKED_BYTES // len(block))) + packer.flush()


@pytest.fixture(scope="module")
def packed() -> bytes:
    return bomb()


@pytest.fixture
def peak() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.usefixtures("peak")
async def test_a_bomb_is_not_unpacked(session: aiohttp.ClientSession, service: LocalPubSub, packed: bytes) -> None:
    headers = {"Content-Encoding": "gzip"}
    sent = await call(session, service, "POST", f"{HUB}/:send", headers=TEXT | headers, data=packed)
    url = f"{base(service)}/console/api/token"
    async with session.post(url, data=packed, headers=OWN | JSON | headers) as commanded:
        pass

    assert (sent.status, commanded.status) == (413, 413)
    assert tracemalloc.get_traced_memory()[1] < MOST_BYTES


@pytest.mark.usefixtures("peak")
async def test_nor_is_one_that_an_event_handler_answers(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, packed: bytes
) -> None:
    upstream.answer = lambda _: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(client_url(service, "den"))

    assert refusal.value.status == 500
    assert tracemalloc.get_traced_memory()[1] < MOST_BYTES


@pytest.mark.parametrize(
    "value",
    ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000, "1" * 100_000, '"\\ud800"'],
    ids=["open lists", "lists", "objects", "digits", "half a character"],
)
async def test_json_without_end_or_sense_is_refused_everywhere(
    session: aiohttp.ClientSession, service: LocalPubSub, value: str
) -> None:
    filtered = f'{{"groups":["a"],"filter":{value}}}'.encode()
    api = await call(session, service, "POST", f"{HUB}/:addToGroups", headers=JSON, data=filtered)
    named = f'{{"hub":"open","target":{{"kind":"user","name":{value}}}}}'.encode()
    async with session.post(f"{base(service)}/console/api/publish", data=named, headers=OWN | JSON) as commanded:
        pass
    async with json_client(session, service) as client:
        await client.socket.send_str(f'{{"type":"joinGroup","ackId":1,"group":{value}}}')
        code = await client.closed()

    assert (api.status, commanded.status, code) == (400, 400, 1007)


@pytest.mark.parametrize("value", ["[" * 100_000, "1" * 100_000], ids=["open lists", "digits"])
async def test_nor_is_it_taken_from_an_event_handler(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    upstream: RecordingUpstream,
    value: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upstream.answer = lambda _: web.Response(text=f'{{"userId":{value}}}', content_type="application/json")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(client_url(service, "den"))

    assert refusal.value.status == 500
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    "claims",
    [
        {"user": "mia\r\nce-hub: other"},
        {"user": "mia\n"},
        {"user": "mia\0"},
        {"user": "\ud800"},
        {"roles": ("\ud800",)},
        {"groups": ("\udfff",)},
    ],
)
async def test_a_token_with_what_no_header_carries_is_none(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, claims: dict[str, Any]
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(client_url(service, "den", **claims))

    assert refusal.value.status == 401
    assert upstream.events == []


async def test_a_user_id_of_an_event_handler_cannot_add_headers(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda _: web.json_response({"userId": "mia\r\nce-hub: other"})
    async with session.ws_connect(client_url(service, "den"), protocols=["json.webpubsub.azure.v1"]) as socket:
        await socket.receive_json(timeout=5)
        await socket.send_json({"type": "event", "event": "say", "dataType": "text", "data": "x", "ackId": 1})
        acked = await socket.receive_json(timeout=5)

    assert acked["success"] is False
    assert [one.event for one in upstream.events] == ["connect"]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localpubsub.edge.bodies.BODY_SECONDS", 0.05)
    monkeypatch.setattr("localpubsub.server.IDLE_SECONDS", 0.05)


async def first_line(service: LocalPubSub, request: str) -> bytes:
    """Of the answer; nothing where the service hangs up without one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request.encode())
    try:
        async with asyncio.timeout(10):
            return await reader.readline()
    finally:
        writer.close()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("request_text", ["", "G", "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_who_does_not_send_a_whole_head_is_hung_up_on(request_text: str) -> None:
    async with LocalPubSub(config()) as service:
        assert await first_line(service, request_text) == b""


@pytest.mark.usefixtures("hurried")
async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async with LocalPubSub(config()) as service:
        head = f"HTTP/1.1\r\nHost: localhost:{service.port}\r\nConnection: close\r\nContent-Length: 9\r\n"
        bearer = rest_headers(service, f"{HUB}/:send")["Authorization"]
        send = f"POST {HUB}/:send {head}Authorization: {bearer}\r\nContent-Type: text/plain\r\n\r\nx"
        order = f"POST /console/api/token {head}X-Console: 1\r\nContent-Type: application/json\r\n\r\n{{"
        for request in (send, order):
            assert (await first_line(service, request)).startswith(b"HTTP/1.1 408 ")


async def test_those_who_are_not_let_in_leave_nothing_behind(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    for number in range(5):
        hub = f"ws://localhost:{service.port}/client/hubs/made{number}"
        async with session.ws_connect(f"{hub}?awps_connection_id=a&awps_reconnection_token=b") as socket:
            await socket.receive(timeout=5)
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(hub)
        refused = await session.head(f"{base(service)}/api/hubs/made{number}/groups/g")
        assert refused.status == 401

    assert service.service.hubs == ()


async def test_a_reason_that_is_no_text_closes_nobody(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as client:
        status, _ = await command(session, service, "close", hub="open", connectionId=client.id, reason="\ud800")

        assert status == 400
        assert await client.ask(type="ping") == {"type": "pong"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_event_handler_cannot_send_the_service_elsewhere(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, status: int
) -> None:
    """To an address only this machine reaches, for example."""
    upstream.answer = lambda _: web.Response(status=status, headers={"Location": f"{upstream.url}/elsewhere"})
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await session.ws_connect(client_url(service, "den"))

    assert {one.path for one in upstream.requests} == {"/eventhandler/validate", "/eventhandler/connect"}


async def test_nobody_but_the_one_who_configures_says_where_events_go(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    elsewhere = f"{upstream.url}/elsewhere"
    orders: dict[str, Any] = {"hub": "den", "url": elsewhere, "handler": elsewhere, "recordId": 1}
    for name in ("replay", "token", "publish", "close", "chaos"):
        await command(session, service, name, **orders)
    for method in ("PUT", "POST", "PATCH"):
        for path in (HUB, f"{HUB}/eventHandlers", f"{HUB}/settings"):
            answer = await call(session, service, method, path, headers=JSON, json={"urlTemplate": elsewhere})
            assert answer.status in (404, 405)
    async with session.ws_connect(client_url(service, "den", f"&url={elsewhere}&handler={elsewhere}")):
        await upstream.wait_for("connected")

    assert all(one.path.startswith("/eventhandler/") for one in upstream.requests)
