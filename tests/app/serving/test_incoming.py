"""Requests that do not arrive, over real sockets; the limits are shortened, nothing sleeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from fastapi import WebSocket

from app.serving.direct import ClientGone, DirectFastAPI, Receive, Scope, Send, read_body, send_reply
from app.serving.incoming import MAX_HEAD_BYTES, IncomingLimits
from app.serving.server import bind, run, serving
from app.upstream.errors import BodyTooSlow
from app.upstream.reply import Reply

PATIENCE = 30.0
"""For a test that would otherwise wait for ever."""

Dial = Callable[[bytes], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def swallow(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    try:
        body = await read_body(receive, 1024 * 1024)
    except ClientGone:
        return
    await send_reply(send, Reply(200, str(len(body)).encode()))


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the body."""
    await send_reply(send, Reply(401))


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connects and sends the bytes."""
    listener = bind("127.0.0.1", 0)
    writers: list[asyncio.StreamWriter] = []

    async def connect(first: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writers.append(writer)
        writer.write(first)
        return reader, writer

    async with serving(DirectFastAPI({"swallow": swallow, "refuse": refuse}), listener, grace_seconds=1):
        yield connect
        for writer in writers:
            writer.close()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IncomingLimits, "request_seconds", 0.05)


async def everything(reader: asyncio.StreamReader) -> bytes:
    """Until the server hangs up."""
    async with asyncio.timeout(PATIENCE):
        return await reader.read()


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("first", "answer"),
    [
        (b"", b""),
        (b"G", b"HTTP/1.1 408 "),
        (b"GET /swallow HTTP/1.1\r\nHost: a\r\nX-Slow: ", b"HTTP/1.1 408 "),
        (b"POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", b""),
        (b"POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", b""),
        (b"POST /swallow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nTrailer: x", b""),
        (b"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx", b"HTTP/1.1 401 "),
    ],
    ids=["silence", "one byte", "half a head", "no body", "half a body", "half a trailer", "refused, half a body"],
)
async def test_who_does_not_send_a_whole_request_is_hung_up_on(dial: Dial, first: bytes, answer: bytes) -> None:
    reader, _ = await dial(first)

    assert (await everything(reader)).startswith(answer)


async def test_a_trickle_does_not_put_off_the_end(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IncomingLimits, "request_seconds", 0.2)
    reader, writer = await dial(b"GET /swallow HTTP/1.1\r\nHost: a\r\n")

    async def trickle() -> None:
        while True:
            writer.write(b"X-A: b\r\n")
            await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    try:
        assert (await everything(reader)).startswith(b"HTTP/1.1 408 ")
    finally:
        trickling.cancel()


async def test_requests_in_pieces_one_after_the_other_are_answered(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece ends a request and begins the next, so the connection is never at rest; each has its own time."""
    deadlines: list[IncomingLimits] = []
    monkeypatch.setattr(IncomingLimits, "_set_deadline", _noting(deadlines))
    head, rest = b"POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Le", b"ngth: 1\r\n\r\nx"
    reader, writer = await dial(head)

    async with asyncio.timeout(PATIENCE):
        for _ in range(3):
            writer.write(rest + head)
            assert await reader.readuntil(b"\r\n\r\n1")

    assert len(deadlines) == 1 + 1 + 3 - 1  # at first, and for each beginning that was not the first


def _noting(deadlines: list[IncomingLimits]) -> Callable[[IncomingLimits], None]:
    original = IncomingLimits._set_deadline

    def note(self: IncomingLimits) -> None:
        deadlines.append(self)
        original(self)

    return note


