"""The pictures in the documents: `python -m tests.browser.pictures [chat ...]` plays each scene and writes its PNG.

A scene is a function of the running servers that returns the page as it shall be seen. To add one, write it, and give
it a name and its hubs in `SCENES`; the picture is `docs/<name>.png`.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Page, expect

from app.simulation.config import Config
from app.simulation.doors import KeyDoor
from app.simulation.run import simulating
from app.upstream.connection_string import ConnectionString
from tests.browser.conftest import Chat, Visitor, chromium, launched, running_chat
from tests.browser.tower_stage import HUB_PATH, TOWER, watch

DOCS = Path(__file__).resolve().parents[2] / "docs"
MOST_BYTES = 250_000


@dataclass(frozen=True)
class Scene:
    hubs: tuple[str, ...]
    play: Callable[[Chat], Awaitable[Page]]


async def three_people_talk(chat: Chat) -> Page:
    mia = await chat.visit(width=1120, height=700)
    zoe, tomas = await chat.visit(), await chat.visit()
    await zoe.join("Zoë")
    await tomas.join("Tomás")
    for visitor in (zoe, tomas):
        await visitor.enter("kitchen")
        await visitor.open("lobby")
    await mia.join("Mia")
    await mia.enter("kitchen")
    await mia.open("lobby")
    await _say_in_turn(
        (mia, "Good morning! Is the truck from Lyon here?"),
        (zoe, "It came twenty minutes ago."),
        (zoe, "Four pallets, all fine."),
        (mia, "<b>Great</b>, then dock 3 is free again."),
        (tomas, "Let the next one in: it brings the coffee!"),
    )
    await zoe.write_to("Mia")
    await zoe.say("Don't tell Tomás: there will be cake")
    await expect(mia.room("Zoë")).to_contain_text("1 unread")
    await tomas.open("kitchen")
    await _say_in_turn((tomas, "Who has taken my cup?"), (tomas, "The blue one."))
    await expect(mia.room("kitchen")).to_contain_text("2 unread")
    await tomas.open("lobby")
    await zoe.open("lobby")
    await zoe.composer.press_sequentially("At last")
    await expect(mia.page.get_by_text("Zoë is writing…")).to_be_visible()
    return mia.page


async def three_languages_at_one_table(chat: Chat) -> Page:
    mia, jonas, eva = [await chat.visit("/languages", width=1040, height=760) for _ in range(3)]
    for visitor, name, greeting in ((jonas, "Jonas", "Hallo"), (eva, "Éva", "Bonjour"), (mia, "Mia", "Hello")):
        await visitor.page.get_by_role("group").get_by_text(greeting, exact=True).click()
        await visitor.page.locator("#name").fill(name)
        await visitor.page.locator("#name").press("Enter")
        await expect(visitor.page.get_by_role("complementary")).to_contain_text(name)
    turns = (
        (mia, "Good morning! Where is order ORD-4711?"),
        (eva, "La commande ORD-4711 a du retard."),
        (jonas, "Kein Problem. Ich kümmere mich darum"),
        (eva, "Merci, Jonas!"),
        (jonas, "Im Hafen liegt noch Nebel"),
        (mia, "See you later"),
    )
    for count, (visitor, text) in enumerate(turns, start=1):
        await visitor.page.locator("#message").fill(text)
        await visitor.page.locator("#message").press("Enter")
        await expect(mia.words).to_have_count(count)
    await mia.page.get_by_role("button", name="show original").last.click()
    return mia.page


async def a_morning_in_the_tower(chat: Chat) -> Page:
    ops = await watch(chat, TOWER, width=1280, height=800)
    door = KeyDoor(ConnectionString.parse(chat.service.connection_string))
    patience = 120_000
    async with simulating(Config(vehicles=72, speedup=200, help_seconds=60), door):
        await expect(ops.page.locator("#figure-exception")).to_have_text(re.compile("[1-9]"), timeout=patience)
        await expect(ops.page.locator("#figure-delayed")).to_have_text(re.compile("[1-9]"), timeout=patience)
        await expect(ops.panel("Deliveries")).to_contain_text(re.compile("[1-9][0-9] deliveries;"), timeout=patience)
        acknowledge = ops.alerts.get_by_role("button", name=re.compile("^Acknowledge"))
        await acknowledge.first.click(timeout=patience)
        await ops.page.get_by_label("State", exact=True).select_option("With an alert")
        await ops.rows.get_by_role("button").first.click()
        await expect(ops.trail.filter(has_text="departed")).to_have_count(1)
        await ops.page.mouse.move(0, 0)
    return ops.page


async def _say_in_turn(*turns: tuple[Visitor, str]) -> None:
    for visitor, text in turns:
        await visitor.say(text)
        await expect(visitor.line(text)).to_contain_text("Sent")


SCENES = {
    "languages": Scene(("app.hubs.multilingual.hub:MultilingualHub",), three_languages_at_one_table),
    "chat": Scene(("app.hubs.chat:ChatHub",), three_people_talk),
    "tower": Scene((HUB_PATH,), a_morning_in_the_tower),
}


async def take(name: str) -> None:
    """Raises `SystemExit` where there is no browser, or the picture is too large for a document."""
    executable = chromium()
    if executable is None:
        sys.exit("chromium is not installed")
    async with launched(executable) as browser, running_chat(browser, *SCENES[name].hubs) as chat:
        page = await SCENES[name].play(chat)
        picture = await page.screenshot(animations="disabled")
    if len(picture) > MOST_BYTES:
        sys.exit(f"{name}: {len(picture)} bytes are too many for a document")
    (DOCS / f"{name}.png").write_bytes(picture)


async def main(names: list[str]) -> None:
    if unknown := set(names) - set(SCENES):
        sys.exit(f"no scene called {', '.join(sorted(unknown))}; there are {', '.join(SCENES)}")
    for name in names or SCENES:
        await take(name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
