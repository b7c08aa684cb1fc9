"""A console page in a browser, and a stand-in for the service behind it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.console.page import Console, open_console
from tests.browser.console.stub import ConsoleStub, running_stub


@pytest_asyncio.fixture(loop_scope="session")
async def stub() -> AsyncIterator[ConsoleStub]:
    async with running_stub() as stub:
        yield stub


@pytest_asyncio.fixture(loop_scope="session")
async def console(browser: Browser, stub: ConsoleStub) -> AsyncIterator[Console]:
    """Fails on the way out if the page threw or wanted something its security policy forbids."""
    async with AsyncExitStack() as exits:
        console = await open_console(browser, stub, exits)
        yield console
        assert console.complaints == []
