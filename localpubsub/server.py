"""The local service as one object: start it, use it, stop it."""

import logging
import socket
import ssl
from dataclasses import replace
from types import TracebackType
from typing import Self

from aiohttp import web

from localpubsub.config import ServiceConfig
from localpubsub.edge.console import CONSOLE_PATH, Console
from localpubsub.edge.foreign_pages import turned_away
from localpubsub.edge.http_log import http_log
from localpubsub.edge.knocking import last, read_query
from localpubsub.edge.listeners import ListenerSinks
from localpubsub.edge.mqtt import MqttEndpoint
from localpubsub.edge.rest import RestApi, RestEndpoint, health
from localpubsub.edge.state_file import StateKeeper
from localpubsub.edge.tls import server_context
from localpubsub.edge.tokens import DEFAULT_PORTS, ENTRA_WARNING, MQTT_PATH, TUNNEL_PATH, Tokens
from localpubsub.edge.tunnel import TunnelEndpoint, Tunnels
from localpubsub.edge.webhook import WebhookClient
from localpubsub.edge.websocket import CLIENT_PATH, ClientEndpoint
from localpubsub.engine.chaos import Chaos
from localpubsub.engine.mqtt import Mqtt
from localpubsub.engine.service import Service
from localpubsub.engine.trace import Trace

log = logging.getLogger(__name__)

BACKLOG = 1024
IDLE_SECONDS = 120.0
"""For a connection on which no request comes, or only a part of its head."""
NOT_OFFERED = "this version of the local service does not offer it"


