"""Answers in one write: the same bytes as uvicorn's own, and uvicorn's own where somebody looks at them."""

import asyncio
import logging

import pytest

from app.serving.direct import ASGIApp, Message, Receive, Scope, Send, send_reply
from app.serving.whole_answer import write_at_once
from app.upstream.reply import APPLICATION_JSON, PLAIN_TEXT, Reply
from tests.app.fanout.virtual_time import in_virtual_time, passes
from tests.app.serving.wire_double import Wire, connected

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def answering(reply: Reply) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(send, reply)

    return app


def behind_a_layer(app: ASGIApp, seen: list[str]) -> ASGIApp:
    """As middleware is: it hands on a `send` of its own."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        async def look(message: Message) -> None:
            seen.append(message["type"])
            await send(message)

        await app(scope, receive, look)

    return layer


async def asked(app: ASGIApp, request: bytes = GET) -> Wire:
    protocol, wire = connected(app)
    protocol.data_received(request)
    await passes()
    return wire


REPLIES = [
    Reply(204),
    Reply(204, b"", ((b"ce-connectionstate", b"e30="),)),
    Reply(200, b'{"userId":"mia"}', APPLICATION_JSON),
    Reply(200, b""),
    Reply(503, b"busy", (*PLAIN_TEXT, (b"retry-after", b"1"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d"))),
]


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize(
    "request_",
    [GET, GET * 3, GET.replace(b"GET", b"HEAD"), GET.replace(b"1.1", b"1.0"), GET[:-2] + b"Connection: close\r\n\r\n"],
)
def test_the_bytes_are_those_of_uvicorn(reply: Reply, request_: bytes) -> None:
    @in_virtual_time
    async def compare() -> None:
        seen: list[str] = []
        own = await asked(answering(reply), request_)
        theirs = await asked(behind_a_layer(answering(reply), seen), request_)
        assert own.written == theirs.written
        assert own.closed == theirs.closed
        assert len(seen) == 2 * own.answers

    compare()


@in_virtual_time
async def test_a_whole_answer_is_one_write() -> None:
    wire = await asked(answering(Reply(200, b"{}", APPLICATION_JSON)))

    assert len(wire.writes) == 1


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b=c", b"a\nb", b"a\rb", b"a\x00b", b"\x7f"])
def test_what_would_end_a_header_is_sent_to_nobody(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    @in_virtual_time
    async def ask() -> None:
        wire = await asked(answering(Reply(200, b"{}", ((b"x-user", value),))))
        assert wire.written == b""
        assert wire.closed

    with caplog.at_level(logging.ERROR, "uvicorn.error"):
        ask()
    assert "Invalid HTTP header value" in caplog.text


@in_virtual_time
async def test_an_access_log_that_is_wanted_has_its_line() -> None:
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    protocol, _ = connected(answering(Reply(204)))
    protocol.access_log = True
    logger, handler = protocol.access_logger, Lines()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    protocol.data_received(GET)
    await passes()
    logger.removeHandler(handler)
    logger.setLevel(level)

    assert len(lines) == 1


@in_virtual_time
async def test_nothing_is_written_to_who_is_gone() -> None:
    written: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1)
        written.append(write_at_once(send, 204, (), b""))

    protocol, wire = connected(app)
    protocol.data_received(GET)
    await passes()
    protocol.connection_lost(None)
    await passes(2)

    assert written == [False]
    assert wire.written == b""
