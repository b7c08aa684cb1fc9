"""Signed REST requests to a raw path."""

from typing import Any

import aiohttp
from yarl import URL

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import rest_headers

HUB = "/api/hubs/open"
TEXT = {"Content-Type": "text/plain"}


async def call(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> aiohttp.ClientResponse:
    """A signed request to a raw path."""
    signed = rest_headers(service, path) | (headers or {})
    response = await session.request(method, URL(service.endpoint + path, encoded=True), headers=signed, **options)
    await response.read()
    return response
