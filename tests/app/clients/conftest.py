"""A data plane that records what it was sent, byte for byte; and peers that behave as badly as a test wants."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import pytest
import uvloop
from aiohttp import web

from app.clients.http1 import KeepAliveClient


@dataclass(frozen=True)
class Recorded:
    """`target` is the raw path and query."""

    method: str
    target: str
    content_type: str | None
    authorization: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class DataPlane:
    """Answers each request with the next of `statuses`, then with what its method and path ask for.

    Answers out of `statuses` have `headers` and `body`.
    """

    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.requests.append(
            Recorded(
                request.method, request.raw_path, headers.get("Content-Type"), headers.get("Authorization", ""),
                await request.read(), headers,
            )
        )  # fmt: skip
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), headers=self.headers, body=self.body)
        path = request.path
        if path.endswith(":send"):
            return web.Response(status=202)
        if path.endswith(":generateToken"):
            return web.json_response({"token": "made.by.service"})
        removes = request.method == "DELETE" or path.endswith(":closeConnections")
        return web.Response(status=204 if removes else 200)


@pytest.fixture
async def data_plane() -> AsyncIterator[DataPlane]:
    plane = DataPlane()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", plane.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    plane.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield plane
    await runner.cleanup()


@pytest.fixture
def unused_address() -> str:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class Link:
    """A connection to a `Peer`, from the peer's side. Nothing here waits for ever."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reading = asyncio.Lock()

    async def request(self) -> bytes:
        """One whole request. Raises `EOFError` when the client has closed."""
        async with asyncio.timeout(5), self._reading:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            return head + await self._reader.readexactly(int(length or 0))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    def end(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Returns when the client has closed. Script and test may both wait for it."""
        async with asyncio.timeout(5), self._reading:
            try:
                while await self._reader.read(65536):
                    pass
            except ConnectionError:
                pass


Script = Callable[[Link], Awaitable[None]]
Serve = Callable[..., Awaitable["Peer"]]
MakeClient = Callable[..., KeepAliveClient]

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


async def accept_all(link: Link) -> None:
    while True:
        await link.request()
        link.send(ACCEPTED)


class Peer:
    """Runs a script for each connection; then the connection ends."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server
        self.url = ""
        self.links: list[Link] = []

    async def start(self, host: str, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._accept, host, 0, ssl=tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        mistakes = await asyncio.gather(*self._tasks, return_exceptions=True)
        for mistake in mistakes:
            if isinstance(mistake, Exception):
                raise mistake

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links.append(Link(reader, writer))
        self._tasks.append(asyncio.create_task(self._run(self.links[-1], writer)))

    async def _run(self, link: Link, writer: asyncio.StreamWriter) -> None:
        try:
            await self._script(link)
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a `Peer` with a script."""
    peers: list[Peer] = []

    async def start(script: Script, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Peer:
        peers.append(Peer(script))
        await peers[-1].start(host, tls)
        return peers[-1]

    yield start
    for peer in peers:
        await peer.stop()


@pytest.fixture
async def client_of() -> AsyncIterator[MakeClient]:
    """Makes a client; all are closed in the end."""
    clients: list[KeepAliveClient] = []

    def make(url: str, *, timeout_seconds: float = 5, idle_seconds: float = 60) -> KeepAliveClient:
        clients.append(KeepAliveClient(url, timeout_seconds=timeout_seconds, idle_seconds=idle_seconds))
        return clients[-1]

    yield make
    for client in clients:
        await client.close()


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What works on sockets itself is tested on the loop that serves as well."""
    if item.path.stem.startswith("test_http1"):
        return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}
