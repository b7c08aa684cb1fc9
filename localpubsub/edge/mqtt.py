"""MQTT clients at the door, and their sockets (spec/service.md 7.1, 7.3)."""

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

from aiohttp import WSMessage, WSMsgType, web

from localpubsub.config import ServiceConfig
from localpubsub.edge.knocking import Doorkeeper, Refused, legal_hub, offered, read_knock, read_query
from localpubsub.edge.tokens import MQTT_PATH, Tokens
from localpubsub.engine.knock import Knock
from localpubsub.engine.mqtt import Mqtt
from localpubsub.engine.mqtt_client import MqttClient
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.subprotocols import RawCodec

log = logging.getLogger(__name__)

SUBPROTOCOLS = frozenset({"mqtt", "mqttv3.1.1", "mqttv5"})
FRAME_LIMIT = 4 * 1024 * 1024
"""A frame may hold several packets: what is too large for MQTT is for MQTT to say."""

CONNECT_SECONDS = 10.0
REASON_BYTES = 123
GOODBYES = frozenset({1000, 1001})


class MqttEndpoint:
    """`GET /clients/mqtt/hubs/{hub}`. A client without a CONNECT is hung up on after `connect_seconds`."""

    def __init__(self, mqtt: Mqtt, tokens: Tokens, config: ServiceConfig) -> None:
        self.connect_seconds = CONNECT_SECONDS
        self._mqtt = mqtt
        self._doorkeeper = Doorkeeper(MQTT_PATH, tokens, config)
        self._config = config
        self._open: dict[asyncio.Task[Any], MqttSocket] = {}

    async def __call__(self, request: web.Request, hub: str) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="this is an endpoint for MQTT over WebSocket")
        try:
            claims = self._doorkeeper.read(request, legal_hub(hub), read_query(request))
        except Refused as refusal:
            return refusal.response()
        return await self._serve(request, hub, read_knock(request, claims, RawCodec()))

    async def _serve(self, request: web.Request, hub: str, knock: Knock) -> web.StreamResponse:
        response = web.WebSocketResponse(
            protocols=tuple(name for name in offered(request) if name.lower() in SUBPROTOCOLS)[:1],
            max_msg_size=FRAME_LIMIT,
            autoping=False,
            autoclose=False,  # it would hang up without waiting for the other side's half of the handshake
            compress=False,
            timeout=self._config.close_seconds,
        )
        try:
            await response.prepare(request)
        except ConnectionError:
            return web.Response(status=400)  # it is gone already
        socket = MqttSocket(response, request.transport, self._config.close_seconds)
        task = cast("asyncio.Task[Any]", asyncio.current_task())  # a handler always runs in one
        self._open[task] = socket
        try:
            await socket.run(MqttClient(self._mqtt, hub, knock, socket.outbound), self.connect_seconds)
        finally:
            del self._open[task]
        return response

    def close_all(self, reason: str) -> None:
        """Those that did not get as far as a session are hung up on too."""
        self._mqtt.sessions.close_all(reason)
        for socket in self._open.values():
            socket.outbound.close(Close(1001, reason))

    async def drain(self, seconds: float) -> None:
        """Waits until every socket is closed and its events are told, at most so long for each."""
        if self._open:
            await asyncio.wait(self._open, timeout=seconds)
        await self._mqtt.publishing.drain(seconds)


class MqttSocket:
    """One socket, until both sides are done with it. One task reads and handles, one writes."""

    _client: MqttClient

    def __init__(
        self, response: web.WebSocketResponse, transport: asyncio.Transport | None, close_seconds: float
    ) -> None:
        self.outbound = Outbound(self._woken)
        self._response = response
        self._transport = transport
        self._close_seconds = close_seconds
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._heard_at = self._loop.time()
        self._is_handling = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._reason: str | None = None
        self._is_goodbye = False

    async def run(self, client: MqttClient, connect_seconds: float) -> None:
        self._client = client
        self._expect_something(connect_seconds)
        writer = asyncio.create_task(self._write())
        try:
            await self._read()
            if self.outbound.closing is not None:
                await writer  # it is in the middle of the closing handshake
        finally:
            for timer in self._timers.values():
                timer.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            client.lost(by_client=self._is_goodbye, reason=self._reason)

    def _woken(self) -> None:
        """There is something to write, or the end has come: then a client that reads nothing more is cut off."""
        self._wake.set()
        if self.outbound.abandoned or self.outbound.broken:
            self._abort()
        elif self.outbound.closing is not None and "abort" not in self._timers:
            self._timers["abort"] = self._loop.call_later(self._close_seconds, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _expect_something(self, seconds: float) -> None:
        """Looks again when the client has been silent for so long."""
        if "look" in self._timers:
            self._timers["look"].cancel()
        self._timers["look"] = self._loop.call_at(self._heard_at + seconds, self._look, seconds)

    def _look(self, seconds: float) -> None:
        if self._is_handling:  # what it has said since is not read yet
            self._heard_at = self._loop.time()
        limit = self._client.silence_limit or seconds
        if self._loop.time() < self._heard_at + limit:
            self._expect_something(limit)
        elif self._client.silence_limit is None:
            self.outbound.close(Close(1002, "There was no CONNECT."))
        else:
            self._client.silent()

    async def _read(self) -> None:
        while True:
            message = await self._response.receive()
            match message.type:
                case WSMsgType.BINARY:
                    await self._handle(message.data)
                case WSMsgType.TEXT:
                    self.outbound.close(Close(1003, "MQTT goes in binary messages."))
                case WSMsgType.PING:
                    with suppress(ConnectionError):
                        await self._response.pong(message.data)
                case WSMsgType.PONG:
                    pass
                case _:
                    await self._ended(message)
                    return

    async def _handle(self, data: bytes) -> None:
        was_connected = self._client.silence_limit is not None
        self._heard_at = self._loop.time()
        self._is_handling = True
        try:
            await self._client.receive(data)
        except Exception:
            log.exception("an MQTT packet could not be handled")
            self._client.failed()
        self._is_handling = False
        if not was_connected and self._client.silence_limit is not None:
            self._expect_something(self._client.silence_limit)

    async def _ended(self, message: WSMessage) -> None:
        """The last message of the other side: its half of the closing handshake, or what broke the connection."""
        if self.outbound.closing is not None:
            if self._transport is not None:
                self._transport.close()
        elif message.type is WSMsgType.CLOSE:
            self._reason = message.extra or None
            self._is_goodbye = message.data in GOODBYES
            await self._response.close(code=message.data if self._is_goodbye else 1000)
        elif message.type is WSMsgType.ERROR:
            self._reason = str(message.data) or None

    async def _write(self) -> None:
        outbound = self.outbound
        try:
            while True:
                if (frame := outbound.take()) is not None:
                    await self._response.send_frame(frame.data, WSMsgType.BINARY)
                elif outbound.closing is not None:
                    break
                else:
                    self._wake.clear()
                    await self._wake.wait()
            code, reason = outbound.closing
            text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
            await self._response.send_frame(code.to_bytes(2, "big") + text, WSMsgType.CLOSE)
        except ConnectionError:
            return
