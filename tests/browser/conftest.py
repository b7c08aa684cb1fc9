"""The whole system for real: a browser, the upstream and the local service, on free ports."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, async_playwright, expect

from app.devserver import run_dev
from localpubsub.server import LocalPubSub
from localpubsub.testing import JSON_SUBPROTOCOL, Client

HERE = Path(__file__).parent
HUB = "Sample_ChatApp"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

expect.set_options(timeout=30_000)


@dataclass(frozen=True)
class Visitor:
    """One person at one page, with a browser profile of their own."""

    page: Page

    @property
    def state(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name="Your message")

    @property
    def title(self) -> Locator:
        """Whom or what the conversation is with."""
        return self.page.locator("#talk-name")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def lines(self) -> Locator:
        return self.log.get_by_role("listitem")

    @property
    def words(self) -> Locator:
        """The messages' texts alone, without who and when."""
        return self.log.locator(".words")

    @property
    def rooms(self) -> Locator:
        return self.page.get_by_role("navigation", name="Rooms")

    @property
    def people(self) -> Locator:
        return self.page.get_by_role("complementary", name="People").get_by_role("listitem")

    def line(self, text: str) -> Locator:
        return self.lines.filter(has_text=text)

    def room(self, name: str) -> Locator:
        """Its entry in the list, joined or not; a private conversation's, too."""
        return self.rooms.get_by_role("listitem").filter(has=self.page.get_by_text(name, exact=True))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def alert(self, text: str) -> Locator:
        return self.page.get_by_role("alert").filter(has_text=text)

    async def knock(self, name: str) -> None:
        await self.page.get_by_label("Your name").fill(name)
        await self.button("Join").click()

    async def join(self, name: str) -> None:
        """Into the room this page enters first."""
        await self.knock(name)
        await expect(self.state).to_contain_text(f"Connected as {name}")
        await expect(self.page.locator("#talk-detail")).to_contain_text("here")

    async def enter(self, room: str) -> None:
        """A room more, through the field below the list."""
        await self.page.get_by_label("Join or open a room").fill(room)
        await self.page.get_by_label("Join or open a room").press("Enter")
        await expect(self.title).to_have_text(room)
        await expect(self.page.locator("#talk-detail")).to_contain_text("here")

    async def open(self, name: str) -> None:
        """A room or private conversation of the list."""
        await self.room(name).get_by_role("button").first.click()
        await expect(self.title).to_have_text(name)

    async def write_to(self, name: str) -> None:
        """Opens a private conversation with somebody of the room."""
        await self.people.get_by_role("button", name=name).click()
        await expect(self.title).to_have_text(name)

    async def say(self, text: str) -> None:
        await self.composer.fill(text)
        await self.composer.press("Enter")

    async def look_away(self) -> None:
        """As if another tab were in front."""
        await self.page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")


# Not frozen: playwright keeps its wrappers of our listeners on the object that owns them.
@dataclass
class Chat:
    """Both servers, and a way in."""

    url: str
    service: LocalPubSub
    browser: Browser
    exits: AsyncExitStack
    complaints: list[str] = field(default_factory=list)

    async def visit(self, path: str = "/chat", *, width: int = 1024, height: int = 700) -> Visitor:
        visitor = await self.newcomer(width=width, height=height)
        await visitor.page.goto(self.url + path)
        return visitor

    async def newcomer(self, *, width: int = 1024, height: int = 700) -> Visitor:
        """With an empty page, so that a test may still get between it and the servers."""
        context = await self.browser.new_context(viewport={"width": width, "height": height})
        self.exits.push_async_callback(context.close)
        page = await context.new_page()
        page.on("pageerror", self._hear_error)
        page.on("console", self._hear_console)
        return Visitor(page)

    def service_client(self) -> WebPubSubServiceClient:
        return WebPubSubServiceClient.from_connection_string(self.service.connection_string, hub=HUB)

    async def send(self, *lines: Mapping[str, object], room: str = "lobby") -> None:
        """To a room, in this order, by other means than the hub."""
        async with self.service_client() as service:
            for line in lines:
                whole = {"type": "message", "room": room, **line}
                await service.send_to_group(room, whole, content_type="application/json")

    async def say_as(self, user_id: str, room: str, *texts: str) -> None:
        """Somebody without a page says all of it, through the hub; it is kept when this returns."""
        async with self.service_client() as service:
            access = await service.get_client_access_token(user_id=user_id)
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(access["url"], protocols=[JSON_SUBPROTOCOL]) as socket,
        ):
            client = Client(socket)
            await client.send_event("enter", {"room": room}, dataType="json")
            for text in texts:
                await client.send_event("say", {"room": room, "message": text}, dataType="json")

    async def close_all(self, reason: str) -> None:
        async with self.service_client() as service:
            await service.close_all_connections(reason=reason)

    async def stop_service(self) -> None:
        await self.service.stop()

    async def start_service(self) -> None:
        """Another one in the place of the one that was stopped: the same port, the same key."""
        self.service = LocalPubSub(replace(self.service.config, port=self.service.port))
        await self.service.start()
        self.exits.push_async_callback(self.service.stop)

    def _hear_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _hear_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for every test here, that of the browser they share; so async fixtures name its scope too."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def chromium() -> str | None:
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@asynccontextmanager
async def launched(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for every test here; what a test does is in contexts of its own."""
    executable = chromium()
    if executable is None:
        reason = f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with launched(executable) as browser:
        yield browser


@asynccontextmanager
async def running_chat(browser: Browser, *hubs: str) -> AsyncIterator[Chat]:
    """Fails on the way out if a page threw or wanted something its security policy forbids."""
    async with (
        run_dev(port=0, service_port=0, hubs=hubs, store="memory://", shutdown_grace_seconds=1) as servers,
        AsyncExitStack() as exits,
    ):
        chat = Chat(servers.upstream_url, servers.service, browser, exits)
        yield chat
        assert chat.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def chat(browser: Browser) -> AsyncIterator[Chat]:
    async with running_chat(browser, "app.hubs.chat:ChatHub") as chat:
        yield chat


@pytest_asyncio.fixture(loop_scope="session")
async def guarded_chat(browser: Browser) -> AsyncIterator[Chat]:
    """A chat whose hub refuses: see `GuardedChat`."""
    async with running_chat(browser, "tests.browser.guarded_chat:GuardedChat") as chat:
        yield chat
