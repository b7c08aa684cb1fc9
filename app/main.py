"""The application: `create_app(settings)`, or `uvicorn app.main:app`."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from app.logging import configure_logging
from app.openapi import describe
from app.routers import docs, health, members, pages
from app.routers.eventhandler import EventHandlerEndpoint
from app.routers.negotiate import NegotiateEndpoint, NegotiateRules
from app.services import PublisherFor, Services
from app.serving.direct import DirectFastAPI
from app.settings import Settings


def create_app(settings: Settings, *, publisher_for: PublisherFor | None = None) -> FastAPI:
    """Builds everything, opens nothing: that is the lifespan's.

    `publisher_for` gives each hub its `Publisher` in place of the service client.
    """
    services = Services(settings, publisher_for)
    rules = NegotiateRules(
        minutes=settings.negotiate_minutes,
        max_minutes=settings.negotiate_max_minutes,
        roles=settings.negotiate_roles,
        groups=settings.negotiate_groups,
        policy=services.policy,
        origins=frozenset(origin.rstrip("/").lower() for origin in settings.cors_origins),
        limit=settings.negotiate_limit,
    )
    app = DirectFastAPI(
        endpoints={
            "eventhandler": EventHandlerEndpoint(services.webhook),
            "negotiate": NegotiateEndpoint(services.hubs, services.issuer, rules, services.identity, services.limiter),
        },
        before_routing=not settings.telemetry,
        start_failure=lambda: services.start_failure,
        telemetry={"auto_configure": settings.telemetry},
        title="Web PubSub upstream",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.services = services
    app.include_router(health.router)
    app.include_router(members.router)
    docs.mount_docs(app)
    pages.mount_pages(app)
    describe(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    async with services.open():
        # What exists now lives as long as the process; the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        yield


def __getattr__(name: str) -> Any:
    """`app` is built when a server asks for it, so that importing this module reads no settings."""
    if name != "app":
        raise AttributeError(name)
    settings = Settings()
    configure_logging(settings.log_level, settings.log_format)
    return create_app(settings)
