"""What people see of each other, and of their own messages."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from playwright.async_api import expect

from tests.browser.conftest import Chat, Visitor

AT_THE_END = """() => {
  const log = document.getElementById("log");
  return log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2;
}"""
MARKUP = "<img src=x onerror=\"document.title='owned'\"> <b>bold</b> &amp;"


async def read_back(visitor: Visitor) -> None:
    """To the beginning of what is there, once the page has followed to the end."""
    await visitor.page.wait_for_function(AT_THE_END)
    await visitor.log.focus()
    await visitor.page.keyboard.press("Home")


async def test_two_people_talk_to_each_other(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await expect(mia.line("jonas joined")).to_be_visible()

    await mia.say("hi from mia")
    await jonas.say("hello from jonas")

    await expect(jonas.line("hi from mia")).to_contain_text("mia")
    await expect(mia.line("hello from jonas")).to_contain_text("jonas")


async def test_an_own_message_is_shown_once_and_becomes_sent(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")

    await mia.say("once")
    await mia.say("once")
    await mia.say("the last")

    await expect(jonas.line("the last")).to_be_visible()
    await expect(mia.line("the last")).to_contain_text("Sent")
    await expect(mia.words).to_have_text(["once", "once", "the last"])


async def test_another_tab_of_the_same_person_shows_what_the_first_one_said(chat: Chat) -> None:
    one, other = await chat.visit(), await chat.visit()
    await one.join("mia")
    await other.join("mia")

    await one.say("from the first tab")

    await expect(other.line("from the first tab")).to_contain_text("You")
    await expect(other.line("from the first tab")).to_have_count(1)


async def test_who_comes_later_reads_what_was_said_before(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await mia.say("first")
    await mia.say("second")
    await expect(mia.line("second")).to_contain_text("Sent")

    jonas = await chat.visit()
    await jonas.join("jonas")

    await expect(jonas.words).to_have_text(["first", "second"])
    await expect(jonas.button("Show earlier messages")).to_be_hidden()


async def test_more_of_the_past_is_shown_when_asked_for(chat: Chat) -> None:
    texts = [f"message {number}" for number in range(120)]
    await chat.say_as("mia", "lobby", *texts)
    jonas = await chat.visit()
    await jonas.join("jonas")
    await expect(jonas.words).to_have_text(texts[-50:])

    await jonas.button("Show earlier messages").click()
    await expect(jonas.words).to_have_text(texts[-100:])
    await expect(jonas.line("message 70")).to_be_in_viewport()
    await jonas.button("Show earlier messages").click()

    await expect(jonas.words).to_have_text(texts)
    await expect(jonas.button("Show earlier messages")).to_be_hidden()


async def test_markup_is_shown_as_the_text_it_is(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("<i>Zoë</i>")
    await jonas.join("jonas")

    await mia.say(MARKUP)
    await mia.composer.press_sequentially("<u>more</u>")

    for visitor in (mia, jonas):
        await expect(visitor.line(MARKUP)).to_be_visible()
        await expect(visitor.people.filter(has_text="<i>Zoë</i>")).to_be_visible()
        await expect(visitor.page.locator("#chat-view :is(b, i, u)")).to_have_count(0)
        await expect(visitor.lines.locator("img")).to_have_count(0)
        await expect(visitor.page).to_have_title("Common room")
    await expect(jonas.line(MARKUP)).to_contain_text("<i>Zoë</i>")
    await expect(jonas.page.get_by_text("<i>Zoë</i> is writing…")).to_be_visible()


async def test_links_are_text(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")

    await mia.say("https://example.com/dock/3")

    await expect(mia.line("https://example.com/dock/3")).to_contain_text("Sent")
    await expect(mia.lines.get_by_role("link")).to_have_count(0)


async def test_a_message_the_hub_refuses_can_be_sent_again(guarded_chat: Chat) -> None:
    mia = await guarded_chat.visit()
    await mia.join("mia")

    await mia.say("let this through")
    await expect(mia.line("let this through")).to_contain_text("Not delivered")
    await mia.button("Retry").click()

    await expect(mia.line("let this through")).to_contain_text("Sent")
    await expect(mia.line("let this through")).to_have_count(1)


async def test_a_message_over_the_limit_stays_in_the_composer(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")

    await mia.say("é" * 4_001)
    await expect(mia.alert("4,001 letters")).to_be_visible()
    await expect(mia.composer).to_have_value("é" * 4_001)
    await expect(mia.words).to_have_count(0)
    await mia.say("😀" * 4_000)

    await expect(mia.line("😀")).to_contain_text("Sent")


async def test_the_keyboard_is_enough(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.page.keyboard.type("mia")
    await mia.page.keyboard.press("Enter")
    await expect(mia.composer).to_be_focused()

    await mia.page.keyboard.type("one")
    await mia.page.keyboard.press("Shift+Enter")
    await mia.page.keyboard.type("two")
    await mia.page.keyboard.press("Enter")
    await expect(mia.page.get_by_text("one\ntwo", exact=True)).to_be_visible()
    await expect(mia.composer).to_have_value("")

    await mia.page.keyboard.press("Escape")
    await expect(mia.log).to_be_focused()


async def test_who_writes_is_shown_until_it_is_said(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    writing = jonas.page.get_by_text("mia is writing…")

    await mia.composer.press_sequentially("well, ")
    await expect(writing).to_be_visible()
    await expect(mia.page.get_by_text("is writing…")).to_be_hidden()
    await mia.composer.press("Enter")

    await expect(jonas.line("well,")).to_be_visible()
    await expect(writing).to_be_hidden()


async def test_a_reader_who_scrolled_up_stays_there_and_is_told_of_news(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await jonas.say("a wall of text\n" * 60)
    await expect(mia.line("a wall of text")).to_be_visible()
    await read_back(mia)
    first = mia.line("jonas joined")
    await expect(first).to_be_in_viewport()

    await jonas.say("news")
    news = mia.button("1 new message")
    await expect(news).to_be_visible()
    await expect(first).to_be_in_viewport()
    await news.click()

    await expect(mia.line("news")).to_be_in_viewport()
    await expect(news).to_be_hidden()


async def test_nothing_is_wider_than_a_narrow_screen(chat: Chat) -> None:
    mia = await chat.visit(width=360)
    await mia.join("Donaudampfschifffahrtsgesellschaftskapitänswitwe, the long name")

    await mia.say("Donaudampfschifffahrtsgesellschaft" * 10)

    await expect(mia.line("Donau")).to_contain_text("Sent")
    await expect(mia.button("Send")).to_be_in_viewport(ratio=1)
    assert await mia.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await mia.log.evaluate("log => log.scrollWidth <= log.clientWidth")


async def test_a_message_that_comes_twice_is_shown_once_and_missed_once(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await mia.look_away()
    said: dict[str, object] = {"id": "m-1", "number": 1, "from": "jonas", "message": "hi from jonas"}

    await chat.send(said, said, said | {"id": "m-2", "number": 2, "message": "the last"})

    await expect(mia.line("the last")).to_be_visible()
    await expect(mia.line("hi from jonas")).to_have_count(1)
    await expect(mia.page).to_have_title("(2) Common room")


async def test_only_an_id_or_a_number_makes_a_repeat(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    same: dict[str, object] = {"from": "jonas", "message": "the same"}

    await chat.send(same, same, same | {"id": None}, same | {"id": None}, same | {"id": ""}, same | {"id": ""})
    await chat.send(same | {"id": 1}, same | {"id": 1}, same | {"number": 1}, same | {"number": 1, "id": 3})
    await chat.send(same | {"id": 2, "message": "the last"})

    await expect(mia.line("the last")).to_be_visible()
    await expect(mia.line("the same")).to_have_count(8)


async def test_a_repeat_does_not_count_as_unread(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await chat.send({"id": "wall", "from": "jonas", "message": "a wall of text\n" * 60})
    await expect(mia.line("a wall of text")).to_be_visible()
    await read_back(mia)
    await expect(mia.log).to_have_js_property("scrollTop", 0)
    said = {"id": "m-1", "from": "jonas", "message": "news"}

    await chat.send(said, said, said | {"id": "m-2", "message": "the last"})

    await expect(mia.button("2 new messages")).to_be_visible()


async def test_the_copy_of_an_own_message_is_not_missed(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await expect(mia.line("jonas joined")).to_be_visible()
    await mia.look_away()

    await mia.say("my own")
    await expect(mia.line("my own")).to_contain_text("Sent")
    await jonas.say("the last")

    await expect(mia.line("the last")).to_be_visible()
    await expect(mia.page).to_have_title("(1) Common room")


async def test_days_are_set_apart(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    now = datetime.now(UTC)
    days = [now - timedelta(days=400), now - timedelta(days=1), now]

    await chat.send(
        *({"id": f"d-{day}", "at": at.timestamp(), "from": "jonas", "message": "hi"} for day, at in enumerate(days))
    )

    await expect(mia.words).to_have_count(3)
    dividers = mia.log.locator(".day")
    await expect(dividers).to_have_count(3)
    await expect(dividers.first).to_contain_text(str(days[0].year))
    await expect(dividers.nth(1)).to_have_text("Yesterday")
    await expect(dividers.nth(2)).to_have_text("Today")


async def test_whatever_a_service_client_sends_is_shown_or_ignored_but_breaks_nothing(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    odd: list[dict[str, object]] = [
        {"from": ["a"], "message": {"b": 1}, "at": 1e300, "number": -1},
        {"type": "message", "at": "now", "number": "first"},
        {"type": "room", "members": "many", "lines": 7, "number": None},
        {"type": "presence"},
        {"type": "error", "key": 3},
        {"type": "no such type"},
        {"type": "__proto__", "room": "__proto__", "message": "x"},
        # What no text can be made of.
        {"from": {"toString": 1, "valueOf": 1}, "message": {"toString": None, "valueOf": None}},
        {"type": "presence", "user": {"toString": 1, "valueOf": 1}, "in": True},
    ]

    await chat.send(*odd)
    await chat.send({"from": "jonas", "message": "the last"})

    await expect(mia.line("the last")).to_be_visible()
    await mia.say("still works")
    await expect(mia.line("still works")).to_contain_text("Sent")


async def test_tab_reaches_everything_and_shows_where_it_is(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await expect(mia.people).to_have_count(2)
    await mia.button("Leave").focus()

    stops = []
    for _ in range(8):
        await mia.page.keyboard.press("Tab")
        stops.append(await mia.page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        outline = await mia.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"nothing shows the focus at {stops[-1]}"

    wanted = ["room-name", "log", "message", "Send"]
    assert [stop for stop in stops if stop in wanted] == wanted
    assert all(one != other for one, other in pairwise(stops))
