"""The whole system for real: a browser, the upstream and the local service, on free ports."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, async_playwright, expect

from app.devserver import run_dev

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)

expect.set_options(timeout=10_000)


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
    def lines(self) -> Locator:
        return self.page.get_by_role("log").get_by_role("listitem")

    def line(self, text: str) -> Locator:
        return self.lines.filter(has_text=text)

    async def knock(self, name: str) -> None:
        await self.page.get_by_label("Your name").fill(name)
        await self.page.get_by_role("button", name="Join").click()

    async def join(self, name: str) -> None:
        await self.knock(name)
        await expect(self.state).to_contain_text(f"Connected as {name}")

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
    connection_string: str
    browser: Browser
    exits: AsyncExitStack
    complaints: list[str] = field(default_factory=list)

    async def visit(self, path: str = "/chat", *, width: int = 1024) -> Visitor:
        context = await self.browser.new_context(viewport={"width": width, "height": 700})
        self.exits.push_async_callback(context.close)
        page = await context.new_page()
        page.on("pageerror", self._hear_error)
        page.on("console", self._hear_console)
        await page.goto(self.url + path)
        return Visitor(page)

    async def send(self, *messages: Mapping[str, object]) -> None:
        """To everybody, in this order, by other means than the hub."""
        service = WebPubSubServiceClient.from_connection_string(self.connection_string, hub="Sample_ChatApp")
        async with service:
            for message in messages:
                await service.send_to_all(dict(message), content_type="application/json")

    def _hear_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _hear_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    executable = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if executable is None:
        reason = f"no browser: none of {', '.join(CHROMIUM_NAMES)} is installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=CHROMIUM_ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def running_chat(browser: Browser, hub: str) -> AsyncIterator[Chat]:
    """Fails on the way out if a page threw or wanted something its security policy forbids."""
    async with (
        run_dev(port=0, service_port=0, hubs=(hub,), fanout_store="memory://", shutdown_grace_seconds=1) as servers,
        AsyncExitStack() as exits,
    ):
        chat = Chat(servers.upstream_url, servers.service.connection_string, browser, exits)
        yield chat
        assert chat.complaints == []


@pytest.fixture
async def chat(browser: Browser) -> AsyncIterator[Chat]:
    async with running_chat(browser, "app.hubs.chat:ChatHub") as chat:
        yield chat


@pytest.fixture
async def guarded_chat(browser: Browser) -> AsyncIterator[Chat]:
    """A chat whose hub refuses: see `GuardedChat`."""
    async with running_chat(browser, "tests.browser.guarded_chat:GuardedChat") as chat:
        yield chat
