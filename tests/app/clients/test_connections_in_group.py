"""Who is in a group, page by page, as the service lists it (spec/service.md 8.4)."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AzureKeyCredential

from app.clients.service_client import AzureServiceClient
from app.upstream.errors import ServiceError

KEY = "a-key-of-at-least-thirty-two-bytes-000000"
PAGES: list[dict[str, Any]] = [
    {"value": [{"connectionId": "a", "userId": "ivy"}, {"connectionId": "b"}]},
    {"value": [{"connectionId": "c", "userId": "žofie/1"}, {"connectionId": "d", "userId": None}]},
]


class Lister:
    """Answers `statuses` first, then the pages."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.statuses: list[int] = []
        self.body: str | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.raw_path.partition("?")[0])
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        if self.body is not None:
            return web.Response(text=self.body, content_type="application/json")
        number = int(request.query.get("continuationToken", 0))
        link = f"{self.url}{request.path_qs}&continuationToken={number + 1}" if number + 1 < len(PAGES) else None
        return web.json_response(PAGES[number] | {"nextLink": link})


@pytest.fixture
async def lister() -> AsyncIterator[Lister]:
    lister = Lister()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", lister.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    lister.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield lister
    await runner.cleanup()


@pytest.fixture
async def client(lister: Lister) -> AsyncIterator[AzureServiceClient]:
    async with aiohttp.ClientSession() as session:
        one = AzureServiceClient(lister.url, "Chat", AzureKeyCredential(KEY))
        await one.open(session)
        yield one
        await one.close()


async def test_every_page_is_fetched(lister: Lister, client: AzureServiceClient) -> None:
    listed = [tuple(one) async for one in client.connections_in_group("tea room")]

    assert listed == [("a", "ivy"), ("b", None), ("c", "žofie/1"), ("d", None)]
    assert lister.paths[0] == "/api/hubs/Chat/groups/tea%20room/connections"
    assert len(lister.paths) == 2


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_refusal_says_with_what_status(lister: Lister, client: AzureServiceClient, status: int) -> None:
    lister.statuses = [status]

    with pytest.raises(ServiceError) as caught:
        await anext(client.connections_in_group("tea"))

    assert caught.value.status == status
    assert lister.url not in str(caught.value)


@pytest.mark.parametrize("body", ["<html>", "{"])
async def test_an_answer_that_is_no_listing_is_a_failure_of_the_service(
    lister: Lister, client: AzureServiceClient, body: str
) -> None:
    lister.body = body

    with pytest.raises(ServiceError):
        await anext(client.connections_in_group("tea"))
