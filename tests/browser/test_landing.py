"""The page that leads to everything else."""

import re

from playwright.async_api import Browser, expect

from tests.browser.conftest import Chat, running_chat


async def test_it_shows_what_is_served_here_and_leads_there(chat: Chat) -> None:
    page = (await chat.visit("/")).page

    await expect(page.get_by_role("status")).to_have_text("The server is ready")
    await expect(page.get_by_role("heading", name="Control tower")).to_be_hidden()
    await expect(page.get_by_role("link", name="Console of the local service")).to_have_attribute(
        "href", re.compile(r"^http://localhost:\d+/console$")
    )
    await page.get_by_role("link", name="Chat", exact=True).click()

    await expect(page.get_by_role("button", name="Join")).to_be_visible()


async def test_of_a_hub_of_ones_own_it_says_that_it_has_no_page(browser: Browser) -> None:
    async with running_chat(browser, "tests.e2e.shout_hub:ShoutHub") as other:
        page = (await other.visit("/")).page

        await expect(page.get_by_text("The hubs here have no page: shout")).to_be_visible()
        await expect(page.get_by_role("heading", name="Chat")).to_be_hidden()
        await expect(page.get_by_role("link", name="API documents")).to_be_visible()
