"""A real service on a free port, an upstream that records, and clients over real sockets."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, HubSettings, ServiceConfig
from localpubsub.server import LocalPubSub

PRIMARY = "local-dev-key-000000000000000000000000000001"
SECONDARY = "local-dev-key-000000000000000000000000000002"
JSON = "json.webpubsub.azure.v1"


@dataclass
class Received:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> str:
        return self.headers.get("ce-eventName", "")


Answer = Callable[[Received], web.Response | Awaitable[web.Response]]


@dataclass
class RecordingUpstream:
    """Remembers every request and answers with `answer`; validation is always allowed."""

    url: str = ""
    requests: list[Received] = field(default_factory=list)
    answer: Answer = lambda _: web.Response(status=204)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def events(self) -> list[Received]:
        return [one for one in self.requests if one.method == "POST"]

    async def handle(self, request: web.Request) -> web.Response:
        received = Received(request.method, request.path_qs, dict(request.headers), await request.read())
        async with self._changed:
            self.requests.append(received)
            self._changed.notify_all()
        if request.method == "OPTIONS":
            return web.Response(headers={"WebHook-Allowed-Origin": "*"})
        answer = self.answer(received)
        return answer if isinstance(answer, web.Response) else await answer

    async def wait_for(self, event: str, count: int = 1) -> list[Received]:
        """The first `count` events of that name, as soon as they are here."""

        def enough() -> bool:
            return sum(one.event == event for one in self.events) >= count

        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(enough)
        return [one for one in self.events if one.event == event][:count]


@pytest.fixture
def unused_tcp_port() -> int:
    """Free now; for a server that is to come up later at an address known before."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
async def upstream() -> AsyncIterator[RecordingUpstream]:
    recorder = RecordingUpstream()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", recorder.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    recorder.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield recorder
    await runner.cleanup()


def config(upstream: RecordingUpstream | None = None, **changes: Any) -> ServiceConfig:
    """The hub `den` sends every event upstream; the hub `open` lets anybody in."""
    hubs = {"open": HubSettings(anonymous_connect=True)}
    if upstream is not None:
        handler = EventHandler(f"{upstream.url}/eventhandler/{{event}}", ("connect", "connected", "disconnected"), "*")
        hubs["den"] = HubSettings(event_handlers=(handler,))
    values: dict[str, Any] = {"port": 0, "access_keys": (PRIMARY, SECONDARY), "hubs": hubs, "retry_delays": (0.01,) * 3}
    return ServiceConfig(**(values | changes))


@pytest.fixture
async def service(upstream: RecordingUpstream) -> AsyncIterator[LocalPubSub]:
    async with LocalPubSub(config(upstream)) as one:
        yield one


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


def client_token(
    service: LocalPubSub,
    hub: str = "den",
    user: str | None = "ivy",
    roles: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    *,
    key: str = PRIMARY,
    **changes: Any,
) -> str:
    claims: dict[str, Any] = {"aud": f"{service.endpoint}/client/hubs/{hub}", "exp": int(time.time()) + 600}
    if user is not None:
        claims["sub"] = user
    if roles:
        claims["role"] = list(roles)
    if groups:
        claims["webpubsub.group"] = list(groups)
    merged = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(merged, key, algorithm="HS256")


def client_url(service: LocalPubSub, hub: str = "den", query: str = "", **token: Any) -> str:
    access = client_token(service, hub, **token)
    return f"ws://localhost:{service.port}/client/hubs/{hub}?access_token={access}{query}"


class JsonClient:
    """A client of `json.webpubsub.azure.v1`; the `connected` frame is read already."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, connected: dict[str, Any]) -> None:
        self.socket = socket
        self.connected = connected

    @property
    def id(self) -> str:
        return str(self.connected["connectionId"])

    async def send(self, **frame: Any) -> None:
        await self.socket.send_json(frame)

    async def receive(self) -> dict[str, Any]:
        frame: dict[str, Any] = await self.socket.receive_json(timeout=30)
        return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        """Sends a command and returns the next frame, which is its ack where nothing else is going on."""
        await self.send(**frame)
        return await self.receive()

    async def closed(self) -> int:
        """The code the service closes with; frames before it are skipped."""
        while True:
            message = await self.socket.receive(timeout=30)
            if message.type is not aiohttp.WSMsgType.TEXT:
                assert self.socket.close_code is not None
                return self.socket.close_code


@asynccontextmanager
async def json_client(
    session: aiohttp.ClientSession, service: LocalPubSub, hub: str = "open", **token: Any
) -> AsyncIterator[JsonClient]:
    async with session.ws_connect(client_url(service, hub, **token), protocols=[JSON]) as socket:
        yield JsonClient(socket, await socket.receive_json(timeout=30))


def rest_headers(service: LocalPubSub, path: str, *, key: str = PRIMARY, **changes: Any) -> dict[str, str]:
    """The bearer for a request to `path`, which is raw and may carry a query."""
    claims = {"aud": f"{service.endpoint}{path}", "exp": int(time.time()) + 60} | changes
    return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}"}
