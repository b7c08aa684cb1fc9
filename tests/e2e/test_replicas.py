"""Two replicas that share Redis: whichever gets a delivery, it runs once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiohttp
import pytest

from app.main import create_app
from app.serving.server import bind, serving
from bench.data_plane import DataPlane
from tests.app.conftest import KEY, event, settings
from tests.app.fanout.redis.server import RedisServer


@pytest.fixture
async def plane() -> AsyncIterator[DataPlane]:
    plane = DataPlane()
    await plane.start()
    yield plane
    await plane.stop()


@pytest.fixture
async def replicas(
    plane: DataPlane, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[str]]:
    """The event handlers of two replicas."""
    monkeypatch.setenv("FANOUT", "sdk")
    async with AsyncExitStack() as stack:
        urls = []
        for _ in range(2):
            ours = settings(
                webpubsub_connection_string=f"Endpoint={plane.endpoint};AccessKey={KEY}",
                webpubsub_allowed_origins="contoso.webpubsub.azure.com",
                hubs="bench.hub:BenchHub",
                store=redis_server.url,
            )
            listener = bind("127.0.0.1", 0)
            urls.append(f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler")
            await stack.enter_async_context(serving(create_app(ours), listener, grace_seconds=5))
        yield urls


async def test_a_delivery_that_reaches_both_replicas_is_sent_once(plane: DataPlane, replicas: list[str]) -> None:
    sent = asyncio.Event()
    plane.on_accept = lambda: sent.set() if len(plane.accepted) >= 20 else None

    async with aiohttp.ClientSession() as session:

        async def post(url: str, number: int) -> int:
            headers = event("user", "message", ce_id=str(number), connection_id=f"conn-{number}")
            async with session.post(url, headers=headers, data=b"hi") as answer:
                return answer.status

        twins = [post(url, number) for number in range(20) for url in replicas]
        statuses = await asyncio.gather(*twins)
        async with asyncio.timeout(10):
            await sent.wait()
        late = [await post(url, number) for number in range(20) for url in replicas]

    assert set(statuses + late) == {204}
    assert (len(plane.accepted), plane.attempts) == (20, 20)
