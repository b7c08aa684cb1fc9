"""A hub of a page, served to a local service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.main import create_app
from app.serving.server import bind, serving
from localpubsub.testing import LocalService
from tests.app.conftest import settings


@asynccontextmanager
async def served(service: LocalService, hub: type) -> AsyncIterator[str]:
    """Gives the URL of the upstream; `hub` is importable where it says it is."""
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = create_app(
        settings(
            webpubsub_connection_string=service.connection_string,
            hubs=(f"{hub.__module__}:{hub.__name__}",),
            shutdown_grace_seconds=1,
        )
    )
    async with serving(app, listener, grace_seconds=1):
        service.handle(f"{url}/eventhandler", hub=hub.name)  # type: ignore[attr-defined]  # every hub has one
        yield url
