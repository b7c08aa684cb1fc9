"""The local service as one object: start it, use it, stop it."""

import socket
from types import TracebackType
from typing import Self

from aiohttp import web

from localpubsub.config import ServiceConfig
from localpubsub.edge.rest import RestEndpoint
from localpubsub.edge.tokens import Tokens
from localpubsub.edge.webhook import WebhookClient
from localpubsub.edge.websocket import CLIENT_PATH, ClientEndpoint, refuse
from localpubsub.engine.service import Service

BACKLOG = 1024


class LocalPubSub:
    """`port`, `endpoint` and `connection_string` are known once it has started.

    The default host listens on both loopback addresses: some clients look for `localhost` at `::1` first.
    """

    def __init__(self, config: ServiceConfig | None = None) -> None:
        self.config = config or ServiceConfig()
        self.port = self.config.port
        self._upstream = WebhookClient(self.config, self._origin)
        self.service = Service(self.config, self._upstream)
        tokens = Tokens(self.config.access_keys, self.config.public_endpoints)
        self._clients = ClientEndpoint(self.service, tokens, self.config)
        self._rest = RestEndpoint(self.service, tokens)
        self._runner: web.AppRunner | None = None

    @property
    def endpoint(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def connection_string(self) -> str:
        """Holds the primary access key."""
        return f"Endpoint={self.endpoint};AccessKey={self.config.access_keys[0]};Version=1.0;"

    def _origin(self) -> str:
        return "localhost" if self.port == 80 else f"localhost:{self.port}"

    async def start(self) -> None:
        """Raises `OSError` where the port is taken."""
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._route)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        listeners = _listeners(self.config.host, self.config.port)
        await runner.setup()
        try:
            for listener in listeners:
                await web.SockSite(runner, listener, backlog=BACKLOG).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = listeners[0].getsockname()[1]
        self._upstream.open()
        self._runner = runner

    async def stop(self) -> None:
        """Says goodbye to every client, tells upstreams of it within a bounded time, then closes. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self.service.close_all()
        for site in list(runner.sites):
            await site.stop()
        await self._clients.drain(self.config.shutdown_seconds)
        await self.service.events.drain(self.config.shutdown_seconds)
        await runner.cleanup()
        await self._upstream.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _route(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path == "/api/health" and request.method in ("HEAD", "GET"):
            return web.Response()
        if path.startswith("/api/hubs/"):
            return await self._rest(request)
        if path.startswith(CLIENT_PATH):
            return await self._clients(request, request.path.removeprefix(CLIENT_PATH))
        if path.rstrip("/") == "/client":
            return await self._clients(request, request.query.get("hub", ""))
        if path.startswith(("/clients/mqtt/", "/clients/socketio/", "/server/tunnel")):
            return refuse(501, "this version of the local service does not offer it")
        return refuse(404, "there is no such path")


def _listeners(host: str, port: int) -> list[socket.socket]:
    if host not in ("127.0.0.1", "localhost"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return [socket.create_server((host, port), family=family, backlog=BACKLOG)]
    first = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
    try:
        second = socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6, backlog=BACKLOG)
    except OSError:
        return [first]  # a machine without IPv6, or somebody else's service there
    return [first, second]
