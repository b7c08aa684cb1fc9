"""Requests that do not wait for the answers to those before them, on a connection without a socket."""

import asyncio
from typing import Any

import pytest

from app.serving.direct import Receive, Scope, Send, send_reply
from app.serving.incoming import MAX_HEAD_BYTES, MAX_WAITING_REQUESTS, IncomingLimits
from app.upstream.reply import Reply
from tests.app.serving.wire_double import connected

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Gated:
    """Answers once the gate is open, and notes what came of it."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = 0
        self.outcomes: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        await self.gate.wait()
        self.outcomes.append((await receive())["type"])
        await send_reply(send, Reply(200, b"x"))


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Begins an answer, and ends it with the connection."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"part", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass


async def test_each_is_answered_in_its_turn() -> None:
    app = Gated()
    protocol, wire = connected(app)
    app.gate.set()

    protocol.data_received(REQUEST * MAX_WAITING_REQUESTS)
    for _ in range(MAX_WAITING_REQUESTS):
        await settle()

    assert (wire.answers, wire.closed) == (MAX_WAITING_REQUESTS, False)
    protocol.connection_lost(None)


async def test_more_than_so_many_are_too_many() -> None:
    app = Gated()
    protocol, wire = connected(app)

    protocol.data_received(REQUEST * (MAX_WAITING_REQUESTS + 2))
    app.gate.set()
    await settle()

    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert (wire.answers, wire.closed, app.begun) == (1, True, 1)
    protocol.connection_lost(None)


async def test_a_connection_that_is_lost_is_so_for_the_first_of_them_too() -> None:
    app = Gated()
    protocol, wire = connected(app)
    protocol.data_received(REQUEST * 3)
    await settle()

    protocol.connection_lost(ConnectionResetError())
    app.gate.set()
    await settle()

    assert (app.begun, app.outcomes, wire.writes) == (1, ["http.disconnect"], [])


@pytest.mark.parametrize("rest", [b"GET / HTTP/1.1\r\nX-Slow: ", b"no request\r\n\r\n"])
async def test_nothing_is_written_into_an_answer_that_has_begun(rest: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IncomingLimits, "request_seconds", 0.0)
    protocol, wire = connected(stream)
    protocol.data_received(REQUEST)
    await settle()

    protocol.data_received(rest)
    await settle()

    assert wire.written.endswith(b"part\r\n")
    assert (wire.answers, wire.closed) == (1, True)
    protocol.connection_lost(None)


async def test_the_end_of_a_body_does_not_count_as_the_next_head() -> None:
    app = Gated()
    app.gate.set()
    protocol, wire = connected(app)
    length = 2 * MAX_HEAD_BYTES
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length

    protocol.data_received(head + bytes(length) + REQUEST[:10])
    protocol.data_received(REQUEST[10:])
    for _ in range(3):
        await settle()

    assert (wire.answers, wire.written.count(b" 200 ")) == (2, 2)
    protocol.connection_lost(None)
