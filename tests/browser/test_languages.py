"""The room of many languages, with people who read English, German and French."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest_asyncio
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.browser.conftest import Chat, running_chat

HUB = "languages"
NOT_IN_THE_GLOSSARY = "The moon over the harbour is turquoise"


@dataclass(frozen=True)
class Speaker:
    """One person at the page, whatever its language is: parts are found by what they are, not by their words."""

    page: Page

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("status")

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def lines(self) -> Locator:
        return self.log.get_by_role("listitem")

    @property
    def words(self) -> Locator:
        """The texts alone, without who and when."""
        return self.log.locator(".words")

    @property
    def people(self) -> Locator:
        return self.page.get_by_role("complementary")

    def line(self, text: str) -> Locator:
        return self.lines.filter(has_text=text)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def choose(self, greeting: str) -> None:
        await self.page.get_by_role("group").get_by_text(greeting, exact=True).click()

    async def knock(self, name: str, greeting: str = "Hello") -> None:
        await self.choose(greeting)
        await self.page.locator("#name").fill(name)
        await self.page.locator("#name").press("Enter")

    async def join(self, name: str, greeting: str = "Hello") -> None:
        await self.knock(name, greeting)
        await expect(self.people).to_contain_text(name)

    async def hurry_back(self) -> None:
        """As when the browser notices that there is a network again: no pause is waited for."""
        await self.page.evaluate("dispatchEvent(new Event('online'))")

    async def say(self, text: str) -> None:
        await self.page.locator("#message").fill(text)
        await self.page.locator("#message").press("Enter")


@pytest_asyncio.fixture(loop_scope="session")
async def room(browser: Browser) -> AsyncIterator[Chat]:
    async with running_chat(browser, "app.hubs.multilingual.hub:MultilingualHub") as chat:
        yield chat


@pytest_asyncio.fixture(loop_scope="session")
async def moody_room(browser: Browser) -> AsyncIterator[Chat]:
    """See `MoodyRoom`."""
    async with running_chat(browser, "tests.browser.moody_room:MoodyRoom") as chat:
        yield chat


async def visit(room: Chat, *, width: int = 1024) -> Speaker:
    return Speaker((await room.visit("/languages", width=width)).page)


async def three(room: Chat) -> tuple[Speaker, Speaker, Speaker]:
    mia, jonas, eva = await visit(room), await visit(room), await visit(room)
    await mia.join("Mia")
    await jonas.join("Jonas", "Hallo")
    await eva.join("Eva", "Bonjour")
    return mia, jonas, eva


def service_client(room: Chat) -> WebPubSubServiceClient:
    return WebPubSubServiceClient.from_connection_string(room.service.connection_string, hub=HUB)


async def test_three_people_talk_and_each_reads_their_own_language(room: Chat) -> None:
    mia, jonas, eva = await three(room)

    await mia.say("See you later")
    await jonas.say("Guten Abend")

    await expect(mia.words).to_have_text(["See you later", "Good evening"])
    await expect(jonas.words).to_have_text(["Bis später", "Guten Abend"])
    await expect(eva.words).to_have_text(["À plus tard", "Bonsoir"])
    await expect(eva.words.first).to_have_attribute("lang", "fr")
    await expect(eva.words.first).to_have_attribute("dir", "auto")
    await expect(eva.line("À plus tard")).to_contain_text("anglais")
    await expect(eva.line("Bonsoir")).to_contain_text("allemand")


async def test_an_original_is_shown_on_demand_one_or_all(room: Chat) -> None:
    mia, _, eva = await three(room)
    await mia.say("See you later")
    await mia.say("Good evening")
    await expect(eva.words).to_have_text(["À plus tard", "Bonsoir"])
    original = eva.log.locator(".original")

    await eva.line("À plus tard").get_by_role("button", name="afficher l’original").click()
    await expect(original).to_have_text(["See you later"])
    await expect(original).to_have_attribute("lang", "en")
    await expect(eva.button("masquer l’original")).to_be_focused()
    await eva.button("Originaux").click()
    await expect(original).to_have_text(["See you later", "Good evening"])
    await eva.button("Originaux").click()

    await expect(original).to_have_count(0)
    await expect(eva.words).to_have_text(["À plus tard", "Bonsoir"])


async def test_what_nobody_could_translate_is_shown_as_it_was_written_and_says_so(room: Chat) -> None:
    mia, jonas, eva = await three(room)

    await mia.say(NOT_IN_THE_GLOSSARY)

    await expect(jonas.line(NOT_IN_THE_GLOSSARY)).to_contain_text("nicht übersetzt: dieser Satz ist nicht bekannt")
    await expect(eva.line(NOT_IN_THE_GLOSSARY)).to_contain_text("non traduit : cette phrase n’est pas connue")
    await expect(eva.words).to_have_attribute("lang", "en")
    await expect(mia.line(NOT_IN_THE_GLOSSARY)).not_to_contain_text("not translated")


async def test_a_translation_that_failed_can_be_asked_for_again(moody_room: Chat) -> None:
    mia, _, eva = await three(moody_room)
    await mia.say("See you later")
    line = eva.line("See you later")
    await expect(line).to_contain_text("non traduit : le traducteur est injoignable")

    await line.get_by_role("button", name="Réessayer").click()

    await expect(eva.words).to_have_text(["À plus tard"])
    await expect(eva.log).not_to_contain_text("non traduit")


async def test_the_page_itself_speaks_the_language_that_is_chosen(room: Chat) -> None:
    eva = await visit(room)

    await eva.choose("Cześć")
    await expect(eva.page.get_by_role("heading", name="Wejdź, usiądź")).to_be_visible()
    await expect(eva.page.locator("html")).to_have_attribute("lang", "pl")
    await eva.knock("", "Bonjour")
    await expect(eva.page.get_by_role("alert").filter(has_text="Indiquez d’abord un nom.")).to_be_visible()
    await eva.join("Eva", "Bonjour")

    await expect(eva.status).to_contain_text("Connecté : Eva")
    await expect(eva.page.get_by_role("textbox", name="Votre message")).to_be_focused()
    await expect(eva.page.get_by_role("log", name="Messages")).to_contain_text("Personne n’a encore rien dit")


async def test_another_language_shows_the_past_and_what_comes_in_it(room: Chat) -> None:
    mia, jonas, eva = await three(room)
    await mia.say("See you later")
    await expect(eva.words).to_have_text(["À plus tard"])

    await eva.page.get_by_label("Je lis").select_option("Español")
    await expect(eva.words).to_have_text(["Hasta luego"])
    await jonas.say("Guten Abend")

    await expect(eva.words).to_have_text(["Hasta luego", "Buenas noches"])
    await expect(eva.log).to_have_attribute("aria-busy", "false")
    await expect(eva.page.locator("html")).to_have_attribute("lang", "es")
    table = mia.people.locator(".table").filter(has_text="Español")
    await expect(table).to_contain_text("Eva")
    await expect(mia.people).not_to_contain_text("Français")


async def test_who_comes_later_reads_the_past_in_their_language(room: Chat) -> None:
    mia = await visit(room)
    await mia.join("Mia")
    await mia.say("Good evening")
    await expect(mia.words).to_have_text(["Good evening"])

    jonas = await visit(room)
    await jonas.join("Jonas", "Hallo")

    await expect(jonas.words).to_have_text(["Guten Abend"])


async def test_a_name_full_of_markup_is_a_name(room: Chat) -> None:
    name = "<img src=x onerror=\"document.title='owned'\"> <b>Zoë</b> \u202e"
    zoe, jonas = await visit(room), await visit(room)
    await zoe.join(name.strip(" \u202e"))
    await jonas.join("Jonas", "Hallo")

    await zoe.say("<i>hello</i>")

    await expect(jonas.line("<i>hello</i>")).to_contain_text("<b>Zoë</b>")
    await expect(jonas.people).to_contain_text("<b>Zoë</b>")
    for one in (zoe, jonas):
        await expect(one.page.locator("main").locator("img, b, i")).to_have_count(0)
        await expect(one.page).to_have_title("Common tongue")


async def test_a_token_the_service_does_not_take_is_told_in_words(room: Chat) -> None:
    eva = await visit(room)

    async def forge(route: Route) -> None:
        access = await (await route.fetch()).json()
        await route.fulfill(json={"url": access["url"] + "forged"})

    await eva.page.route("**/negotiate?*", forge)
    await eva.knock("Eva", "Bonjour")

    await expect(eva.page.get_by_role("alert").filter(has_text="did not let you in")).to_be_visible()
    await expect(eva.status).to_contain_text("Non connecté")
    await eva.page.unroute("**/negotiate?*")
    await eva.join("Eva", "Bonjour")


async def test_who_was_away_misses_nothing(room: Chat) -> None:
    mia, _, eva = await three(room)
    await mia.say("See you later")
    await expect(eva.words).to_have_count(1)
    await eva.page.route("**/negotiate?*", lambda route: route.abort())
    async with service_client(room) as service:
        await service.close_user_connections("Eva")
    notice = eva.page.get_by_text("Nouvel essai dans")
    await expect(notice).to_be_visible()

    await mia.say("Good evening")
    await mia.say("Good night")
    await expect(mia.words).to_have_count(3)
    await eva.page.unroute("**/negotiate?*")
    await eva.hurry_back()

    await expect(eva.words).to_have_text(["À plus tard", "Bonsoir", "Bonne nuit"])
    await expect(notice).to_be_hidden()


async def test_what_was_on_its_way_as_the_connection_broke_is_said_once_when_it_is_back(room: Chat) -> None:
    mia, _, eva = await three(room)
    room.service.chaos.add("close 1011 user=Eva times=1")

    await eva.say("Bonne nuit")
    await expect(mia.words).to_have_text(["Good night"])
    await mia.say("See you later")

    await expect(eva.words).to_have_text(["Bonne nuit", "À plus tard"])
    await expect(mia.words).to_have_count(2)


async def test_what_is_written_without_a_connection_stays_until_there_is_one(room: Chat) -> None:
    mia, _, eva = await three(room)
    await room.stop_service()
    await expect(eva.status).to_contain_text("Reconnexion")

    await eva.say("Bonne nuit")
    await expect(eva.page.get_by_role("alert").filter(has_text="Vous n’êtes pas connecté")).to_be_visible()
    await room.start_service()
    for one in (eva, mia):
        await one.hurry_back()
    await expect(eva.status).to_contain_text("Connecté")
    await expect(eva.page.locator("#message")).to_have_value("Bonne nuit")
    await eva.page.locator("#message").press("Enter")

    await expect(mia.words).to_have_text(["Good night"])


async def test_a_line_that_was_lost_on_its_way_is_fetched(room: Chat) -> None:
    mia, _, eva = await three(room)
    room.service.chaos.add(f"drop hub={HUB} group=lines.fr times=1")

    await mia.say("See you later")
    await expect(mia.words).to_have_count(1)
    await mia.say("Good evening")

    await expect(eva.words).to_have_text(["À plus tard", "Bonsoir"])


async def test_five_hundred_lines_at_once_arrive_in_order_beside_a_raw_client(room: Chat) -> None:
    eva = await visit(room)
    await eva.join("Eva", "Bonjour")
    url = f"{room.service.endpoint}/client/hubs/{HUB}?id=crane&lang=en"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as crane:
        await expect(eva.people).to_contain_text("crane")
        for number in range(500):
            await crane.send_str(f"container {number}")
        await expect(eva.line("container 499")).to_be_in_viewport()
        await eva.say("Bonsoir")
        async with asyncio.timeout(20):
            heard = [await crane.receive_json() for _ in range(501)]

    containers = [f"container {number}" for number in range(500)]
    await expect(eva.words).to_have_text([*containers, "Bonsoir"])
    assert heard[:-1] == [{"from": "crane", "message": container} for container in containers]
    assert heard[-1] == {"from": "Eva", "message": "Good evening"}


async def test_older_lines_are_shown_when_asked_for(room: Chat) -> None:
    url = f"{room.service.endpoint}/client/hubs/{HUB}?id=crane&lang=en"
    mia = await visit(room)
    await mia.join("Mia")
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as crane:
        for number in range(1, 71):
            await crane.send_str(f"container {number:02}")
        await expect(mia.line("container 70")).to_be_visible()
    jonas = await visit(room)
    await jonas.join("Jonas", "Hallo")
    await expect(jonas.words).to_have_count(50)

    await jonas.button("Frühere Nachrichten zeigen").click()

    await expect(jonas.words).to_have_count(70)
    await expect(jonas.words.first).to_have_text("container 01")
    await expect(jonas.button("Frühere Nachrichten zeigen")).to_be_hidden()


async def test_nothing_is_wider_than_a_narrow_screen(room: Chat) -> None:
    eva = await visit(room, width=360)
    assert await eva.page.evaluate("document.documentElement.scrollWidth") <= 360
    await eva.join("Eva" * 20, "Bonjour")

    await eva.say("Donaudampfschifffahrtsgesellschaft" * 10)

    await expect(eva.words).to_have_count(1)
    for button in ("Envoyer", "Originaux", "Quitter"):
        await expect(eva.button(button)).to_be_in_viewport(ratio=1)
    assert await eva.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await eva.log.evaluate("log => log.scrollWidth <= log.clientWidth")


async def test_a_message_over_the_limit_stays_in_the_composer(room: Chat) -> None:
    eva = await visit(room)
    await eva.join("Eva", "Bonjour")

    await eva.say("é" * 4_001)

    await expect(eva.page.get_by_role("alert").filter(has_text="4001")).to_be_visible()
    await expect(eva.page.locator("#message")).to_have_value("é" * 4_001)
    await expect(eva.lines).to_have_count(0)