@pytest.mark.parametrize("version", [b"HTTP/1.1\r\nConnection: close", b"HTTP/1.0"])
async def test_an_answer_reaches_who_is_still_sending(dial: Dial, version: bytes) -> None:
    """A proxy may use a connection once. More than fits the buffers on the way is still to come."""
    size = 32 * 1024 * 1024
    reader, writer = await dial(b"POST /refuse " + version + b"\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    async with asyncio.timeout(PATIENCE):
        head = await reader.readuntil(b"\r\n\r\n")
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            await writer.drain()

    assert head.split()[1] == b"401"
    assert await everything(reader) == b""


async def test_an_answer_that_ends_its_connection_says_so_at_once(dial: Dial) -> None:
    """Also to somebody who does not send the body they announced."""
    reader, _ = await dial(b"POST /refuse HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 9\r\n\r\nx")

    assert (await everything(reader)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.usefixtures("hurried")
async def test_who_goes_on_sending_after_the_last_answer_is_hung_up_on(dial: Dial) -> None:
    _, writer = await dial(b"POST /refuse HTTP/1.0\r\nHost: a\r\nContent-Length: 999999999\r\n\r\nx")

    async def go_on() -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(go_on(), PATIENCE)


async def test_a_head_without_end_is_cut_off(dial: Dial) -> None:
    line = b"X-Header: " + b"x" * 1000 + b"\r\n"
    reader, _ = await dial(b"GET /swallow HTTP/1.1\r\nHost: a\r\n" + line * (MAX_HEAD_BYTES // len(line) + 1))

    assert (await everything(reader)).startswith(b"HTTP/1.1 431 ")


async def test_a_request_without_end_is_cut_off(dial: Dial, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows the last chunk is kept by the parser, whatever the application does."""
    monkeypatch.setattr("app.serving.incoming.MAX_REQUEST_BYTES", 1000)
    first = b"POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: "
    reader, writer = await dial(first)

    async def pour() -> None:
        while True:
            writer.write(b"x" * 2000)
            await asyncio.sleep(0.01)

    pouring = asyncio.create_task(pour())
    try:
        with suppress(ConnectionResetError):  # it is cut off in mid-sentence
            await everything(reader)
    finally:
        pouring.cancel()


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length : 3\r\n",
        b"X-Folded: a\r\n b\r\n",
    ],
)
async def test_a_request_that_two_servers_would_read_differently_is_refused(dial: Dial, lines: bytes) -> None:
    """What is in front of this one might have taken the rest for a request of somebody else's."""
    hidden = b"0\r\n\r\nGET /refuse HTTP/1.1\r\nHost: a\r\n\r\n"
    reader, _ = await dial(b"POST /swallow HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + hidden)
    answer = await everything(reader)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"401" not in answer


async def answer_too_late(requests: int) -> None:
    go = asyncio.Event()
    outcomes: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def late(scope: Scope, receive: Receive, send: Send) -> None:
        await go.wait()
        try:
            await send_reply(send, Reply(200, b"late"))
        except Exception as error:  # noqa: BLE001 - whatever uvicorn would log
            outcomes.put_nowait(error)
        else:
            outcomes.put_nowait(None)

    listener = bind("127.0.0.1", 0)
    async with serving(DirectFastAPI({"late": late}), listener, grace_seconds=1):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        writer.write(b"GET /late HTTP/1.1\r\nHost: a\r\n\r\n" * requests + b"no request\r\n\r\n")
        answer = await everything(reader)
        writer.close()
        go.set()
        async with asyncio.timeout(PATIENCE):
            assert await outcomes.get() is None

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("requests", [1, 3])
def test_an_answer_to_a_connection_that_is_closed_leaves_no_trace(requests: int) -> None:
    """Anybody could fill the log with them otherwise, sixty bytes each. asyncio's own loop says nothing there."""
    run(answer_too_late(requests))


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "made-up"])
@pytest.mark.parametrize("length", [b"Content-Length: 36", b"Transfer-Encoding: chunked"])
async def test_no_request_hides_in_the_body_of_one_that_would_change_the_protocol(
    dial: Dial, protocol: str, length: bytes
) -> None:
    hidden = b"GET /refuse HTTP/1.1\r\nHost: ab\r\n\r\n"
    lines = [b"Host: a", b"Connection: Upgrade", b"Upgrade: " + protocol.encode(), length, b"\r\n"]
    reader, writer = await dial(b"POST /swallow HTTP/1.1\r\n" + b"\r\n".join(lines))
    async with asyncio.timeout(PATIENCE):
        answer = await reader.readuntil(b"\r\n\r\n")
    with suppress(ConnectionError):
        writer.write(hidden)
        answer += await everything(reader)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b" 401 " not in answer


async def test_a_request_that_would_change_the_protocol_is_the_last_of_its_connection(dial: Dial) -> None:
    """`curl --http2` asks so, and takes the answer."""
    head = b"POST /swallow HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
    reader, _ = await dial(head)
    answer = await everything(reader)

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_websocket_is_no_request_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[IncomingLimits] = []
    monkeypatch.setattr(IncomingLimits, "_set_deadline", _noting(deadlines))
    app, listener = DirectFastAPI({}), bind("127.0.0.1", 0)

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    async with (
        serving(app, listener, grace_seconds=1),
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{listener.getsockname()[1]}/echo") as client,
    ):
        await client.send_str("x")
        assert await client.receive_str(timeout=PATIENCE) == "x"

    assert [one._deadline for one in deadlines] == [None]


async def test_the_rest_of_a_body_has_its_time() -> None:
    first = [{"type": "http.request", "body": b"x" * 10, "more_body": True}]

    async def receive() -> dict[str, object]:
        if first:
            return first.pop()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # it never comes

    with pytest.raises(BodyTooSlow, match="10 bytes of a body came in") as refusal:
        await asyncio.wait_for(read_body(receive, 1024, seconds=0.01), PATIENCE)

    assert refusal.value.status == 408  # which the service takes as: deliver it again
