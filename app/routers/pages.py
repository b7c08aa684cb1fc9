"""The demo pages: plain files, a strict policy for what they may load."""

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from app.clients.access import client_url
from app.dependencies import ServicesDep
from app.serving.browser_headers import FRAMED_BY_NOBODY

WEB = Path(__file__).resolve().parent.parent / "web"

PAGES = {
    "/": "index.html",
    "/chat": "chat.html",
    "/chat/direct": "chat.html",
    "/languages": "languages.html",
    "/tower": "tower.html",
}
"""Path to file."""

router = APIRouter(tags=["pages"])


class PageFiles(StaticFiles):
    """Revalidated on each use, so that an update is seen at once."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # passed on as received
        response.headers["cache-control"] = "no-cache"
        return response


def mount_pages(app: FastAPI) -> None:
    app.include_router(router)
    app.mount("/web", PageFiles(directory=WEB), name="web")


def _page(name: str, services: ServicesDep) -> FileResponse:
    service = services.settings.service_url
    socket = ""
    if service is not None:
        parts = urlsplit(service)
        socket = f" {'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return FileResponse(
        WEB / name,
        headers={
            "cache-control": "no-cache",
            "content-security-policy": f"default-src 'self'; connect-src 'self'{socket}; {FRAMED_BY_NOBODY}",
        },
    )


def _serve(path: str, name: str) -> None:
    @router.get(path, include_in_schema=False)
    async def page(services: ServicesDep) -> FileResponse:
        return _page(name, services)


for path, name in PAGES.items():
    _serve(path, name)


@router.get("/hubs", summary="The hubs served here")
async def hubs(services: ServicesDep) -> dict[str, list[str] | str | None]:
    """`console` is that of the local service, in development only."""
    settings = services.settings
    console = f"{settings.service_url}/console" if settings.development and settings.service_url else None
    return {"hubs": [hub.name for hub in services.hubs], "console": console}


@router.get("/client-endpoint", summary="Where clients connect without a token")
async def client_endpoint(services: ServicesDep, hub: str | None = None) -> dict[str, str]:
    """For lazy authentication: the client connects anonymously and the hub decides in `connect` who it is."""
    url = services.settings.service_url
    known = services.hubs.get(hub) if hub else next(iter(services.hubs))
    if url is None:
        raise HTTPException(503, "no Web PubSub service is configured")
    if known is None:
        raise HTTPException(404, "this hub is not served here")
    return {"baseUrl": client_url(url, known.name)}
