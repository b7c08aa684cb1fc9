"""A data plane that records what it was sent, byte for byte."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web


@dataclass(frozen=True)
class Recorded:
    """`target` is the raw path and query."""

    method: str
    target: str
    content_type: str | None
    authorization: str
    body: bytes


@dataclass
class DataPlane:
    """Answers each request with the next of `statuses`, then with what its method and path ask for."""

    url: str = ""
    requests: list[Recorded] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        headers = request.headers
        self.requests.append(
            Recorded(
                request.method, request.raw_path, headers.get("Content-Type"), headers.get("Authorization", ""),
                await request.read(),
            )
        )  # fmt: skip
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
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
