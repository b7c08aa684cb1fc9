"""WebSocket clients at the door: who comes in, and who comes back (spec/service.md 1.4, 1.5, 4.3)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

from aiohttp import web

from localpubsub.config import ServiceConfig
from localpubsub.edge.client_socket import ClientResponse, ClientSocket
from localpubsub.edge.knocking import (
    Doorkeeper,
    Refused,
    last,
    legal_hub,
    offered,
    raw_mode,
    read_knock,
    read_query,
)
from localpubsub.edge.socket_writer import WriteTurns
from localpubsub.edge.tokens import Tokens
from localpubsub.engine.knock import Knock
from localpubsub.engine.service import ConnectRefused, Service
from localpubsub.protocol.subprotocols import well_known

CLIENT_PATH = "/client/hubs/"
CONNECTION_ID, RECONNECTION_TOKEN = "awps_connection_id", "awps_reconnection_token"


class ClientEndpoint:
    """`GET /client/hubs/{hub}` and its old spelling `/client?hub=`."""

    def __init__(self, service: Service, tokens: Tokens, config: ServiceConfig) -> None:
        self._service = service
        self._doorkeeper = Doorkeeper(CLIENT_PATH, tokens, config)
        self._config = config
        self._turns = WriteTurns()
        self._open: set[asyncio.Task[Any]] = set()

    async def __call__(self, request: web.Request, hub: str) -> web.StreamResponse:
        if not web.WebSocketResponse(protocols=offered(request)).can_prepare(request):
            return web.Response(status=400, text="this is an endpoint for WebSocket clients")
        try:
            if last(read_query(request), CONNECTION_ID):
                return await self._recover(request, legal_hub(hub))
            return await self._admit(request, legal_hub(hub))
        except Refused as refusal:
            return refusal.response()

    def _knock(self, request: web.Request, hub: str) -> Knock:
        query = read_query(request)
        return read_knock(request, self._doorkeeper.read(request, hub, query), raw_mode(query))

    async def _admit(self, request: web.Request, hub: str) -> web.StreamResponse:
        knock = self._knock(request, hub)
        running = ClientSocket(self._service, request, self._config, self._turns)
        try:
            connection = await self._service.connect(hub, knock, running.outbound)
        except ConnectRefused as refusal:
            return web.Response(status=refusal.status)
        if self._service.is_leaving:
            self._service.closed(connection, "service reload")  # the upstream has let it in
            return web.Response(status=503)
        socket = self._response(request, connection.subprotocol)
        try:
            stream = await socket.prepare(request)
        except ConnectionError:
            self._service.closed(connection, None)  # it is gone already, and the upstream has let it in
            return web.Response(status=400)  # nobody reads it; aiohttp cannot finish a WebSocket that has not begun
        self._service.open(connection)
        del knock  # its copy of the handshake need not live as long as the connection
        await self._run(running.run(connection, socket, stream))
        return socket

    async def _recover(self, request: web.Request, hub: str) -> web.StreamResponse:
        """No token is read, and none is needed. A refusal is a close: clients take an HTTP error as "try again"."""
        query = read_query(request)
        connection = self._service.recoverable(hub, last(query, CONNECTION_ID), last(query, RECONNECTION_TOKEN))
        running = ClientSocket(self._service, request, self._config, self._turns)
        spoken = well_known(offered(request)) if connection is None else connection.subprotocol
        socket = self._response(request, spoken)
        try:
            stream = await socket.prepare(request)
        except ConnectionError:
            return web.Response(status=400)  # gone already; the connection waits as it did
        if connection is not None and self._service.recover(connection, running.outbound):
            await self._run(running.run(connection, socket, stream))
        else:
            await socket.close(code=1008, message=b"The connection could not be recovered.")
        return socket

    def _response(self, request: web.Request, subprotocol: str | None) -> web.WebSocketResponse:
        """Names the subprotocol if the client did."""
        wanted = (subprotocol or "").lower()
        return ClientResponse(tuple(name for name in offered(request) if name.lower() == wanted)[:1], self._config)

    async def _run(self, running: Coroutine[Any, Any, None]) -> None:
        task = cast("asyncio.Task[Any]", asyncio.current_task())  # a handler always runs in one
        self._open.add(task)
        try:
            await running
        finally:
            self._open.discard(task)

    async def drain(self, seconds: float) -> None:
        """Waits until every socket is closed, at most so long."""
        if self._open:
            await asyncio.wait(self._open, timeout=seconds)
