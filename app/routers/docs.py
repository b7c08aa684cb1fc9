"""`/docs` from files on this machine: no browser has to reach a content network to read a contract."""

from importlib.resources import files

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from app.routers.pages import WEB
from app.serving.browser_headers import FRAMED_BY_NOBODY

ASSETS = "/docs/assets"
POLICY = f"default-src 'self'; img-src 'self' data:; {FRAMED_BY_NOBODY}"
"""The viewer's style sheet draws its arrows with `data:` images."""

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def docs() -> FileResponse:
    return FileResponse(WEB / "docs.html", headers={"cache-control": "no-cache", "content-security-policy": POLICY})


def mount_docs(app: FastAPI) -> None:
    app.include_router(router)
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")
