"""WebSocket clients: the handshake and the three tasks of a connection (spec/service.md 1.3-1.5, 3.6).

One reads, so that pings are answered whatever else goes on; one works through what was read, in order; one writes.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import uuid4

from aiohttp import WSMessage, WSMsgType, web

from localpubsub.config import ServiceConfig
from localpubsub.edge.tokens import ClientClaims, InvalidToken, Tokens
from localpubsub.engine.hub import Connection
from localpubsub.engine.knock import Knock
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.service import ConnectRefused, Service
from localpubsub.protocol import names
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import MESSAGE_LIMIT, Frame
from localpubsub.protocol.subprotocols import RawCodec

log = logging.getLogger(__name__)

CLIENT_PATH = "/client/hubs/"
INBOX_FRAMES = 256
REASON_BYTES = 123
ECHOED_CODES = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
ANONYMOUS = ClientClaims(None, (), (), {})
HIDDEN_HEADERS = ("authorization", "x-asrs-internal-")

Query = Mapping[str, list[str]]


def refuse(status: int, reason: str = "") -> web.Response:
    return web.Response(status=status, text=reason)


class ClientEndpoint:
    """`GET /client/hubs/{hub}` and its old spelling `/client?hub=`."""

    def __init__(self, service: Service, tokens: Tokens, config: ServiceConfig) -> None:
        self._service = service
        self._tokens = tokens
        self._config = config
        self._open: set[asyncio.Task[Any]] = set()

    async def __call__(self, request: web.Request, hub: str) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return refuse(400, "this is an endpoint for WebSocket clients")
        if not names.is_hub(hub):
            return refuse(400, "the hub name is missing or not legal")
        query = _query(request)
        try:
            claims = self._claims(request, hub, query)
            raw = _raw_mode(query)
        except InvalidToken as error:
            log.info("a client of hub %r was refused: %s", hub, error)
            return refuse(401)
        except ValueError as error:
            return refuse(400, str(error))
        if not all(names.is_group(group) for group in claims.groups):
            return refuse(400, "the token holds a group name that is not legal")
        return await self._admit(request, hub, _knock(request, claims, raw))

    def _claims(self, request: web.Request, hub: str, query: Query) -> ClientClaims:
        token = query.get("access_token", [""])[-1]
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        if not token and scheme.lower() == "bearer":
            token = bearer.strip()
        if token:
            return self._tokens.client(token, path=CLIENT_PATH, hub=hub, host=request.host)
        if self._config.hub(hub).anonymous_connect:
            return ANONYMOUS
        raise InvalidToken("there is no token, and the hub does not allow anonymous clients")

    async def _admit(self, request: web.Request, hub: str, knock: Knock) -> web.StreamResponse:
        running = _Socket(self._service, request, self._config)
        try:
            connection = await self._service.connect(hub, knock, running.outbound)
        except ConnectRefused as refusal:
            return refuse(refusal.status)
        socket = web.WebSocketResponse(
            protocols=(connection.subprotocol,) if connection.subprotocol else (),
            max_msg_size=MESSAGE_LIMIT + 1,  # aiohttp refuses what reaches it
            autoping=False,
            autoclose=False,  # it would hang up without waiting for the other side's half of the handshake
            compress=False,
            timeout=self._config.close_seconds,
        )
        await socket.prepare(request)
        self._service.open(connection)
        task = asyncio.current_task()
        self._open.add(task)  # type: ignore[arg-type]  # a handler always runs in a task
        try:
            await running.run(connection, socket)
        finally:
            self._open.discard(task)
        return socket

    async def drain(self, seconds: float) -> None:
        """Waits until every socket is closed, at most so long."""
        if self._open:
            await asyncio.wait(self._open, timeout=seconds)


class _Socket:
    """One open connection, until both sides are done with it."""

    _connection: Connection
    _socket: web.WebSocketResponse

    def __init__(self, service: Service, request: web.Request, config: ServiceConfig) -> None:
        self.outbound = Outbound(self._woken)
        self._service = service
        self._transport = request.transport
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue(INBOX_FRAMES)
        self._heard_at = self._loop.time()
        self._ping_due = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reason: str | None = None

    async def run(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        self._connection, self._socket = connection, socket
        self._timers["look"] = self._loop.call_later(self._config.ping_seconds, self._look)
        worker = asyncio.create_task(self._work())
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
            await self._inbox.put(None)
            await worker
            if self.outbound.closing is not None:
                await writer  # it is in the middle of the closing handshake
        finally:
            for timer in self._timers.values():
                timer.cancel()
            for task in (worker, writer):
                task.cancel()
            await asyncio.gather(worker, writer, return_exceptions=True)
            self._service.closed(connection, self._reason)

    def _woken(self) -> None:
        """There is something to write, or the end has come: then a client that reads nothing more is cut off."""
        self._wake.set()
        close = self.outbound.closing
        if close is not None and "abort" not in self._timers:
            self._reason = self._reason or close.reason or None
            self._service.hub(self._connection.hub).remove(self._connection)
            self._timers["abort"] = self._loop.call_later(self._config.close_seconds, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _look(self) -> None:
        """Pings, and ends a connection whose other side has gone silent."""
        silent = self._loop.time() - self._heard_at
        if silent > self._config.silence_seconds and not self._inbox.full():
            self.outbound.close(Close(1011, "PingTimeout"))
            return
        self._ping_due = True
        self._wake.set()
        self._timers["look"] = self._loop.call_later(self._config.ping_seconds, self._look)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            self._heard_at = self._loop.time()
            match message.type:
                case WSMsgType.TEXT:
                    await self._inbox.put(Frame(message.data.encode(), is_text=True))
                case WSMsgType.BINARY:
                    await self._inbox.put(Frame(message.data, is_text=False))
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
            await self._socket.close(code=message.data if message.data in ECHOED_CODES else 1000)
        elif message.type is WSMsgType.ERROR:
            self._reason = str(message.data) or None

    async def _work(self) -> None:
        connection = self._connection
        while (frame := await self._inbox.get()) is not None:
            if self.outbound.closing is not None:
                continue  # already on its way out; the reader must still get rid of what it reads
            try:
                await self._service.handle(connection, frame)
            except Disconnect as disconnect:
                self.outbound.close(Close(disconnect.code, disconnect.reason))
            except Exception:
                log.exception("a frame of hub %r could not be handled", connection.hub)
                self.outbound.close(Close(1011, "Internal server error"))

    async def _write(self) -> None:
        outbound = self.outbound
        try:
            while True:
                if (frame := outbound.take()) is not None:
                    kind = WSMsgType.TEXT if frame.is_text else WSMsgType.BINARY
                    await self._socket.send_frame(frame.data, kind)
                elif outbound.closing is not None:
                    break
                elif self._ping_due:
                    self._ping_due = False
                    await self._socket.ping()
                else:
                    self._wake.clear()
                    await self._wake.wait()
            code, reason = outbound.closing
            text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
            await self._socket.send_frame(code.to_bytes(2, "big") + text, WSMsgType.CLOSE)
        except ConnectionError:
            return


def _query(request: web.Request) -> Query:
    query: dict[str, list[str]] = {}
    for name, value in request.query.items():
        query.setdefault(name.lower(), []).append(value)
    return query


def _last(query: Query, name: str) -> str:
    return query.get(name, [""])[-1]


def _raw_mode(query: Query) -> RawCodec:
    """What a raw client's frames mean. Raises `ValueError`."""
    mode = _last(query, "webpubsub_mode").lower()
    if mode in ("", "sendevent"):
        return RawCodec()
    if mode != "sendtogroup":
        raise ValueError("webpubsub_mode is sendEvent or sendToGroup")
    group, no_echo = _last(query, "group"), _last(query, "noecho").lower()
    if not names.is_group(group):
        raise ValueError("webpubsub_mode=sendToGroup needs a legal group")
    if no_echo not in ("", "true", "false"):
        raise ValueError("noEcho is true or false")
    return RawCodec(group, no_echo == "true")


def _knock(request: web.Request, claims: ClientClaims, raw: RawCodec) -> Knock:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        if not name.lower().startswith(HIDDEN_HEADERS):
            headers.setdefault(name, []).append(value)
    visible: dict[str, list[str]] = {}
    for name, value in request.query.items():
        if name.lower() != "access_token":
            visible.setdefault(name, []).append(value)
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", [])).split(",")
    return Knock(
        connection_id=uuid4().hex,
        user_id=claims.user_id,
        roles=claims.roles,
        groups=claims.groups,
        claims=claims.all,
        query=visible,
        headers=headers,
        subprotocols=tuple(name for part in offered if (name := part.strip())),
        raw=raw,
    )
