"""What is written to a socket, when, and in how many writes."""

import asyncio
from typing import Any

import aiohttp
import pytest

from localpubsub.edge.socket_writer import SOCKETS_IN_A_TURN, SocketWriter, WriteTurns
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.framing import PING, TEXT, close_frame, framed
from localpubsub.protocol.messages import Frame
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import client_url


class Transport:
    """Takes everything until it is `stuck`; then it is full at once."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.stuck = False
        self.closing = False

    def write(self, data: bytes) -> None:
        assert not self.closing
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 101 if self.stuck else 0

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return (25, 100)


class Stream:
    def __init__(self) -> None:
        self.room = asyncio.Event()
        self.asked = asyncio.Event()

    async def drain(self) -> None:
        self.asked.set()
        await self.room.wait()


class Socket:
    def __init__(self, turns: WriteTurns | None = None) -> None:
        self.transport, self.stream = Transport(), Stream()
        self.outbound = Outbound(self.wake)
        transport: Any = self.transport
        stream: Any = self.stream
        self.writer = SocketWriter(self.outbound, transport, stream, turns or WriteTurns())

    def wake(self) -> None:
        self.writer.wake()

    def put(self, text: str) -> None:
        self.outbound.put(Frame(text.encode(), is_text=True))


def text(value: str) -> bytes:
    return framed(TEXT, value.encode())


async def turn() -> None:
    """One turn of the event loop: what was called soon has run."""
    await asyncio.sleep(0)


async def test_what_waits_goes_out_in_one_write() -> None:
    socket = Socket()
    socket.put("a")
    socket.put("b")
    assert socket.transport.written == []

    await turn()

    assert socket.transport.written == [text("a") + text("b")]


async def test_a_full_transport_is_left_alone_until_it_has_room() -> None:
    socket = Socket()
    socket.transport.stuck = True
    socket.put("a")
    await socket.stream.asked.wait()
    socket.put("b")
    await turn()
    assert socket.transport.written == []

    socket.transport.stuck = False
    socket.stream.room.set()
    await turn()
    await turn()

    assert socket.transport.written == [text("a") + text("b")]
    socket.put("c")
    await turn()
    assert socket.transport.written[-1] == text("c")


async def test_the_close_frame_follows_what_waits_and_is_written_once() -> None:
    socket = Socket()
    socket.put("a")
    socket.outbound.close(Close(1000, "bye"))
    await turn()
    socket.writer.wake()
    await turn()

    assert socket.transport.written == [text("a"), close_frame(1000, "bye")]


async def test_a_client_that_was_cut_off_is_told_although_it_is_full() -> None:
    socket = Socket()
    socket.transport.stuck = True
    for _ in range(1001):
        socket.put("x")

    await turn()

    assert socket.transport.written == [close_frame(1008, "The client reads too slowly.")]


async def test_nothing_is_written_to_a_socket_that_is_gone() -> None:
    socket = Socket()
    socket.transport.closing = True
    socket.put("a")
    socket.outbound.close(Close(1000))
    socket.writer.ping()

    await turn()

    assert socket.transport.written == []


async def test_a_ping_does_not_wait() -> None:
    socket = Socket()

    socket.writer.ping()

    assert socket.transport.written == [framed(PING, b"")]


async def test_stopping_ends_the_wait_for_room() -> None:
    socket = Socket()
    socket.transport.stuck = True
    socket.put("a")
    await socket.stream.asked.wait()

    await socket.writer.stop()
    socket.stream.room.set()
    await turn()

    assert socket.transport.written == []


async def test_a_second_broadcast_overtaken_by_none_shares_the_writes_that_are_left() -> None:
    turns = WriteTurns()
    sockets = [Socket(turns) for _ in range(3 * SOCKETS_IN_A_TURN)]
    for socket in sockets:
        socket.put("a")
    await turn()
    for socket in sockets:
        socket.put("b")
    for _ in range(4):
        await turn()

    early, late = sockets[:SOCKETS_IN_A_TURN], sockets[SOCKETS_IN_A_TURN:]
    assert {tuple(one.transport.written) for one in early} == {(text("a"), text("b"))}
    assert {tuple(one.transport.written) for one in late} == {(text("a") + text("b"),)}


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
async def test_frames_of_every_size_are_read_by_a_client(
    session: aiohttp.ClientSession, service: LocalPubSub, size: int
) -> None:
    query = "&webpubsub_mode=sendToGroup&group=g"
    url = client_url(service, "open", query, roles=("webpubsub.sendToGroup",), groups=("g",))
    async with session.ws_connect(url) as socket:
        await socket.send_bytes(b"x" * size)
        assert await socket.receive_bytes(timeout=5) == b"x" * size
        await socket.send_str("ü" * (size // 2))
        assert await socket.receive_str(timeout=5) == "ü" * (size // 2)


def test_a_reason_is_cut_between_two_characters() -> None:
    frame = close_frame(1000, "x" + "ü" * 100)

    assert (frame[0], frame[1], len(frame)) == (0x88, 2 + 123, 2 + 2 + 123)
    assert frame[4:].decode() == "x" + "ü" * 61
