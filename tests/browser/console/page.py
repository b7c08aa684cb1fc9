"""The console's page as a test sees it, and what the tests of it share."""

import subprocess
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, expect

from tests.browser.console.stub import ConsoleStub, record

MARKUP = "<img src=x onerror=\"document.title='owned'\"><b>bold</b> &amp; it's"


# Not frozen: playwright keeps its wrappers of our listeners on the object that owns them.
@dataclass
class Console:
    """The page, and the service behind it."""

    page: Page
    stub: ConsoleStub
    complaints: list[str] = field(default_factory=list)

    @property
    def tree(self) -> Locator:
        return self.page.get_by_role("tree", name="Traffic")

    @property
    def detail(self) -> Locator:
        return self.page.get_by_role("region", name="Details")

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    def item(self, text: str) -> Locator:
        """The line of a record; what it caused is not in it."""
        return self.tree.locator(".line").filter(has_text=text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def open_tool(self, name: str) -> Locator:
        await self.page.get_by_role("tab", name=name).click()
        return self.page.get_by_role("tabpanel", name=name)

    async def outline(self) -> list[tuple[int, str]]:
        """Level and summary of each item, from top to bottom."""
        script = "items => items.map(i => [Number(i.ariaLevel), i.querySelector('.summary').textContent])"
        pairs = await self.tree.get_by_role("treeitem").evaluate_all(script)
        return [(level, summary) for level, summary in pairs]

    async def copied(self) -> str:
        text: str = await self.page.evaluate("navigator.clipboard.readText()")
        return text

    def _hear_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _hear_console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)


async def open_console(browser: Browser, stub: ConsoleStub, exits: AsyncExitStack, width: int = 1440) -> Console:
    context = await browser.new_context(viewport={"width": width, "height": 800})
    exits.push_async_callback(context.close)
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    console = Console(await context.new_page(), stub)
    console.page.on("pageerror", console._hear_error)
    console.page.on("console", console._hear_console)
    await console.page.goto(f"{stub.url}/console")
    await expect(console.state).to_have_text("Live")
    await expect(console.page.locator("#endpoint")).to_have_text(stub.url)
    return console


def event(id: str = "e", **members: Any) -> dict[str, Any]:
    detail = {
        "url": "http://localhost:8080/eventhandler",
        "headers": {"ce-type": "azure.webpubsub.user.message", "content-type": "application/json"},
        "body": '{"text":"hi"}',
        "bodyType": "json",
        "answer": None,
    }
    return record(id, "event", **{"detail": detail, **members})


def shell_words(command: str) -> list[str]:
    """What a POSIX shell makes of it: the arguments `curl` would get."""
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}; {command}"
    output = subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, timeout=10).stdout
    return output.decode().removesuffix("\0").split("\0")
