"""Writes to clients' sockets: straight into their transports, without a task or a copy for each receiver."""

import asyncio
from collections import deque
from contextlib import suppress

from aiohttp.abc import AbstractStreamWriter

from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.framing import PING, close_frame, framed

CHUNK = 65536
SOCKETS_IN_A_TURN = 32

_PING = framed(PING, b"")


class WriteTurns:
    """Lets a few sockets write in each turn of the event loop.

    A message to a thousand sockets takes many turns. What arrives in between waits with it for most of them, and goes
    out in one write; and no other client waits for the whole thousand to be served.
    """

    def __init__(self) -> None:
        self._waiting: deque[SocketWriter] = deque()
        self._is_due = False

    def add(self, writer: "SocketWriter") -> None:
        self._waiting.append(writer)
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        for _ in range(min(SOCKETS_IN_A_TURN, len(self._waiting))):
            self._waiting.popleft().write()
        self._is_due = bool(self._waiting)
        if self._is_due:
            asyncio.get_running_loop().call_soon(self._turn)


class SocketWriter:
    """`outbound` decides what is written; `stream` tells when the transport has room again.

    A task exists only while the transport has more than it can take.
    """

    def __init__(
        self, outbound: Outbound, transport: asyncio.Transport, stream: AbstractStreamWriter, turns: WriteTurns
    ) -> None:
        self._turns = turns
        self._outbound = outbound
        self._transport = transport
        self._stream = stream
        self._limit = transport.get_write_buffer_limits()[1]
        self._is_due = False
        self._has_closed = False
        self._full: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """There is something to write. Whoever says so does not wait for it."""
        if not self._is_due and self._full is None:
            self._is_due = True
            self._turns.add(self)

    def ping(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_PING)

    def write(self) -> None:
        """It is this socket's turn."""
        self._is_due = False
        transport, outbound = self._transport, self._outbound
        while outbound.is_waiting and not transport.is_closing():
            if transport.get_write_buffer_size() > self._limit:
                self._full = asyncio.create_task(self._wait_for_room())
                return
            transport.write(b"".join(outbound.take_framed(CHUNK)))
        if outbound.closing is not None:
            self._close(outbound.closing)

    async def _wait_for_room(self) -> None:
        with suppress(ConnectionError):
            await self._stream.drain()
        self._full = None
        self.write()

    def _close(self, closing: Close) -> None:
        if not self._has_closed and not self._transport.is_closing():
            self._has_closed = True
            self._transport.write(close_frame(*closing))

    async def stop(self) -> None:
        """Nothing is written any more."""
        if self._full is not None:
            self._full.cancel()
            await asyncio.gather(self._full, return_exceptions=True)
