"""One socket of a client, from the handshake to the last frame (spec/service.md 3.6, 4.3).

One task reads, so that pings are answered whatever else goes on; one works through what was read, in order. Writing
needs none.
"""

import asyncio
import logging
from contextlib import suppress

from aiohttp import WebSocketError, WSMessage, WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from localpubsub.config import ServiceConfig
from localpubsub.edge.socket_writer import SocketWriter, WriteTurns
from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.service import Service
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import MESSAGE_LIMIT, Frame

log = logging.getLogger(__name__)

INBOX_FRAMES = 256
ECHOED_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
GOODBYES = frozenset({1000, 1001})


class ClientResponse(web.WebSocketResponse):
    """The service's side of the handshake, and its words for what aiohttp finds wrong with a frame."""

    def __init__(self, protocols: tuple[str, ...], config: ServiceConfig) -> None:
        super().__init__(
            protocols=protocols,
            max_msg_size=MESSAGE_LIMIT + 1,  # aiohttp refuses what reaches it
            autoping=False,
            autoclose=False,  # it would hang up without waiting for the other side's half of the handshake
            compress=False,
            timeout=config.close_seconds,
        )

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        if code == 1009 and not message:
            message = b"The client message is too large."
        return await super().close(code=code, message=message, drain=drain)


class ClientSocket:
    """One socket of a connection, until both sides are done with it."""

    _connection: Connection
    _socket: web.WebSocketResponse
    _writer: SocketWriter | None = None

    def __init__(self, service: Service, request: web.Request, config: ServiceConfig, turns: WriteTurns) -> None:
        self.outbound = Outbound(self._woken)
        self._turns = turns
        self._service = service
        self._transport = request.transport
        self._config = config
        self._loop = asyncio.get_running_loop()
        # Made for the first frame: most connections of a large hub only listen, and cost a third less without.
        self._inbox: asyncio.Queue[Frame | None] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._heard_at = self._loop.time()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reason: str | None = None
        self._is_goodbye = False

    async def run(self, connection: Connection, socket: web.WebSocketResponse, stream: AbstractStreamWriter) -> None:
        """`stream` is what the handshake returned."""
        self._connection, self._socket = connection, socket
        if self._transport is not None:  # otherwise it is lost already, and reading will say so
            self._writer = SocketWriter(self.outbound, self._transport, stream, self._turns)
            self._writer.wake()
        self._timers["look"] = self._loop.call_later(self._ping_seconds, self._look)
        try:
            await self._read()
            if not self._is_goodbye and self.outbound.closing is None:
                self._service.suspend(connection, self.outbound)
            if self._inbox is not None and self._worker is not None:
                await self._inbox.put(None)
                await self._worker
        finally:
            for timer in self._timers.values():
                timer.cancel()
            if self._worker is not None:
                self._worker.cancel()
                await asyncio.gather(self._worker, return_exceptions=True)
            if self._writer is not None:
                await self._writer.stop()
            if connection.outbound is self.outbound:  # otherwise it goes on, at another socket or without one
                self._service.closed(connection, self._reason)

    @property
    def _ping_seconds(self) -> float:
        return self._config.ping_interval(self._connection.hub)

    def _woken(self) -> None:
        """There is something to write, or the end has come: then a client that reads nothing more is cut off."""
        if self._writer is not None:
            self._writer.wake()
        close = self.outbound.closing
        if self.outbound.abandoned or self.outbound.broken:
            self._abort()
        elif close is not None and "abort" not in self._timers:
            self._reason = self._reason or close.reason or None
            self._service.hub(self._connection.hub).remove(self._connection)
            self._timers["abort"] = self._loop.call_later(self._config.close_seconds, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _look(self) -> None:
        """Pings, and ends a connection whose other side has gone silent."""
        silent = self._loop.time() - self._heard_at
        if silent > self._config.silence_seconds and not (self._inbox is not None and self._inbox.full()):
            if self._connection.sequences is not None:
                self._abort()  # its client may come back; a close would end it
            else:
                self.outbound.close(Close(1011, "PingTimeout"))
            return
        if self._writer is not None:
            self._writer.ping()
        self._timers["look"] = self._loop.call_later(self._ping_seconds, self._look)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            self._heard_at = self._loop.time()
            match message.type:
                case WSMsgType.TEXT:
                    await self._take(Frame(message.data.encode(), is_text=True))
                case WSMsgType.BINARY:
                    await self._take(Frame(message.data, is_text=False))
                case WSMsgType.PING:
                    with suppress(ConnectionError):
                        await self._socket.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case _:
                    await self._ended(message)
                    return

    async def _ended(self, message: WSMessage) -> None:
        """The last message of the other side: its half of the closing handshake, or what broke the connection."""
        if self.outbound.closing is not None:
            if self._transport is not None:
                self._transport.close()
        elif message.type is WSMsgType.CLOSE:
            self._reason = message.extra or None
            self._is_goodbye = message.data in GOODBYES
            await self._socket.close(code=message.data if message.data in ECHOED_CODES else 1000)
        elif message.type is WSMsgType.ERROR:
            self._reason = str(message.data) or None
            self._is_goodbye = isinstance(message.data, WebSocketError)  # what it sent was no WebSocket frame

    async def _take(self, frame: Frame) -> None:
        """Waits where too many frames are not handled yet."""
        if self._inbox is None:
            self._inbox = asyncio.Queue(INBOX_FRAMES)
            after = self._connection.worker
            self._worker = self._connection.worker = asyncio.create_task(self._work(self._inbox, after))
        await self._inbox.put(frame)

    async def _work(self, inbox: asyncio.Queue[Frame | None], after: asyncio.Task[None] | None) -> None:
        """Frames go on being handled when the socket is lost: the client sent them while it was there."""
        connection = self._connection
        if after is not None:
            await asyncio.wait([after])  # what came at an earlier socket comes first
        while (frame := await inbox.get()) is not None:
            if connection.outbound.closing is not None:
                continue  # already on its way out; the reader must still get rid of what it reads
            try:
                await self._service.handle(connection, frame)
            except Disconnect as disconnect:
                connection.outbound.close(Close(disconnect.code, disconnect.reason))
            except Exception:
                log.exception("a frame of hub %r could not be handled", connection.hub)
                connection.outbound.close(Close(1011, "Internal server error"))
