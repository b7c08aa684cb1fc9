"""An upstream whose service answers nothing, and requests as the service signs them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.settings import Settings
from app.upstream.signature import sign
from app.upstream.testing import RecordingPublisher

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
ORIGIN = "contoso.webpubsub.azure.com"
CONNECTION_STRING = f"Endpoint=https://{ORIGIN};AccessKey={KEY};Version=1.0;"

MakeApp = Callable[..., FastAPI]
MakeClient = Callable[..., httpx.AsyncClient]


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "webpubsub_connection_string": CONNECTION_STRING,
        "hubs": ("tests.app.reference_hub:ReferenceHub",),
        "store": "memory://",
    }
    return Settings(_env_file=None, **(values | changes))


def event(kind: str, name: str, *, connection_id: str = "conn-7f3a", **more: str) -> dict[str, str]:
    """The headers of a signed event; `kind` is sys, user or gp. Underscores in names of `more` are dashes."""
    headers = {
        "WebHook-Request-Origin": ORIGIN,
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": f"azure.webpubsub.{kind}.{name}",
        "ce-source": f"/hubs/chat/client/{connection_id}",
        "ce-time": "2026-03-04T05:06:07Z",
        "ce-signature": sign(KEY.encode(), connection_id.encode()).decode(),
        "ce-connectionId": connection_id,
        "ce-hub": "chat",
        "ce-eventName": name,
        "Content-Type": "text/plain" if kind == "user" else "application/json; charset=utf-8",
    }
    return headers | {header.replace("_", "-"): value for header, value in more.items()}


@pytest.fixture
async def connect_to() -> AsyncIterator[MakeClient]:
    """Makes a client of an application with these settings."""
    clients: list[httpx.AsyncClient] = []

    def make(**changes: Any) -> httpx.AsyncClient:
        app = create_app(settings(**changes), publisher_for=lambda _: RecordingPublisher())
        clients.append(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream"))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def client(connect_to: MakeClient) -> httpx.AsyncClient:
    return connect_to()
