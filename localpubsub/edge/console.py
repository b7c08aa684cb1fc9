"""`/console`: a page that shows what happens, and its assets, feed and commands."""

import re
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from localpubsub.edge.console_access import Denied, admit, demand_own_page, demand_same_origin
from localpubsub.edge.console_commands import BadCommand, ConsoleCommands
from localpubsub.edge.console_feed import ConsoleFeed
from localpubsub.engine.service import Service
from localpubsub.engine.upstream import Upstream

CONSOLE_PATH = "/console"
WEB = Path(__file__).parent.parent / "web"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
}

_ASSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)+")


class Console:
    """`upstream` gets events again that somebody wants repeated."""

    def __init__(
        self, service: Service, upstream: Upstream, endpoint: Callable[[], str], web_folder: Path = WEB
    ) -> None:
        self._config = service.config
        self._folder = web_folder
        self._feed = ConsoleFeed(service, endpoint)
        self._commands = ConsoleCommands(service, upstream)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path.removeprefix(CONSOLE_PATH)
        try:
            admit(request, self._config.console_password)
            if path == "/feed":
                return await self._feed_of(request)
            response = await self._answer(request, path)
        except (Denied, BadCommand) as refusal:
            response = web.Response(status=refusal.status, text=refusal.sentence, headers=refusal.headers)
        response.headers.update(_policy(request))
        return response

    async def close(self) -> None:
        await self._feed.close()
        await self._commands.close()

    async def _feed_of(self, request: web.Request) -> web.StreamResponse:
        demand_same_origin(request)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise BadCommand("This is an endpoint for WebSocket clients.")
        return await self._feed.serve(request)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        if path.startswith("/api/"):
            demand_own_page(request)
            return await self._commands.answer(request, path.removeprefix("/api/"))
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, text="Use GET.", headers={"Allow": "GET, HEAD"})
        if path == "/":
            return web.Response(status=308, headers={"Location": CONSOLE_PATH})
        if path == "":
            return self._file(self._folder / "console.html")
        name = path.removeprefix("/assets/")
        if name != path and _ASSET.fullmatch(name):
            return self._file(self._folder / "console" / name)
        return _missing()

    @staticmethod
    def _file(path: Path) -> web.StreamResponse:
        content_type = TYPES.get(path.suffix)
        if content_type is None or not path.is_file():
            return _missing()
        return web.FileResponse(path, headers={"Content-Type": content_type})


def _missing() -> web.Response:
    return web.Response(status=404, text="The console has no such page.")


def _policy(request: web.Request) -> dict[str, str]:
    """Nothing but the page's own files is run, and no other page may frame it."""
    sockets = "wss:" if request.secure else "ws:"
    sources = f"default-src 'self'; connect-src 'self' {sockets}"
    return {
        "Content-Security-Policy": f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