class LocalPubSub:
    """`port`, `endpoint` and `connection_string` are known once it has started.

    The default host listens on both loopback addresses: some clients look for `localhost` at `::1` first.
    """

    def __init__(self, config: ServiceConfig | None = None) -> None:
        self.config = replace(config or ServiceConfig())
        self.port = self.config.port
        self.chaos = Chaos(self.config.chaos)
        self._listeners = ListenerSinks()
        trace = Trace()
        self._upstream = WebhookClient(self.config, self._origin, self.chaos, trace)
        self.service = Service(self.config, self._upstream, self._listeners, self.chaos, trace)
        self._console = Console(self.service, self._upstream, lambda: self.endpoint)
        self._tokens = tokens = Tokens(
            self.config.access_keys, self.config.public_endpoints, accept_entra=self.config.accept_entra_tokens
        )
        self._clients = ClientEndpoint(self.service, tokens, self.config)
        self.mqtt = Mqtt(self.service)
        self._mqtt_clients = MqttEndpoint(self.mqtt, tokens, self.config)
        api = RestApi(self.service)
        self._rest = RestEndpoint(api, tokens)
        self._tunnels = Tunnels()
        self._upstream.tunnel = self._tunnels.request
        self._tunnel = TunnelEndpoint(self._tunnels, tokens, api, self.config)
        self._runner: web.AppRunner | None = None
        self.state: StateKeeper | None = None

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://localhost:{self.port}"

    @property
    def connection_string(self) -> str:
        """Holds the primary access key."""
        return f"Endpoint={self.endpoint};AccessKey={self.config.access_keys[0]};Version=1.0;"

    @property
    def _scheme(self) -> str:
        return "https" if self.config.tls_folder else "http"

    def _origin(self) -> str:
        return "localhost" if self.port == DEFAULT_PORTS[self._scheme] else f"localhost:{self.port}"

    def apply(self, config: ServiceConfig) -> tuple[str, ...]:
        """Other settings for what happens from now on; the names of those that would need a restart."""
        waiting = self.config.take_over(config)
        self.chaos.configure(self.config.chaos)
        self._tokens.use(self.config.access_keys)
        return waiting

    async def start(self) -> None:
        """Raises `OSError` where the port is taken, or the certificate's folder cannot be used; `StateError`."""
        tls = server_context(self.config.tls_folder) if self.config.tls_folder else None
        if self.config.accept_entra_tokens:
            log.warning(ENTRA_WARNING)
        self._upstream.open()
        try:
            await self._restore()
            self._runner = await self._listen(tls)
        except BaseException:
            await self._keep()
            await self._upstream.close()
            raise

    async def _restore(self) -> None:
        """What was there before is there again before the first client is."""
        self.service.is_leaving = False
        if self.config.state is not None:
            state = StateKeeper(self.config.state, self.service)
            await state.open()
            self.state = state

    async def _keep(self) -> None:
        state, self.state = self.state, None
        if state is not None:
            self.service.sessions.halt()
            await state.close()

    async def _listen(self, tls: ssl.SSLContext | None) -> web.AppRunner:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._route)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            keepalive_timeout=IDLE_SECONDS,
            logger=http_log,
        )
        listeners = _listeners(self.config.host, self.config.port)
        await runner.setup()
        try:
            for listener in listeners:
                await web.SockSite(runner, listener, backlog=BACKLOG, ssl_context=tls).start()
        except OSError:
            await runner.cleanup()
            raise
        self.port = listeners[0].getsockname()[1]
        return runner

    async def stop(self) -> None:
        """Says goodbye to every client, tells upstreams of it within a bounded time, then closes. Idempotent.

        Reliable clients that are kept in a file lose their socket without a word, and find the next service.
        """
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._mqtt_clients.close_all("service reload")
        self.service.close_all(but_reliable=self.state is not None)
        await self._console.close()
        for site in list(runner.sites):
            await site.stop()
        await self._clients.drain(self.config.shutdown_seconds)
        await self._mqtt_clients.drain(self.config.shutdown_seconds)
        await self.service.events.drain(self.config.shutdown_seconds)
        await self._tunnels.close()
        await runner.cleanup()
        if self.state is not None:
            self.service.sessions.halt()
        await self.service.events.drain(self.config.shutdown_seconds)  # clients that were cut off just now
        await self._keep()
        await self._listeners.close(self.config.shutdown_seconds)
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
        if path == CONSOLE_PATH or path.startswith(f"{CONSOLE_PATH}/"):
            return await self._console(request)
        # Clients come from pages of any origin (spec/service.md 1.4).
        if (hub := _client_hub(request, path)) is not None:
            return await self._let_in(self._clients, request, hub)
        if _is_hub_of(MQTT_PATH, path):
            return await self._let_in(self._mqtt_clients, request, request.path.removeprefix(MQTT_PATH))
        return turned_away(request, self.config) or await self._answer(request, path)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        if path == "/api/health":
            return health(request)
        if path.startswith("/api/hubs/"):
            return await self._rest(request)
        if path.rstrip("/") == TUNNEL_PATH:
            return await self._tunnel(request)
        if path == "/" and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=302, headers={"Location": CONSOLE_PATH})  # somebody followed the endpoint's URL
        is_planned = path.startswith("/clients/socketio/")
        status, text = (501, NOT_OFFERED) if is_planned else (404, "there is no such path")
        return web.Response(status=status, text=text)

    async def _let_in(
        self, clients: ClientEndpoint | MqttEndpoint, request: web.Request, hub: str
    ) -> web.StreamResponse:
        """Nobody while it stops: they try again, where a close would be an end."""
        if self.service.is_leaving:
            return web.Response(status=503, text="the service stops")
        return await clients(request, hub)


def _client_hub(request: web.Request, path: str) -> str | None:
    """The hub of a client's URL, in the new or the old spelling; `None` for any other URL."""
    if _is_hub_of(CLIENT_PATH, path):
        return request.path.removeprefix(CLIENT_PATH)
    return last(read_query(request), "hub") if path.rstrip("/") == "/client" else None


def _is_hub_of(prefix: str, path: str) -> bool:
    """Whether one segment follows, legal as a hub's name or not."""
    return path.startswith(prefix) and "/" not in path.removeprefix(prefix)


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
