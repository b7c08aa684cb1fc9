"""What the migration pages show before and after does the same to clients of the local service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.testing import LocalService
from tests.docs.examples import module_of, run
from tests.docs.upstreams import served

PAGE = "docs/migrate/flask.md"
Upstream = Callable[[LocalService, Any], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def flask(service: LocalService, page: Any) -> AsyncIterator[str]:
    """The Flask application in a thread, behind a server of ours."""

    async def handle(request: web.Request) -> web.Response:
        body, headers = await request.read(), [(name, value) for name, value in request.headers.items()]
        answer = await asyncio.to_thread(
            page.flask_app.test_client().open, request.path_qs, method=request.method, headers=headers, data=body
        )
        kept = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
        return web.Response(status=answer.status_code, headers=kept, body=answer.data)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    service.handle(f"{url}/eventhandler", hub="chat")
    yield url
    await asyncio.to_thread(page.service.close)
    await runner.cleanup()


@asynccontextmanager
async def hub(service: LocalService, page: Any) -> AsyncIterator[str]:
    async with served(service, page.ChatHub) as url:
        yield url


@pytest.mark.parametrize("upstream", [flask, hub])
async def test_the_chat_is_the_same(
    upstream: Upstream, localpubsub: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WebPubSubConnectionString", localpubsub.connection_string)
    page = module_of(PAGE)
    async with upstream(localpubsub, page) as url, aiohttp.ClientSession() as session:
        async with session.get(f"{url}/negotiate", params={"id": "jonas"}) as answer:
            access = (await answer.json())["url"]
        async with localpubsub.client("chat", "mia") as mia, session.ws_connect(access) as jonas:
            await mia.send_event("message", "hi")

            await mia.expect(type="message", data={"from": "mia", "message": "hi"})
            while await jonas.receive_json(timeout=10) != {"from": "mia", "message": "hi"}:
                pass  # somebody joined
            await mia.expect(type="message", data={"from": "[System]", "message": "jonas joined"})
        assert localpubsub.endpoint.removeprefix("http") in access


async def test_the_test_of_the_hub_passes(localpubsub: LocalService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WebPubSubConnectionString", localpubsub.connection_string)
    page = module_of(PAGE)

    await run(page.test_everybody_hears_a_message)
    page.service.close()
