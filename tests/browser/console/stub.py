"""The local service as its console sees it: serves the page, tells what a test says, remembers what it is asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

PAGE = Path(__file__).parents[3] / "localpubsub" / "web" / "console.html"
POLICY = {"Content-Security-Policy": "default-src 'self'"}
PATIENCE_SECONDS = 10.0
NOW_MS = 1_790_000_000_000

Json = dict[str, Any]


def record(id: str, kind: str, summary: str = "", **members: Any) -> Json:
    usual: Json = {
        "id": id,
        "cause": None,
        "exact": True,
        "at": NOW_MS,
        "kind": kind,
        "hub": "chat",
        "connectionId": None,
        "userId": None,
        "summary": summary or f"{kind} {id}",
        "status": None,
        "tookMs": None,
        "detail": {},
    }
    return usual | members


def connection(id: str, user: str | None = None, **members: Any) -> Json:
    usual: Json = {
        "id": id,
        "userId": user,
        "subprotocol": "json.webpubsub.azure.v1",
        "groups": [],
        "permissions": {"sendToGroup": True, "joinLeaveGroup": False},
        "since": NOW_MS,
    }
    return usual | members


def hub(name: str = "chat", *connections: Json, groups: Sequence[Json] = (), handlers: Sequence[Json] = ()) -> Json:
    return {"name": name, "connections": list(connections), "groups": list(groups), "handlers": list(handlers)}


@dataclass(frozen=True)
class Asked:
    """A command, as it came."""

    method: str
    name: str
    body: Any
    is_marked: bool


@dataclass
class ConsoleStub:
    """`greeting` is told to each feed that opens; `answers` are (status, text) by the command's name."""

    url: str = ""
    greeting: list[Json] = field(default_factory=list)
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    chaos: list[Json] | None = None
    is_up: bool = True
    asked: asyncio.Queue[Asked] = field(default_factory=asyncio.Queue)
    frames: asyncio.Queue[str | bytes] = field(default_factory=asyncio.Queue)
    offered: list[str] = field(default_factory=list)
    greeted: asyncio.Queue[None] = field(default_factory=asyncio.Queue)
    feeds: list[web.WebSocketResponse] = field(default_factory=list)
    clients: list[web.WebSocketResponse] = field(default_factory=list)

    async def tell(self, *messages: Mapping[str, Any]) -> None:
        for message in messages:
            for feed in self.feeds:
                await feed.send_json(message)

    async def tell_records(self, *records: Json) -> None:
        await self.tell({"type": "records", "records": list(records)})

    async def tell_hubs(self, *hubs: Json) -> None:
        await self.tell(self.snapshot(*hubs))

    def snapshot(self, *hubs: Json) -> Json:
        return {"type": "snapshot", "endpoint": self.url, "hubs": list(hubs)}

    async def drop_feeds(self) -> None:
        while not self.greeted.empty():
            self.greeted.get_nowait()
        for feed in list(self.feeds):
            await feed.close()

    async def feed_is_back(self) -> None:
        """After `drop_feeds`: what is told now arrives."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.greeted.get()

    async def was_asked(self, name: str) -> Asked:
        """The next command of this name; others before it are passed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (asked := await self.asked.get()).name != name or asked.method == "GET":
                pass
        return asked

    async def next_frame(self) -> str | bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.frames.get()

    async def page(self, request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE, headers=POLICY)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        path = PAGE.parent / "console" / Path(request.match_info["name"]).name
        return web.FileResponse(path, headers=POLICY) if path.is_file() else web.Response(status=404)

    async def feed(self, request: web.Request) -> web.StreamResponse:
        if not self.is_up:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.feeds.append(socket)
        for message in self.greeting:
            await socket.send_json(message)
        self.greeted.put_nowait(None)
        async for _ in socket:
            pass
        self.feeds.remove(socket)
        return socket

    async def command(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        text = await request.text()
        is_marked = request.headers.get("X-Console") == "1"
        self.asked.put_nowait(Asked(request.method, name, json.loads(text) if text else None, is_marked))
        if name == "chaos":
            return self._answer_chaos(request.method, json.loads(text) if text else None)
        status, answer = self.answers.get(name, (204, ""))
        return web.Response(status=status, text=answer)

    def _answer_chaos(self, method: str, body: Any) -> web.Response:
        if self.chaos is None:
            return web.Response(status=404, text="This service offers no faults.")
        if method == "POST":
            self.chaos.append({**body, "id": f"rule-{len(self.chaos)}"})
        elif method == "DELETE":
            self.chaos = [rule for rule in self.chaos if rule["id"] != body["id"]]
        return web.json_response(self.chaos)

    async def client(self, request: web.Request) -> web.StreamResponse:
        """What the test client connects to. Says nothing by itself."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        self.offered.append(f"{offered} {request.query_string}")
        socket = web.WebSocketResponse(protocols=[offered] if offered else [])
        await socket.prepare(request)
        self.clients.append(socket)
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.frames.put_nowait(message.data)
        return socket


@asynccontextmanager
async def running_stub() -> AsyncIterator[ConsoleStub]:
    stub = ConsoleStub()
    app = web.Application()
    app.router.add_get("/console", stub.page)
    app.router.add_get("/console/assets/{name}", stub.asset)
    app.router.add_get("/console/feed", stub.feed)
    app.router.add_route("*", "/console/api/{name}", stub.command)
    app.router.add_get("/client/hubs/{hub}", stub.client)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://localhost:{runner.addresses[0][1]}"
    stub.greeting = [stub.snapshot()]
    try:
        yield stub
    finally:
        for socket in [*stub.feeds, *stub.clients]:
            await socket.close()
        await runner.cleanup()
