"""Two upstreams and one Redis: whoever asks either of them sees the same room."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from playwright.async_api import Browser, expect

from app.main import create_app
from app.serving.server import bind, serving
from app.settings import Settings
from localpubsub.config import EventHandler, GroupPresence, HubSettings, ServiceConfig
from localpubsub.server import LocalPubSub
from tests.app.fanout.redis.server import RedisServer
from tests.browser.conftest import HUB, Chat


@asynccontextmanager
async def replicas(browser: Browser, store: str) -> AsyncIterator[tuple[Chat, Chat]]:
    """The first hears who comes and goes, the second what is said: neither knows enough without the other."""
    listeners = [bind("127.0.0.1", 0) for _ in range(2)]
    first, second = (f"http://localhost:{listener.getsockname()[1]}" for listener in listeners)
    comings = EventHandler(
        url_template=f"{first}/eventhandler",
        system_events=("connect", "connected", "disconnected"),
        group_presence_events=GroupPresence(("joined", "left")),
    )
    words = EventHandler(url_template=f"{second}/eventhandler", user_event_pattern="*")
    hubs = {HUB.lower(): HubSettings(anonymous_connect=True, event_handlers=(comings, words))}
    service = LocalPubSub(ServiceConfig(port=0, hubs=hubs))
    await service.start()
    async with AsyncExitStack() as stack:
        for listener in listeners:
            ours = Settings(
                webpubsub_connection_string=service.connection_string,
                hubs="app.hubs.chat:ChatHub",
                store=store,
                development=True,
                shutdown_grace_seconds=1,
            )
            await stack.enter_async_context(serving(create_app(ours), listener, grace_seconds=1))
        stack.push_async_callback(service.stop)
        pages = await stack.enter_async_context(AsyncExitStack())
        one, other = (Chat(url, service, browser, pages) for url in (first, second))
        yield one, other
        assert one.complaints + other.complaints == []


async def test_two_replicas_are_one_room(browser: Browser, redis_server: RedisServer) -> None:
    async with replicas(browser, redis_server.url) as (first, second):
        mia, jonas = await first.visit(), await second.visit()
        await mia.join("mia")
        await jonas.join("jonas")
        for visitor in (mia, jonas):
            await expect(visitor.people).to_have_count(2)

        for number in range(10):
            await mia.say(f"mia's {number}")
            await expect(mia.line(f"mia's {number}")).to_contain_text("Sent")
            await jonas.say(f"jonas' {number}")
            await expect(jonas.line(f"jonas' {number}")).to_contain_text("Sent")

        said = [f"{name} {number}" for number in range(10) for name in ("mia's", "jonas'")]
        await expect(mia.words).to_have_text(said)
        await expect(jonas.words).to_have_text(said)

        await mia.page.close()
        await expect(jonas.people).to_have_count(1)
        zoe = await first.visit()
        await zoe.join("zoe")
        await expect(zoe.words).to_have_text(said)
        await expect(jonas.people).to_have_count(2)


async def test_what_was_said_outlives_every_replica(browser: Browser, redis_server: RedisServer) -> None:
    async with replicas(browser, redis_server.url) as (first, _):
        mia = await first.visit()
        await mia.join("mia")
        await mia.say("before")
        await expect(mia.line("before")).to_contain_text("Sent")

    async with replicas(browser, redis_server.url) as (_, second):
        jonas = await second.visit()
        await jonas.join("jonas")
        await expect(jonas.words).to_have_text(["before"])
        await expect(jonas.people).to_have_count(1)
        await jonas.say("after")
        await expect(jonas.words).to_have_text(["before", "after"])
