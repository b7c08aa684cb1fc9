"""What people see of each other, and of their own messages."""

from playwright.async_api import expect

from tests.browser.conftest import Chat

AT_THE_END = """() => {
  const log = document.getElementById("log");
  return log.scrollTop > 0 && log.scrollHeight - log.scrollTop - log.clientHeight < 2;
}"""


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
    await expect(mia.line("once")).to_have_count(2)
    await expect(mia.line("the last")).to_have_count(1)


async def test_markup_is_shown_as_the_text_it_is(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("<i>Zoë</i>")
    await jonas.join("jonas")
    markup = "<img src=x onerror=\"document.title='owned'\"> <b>bold</b> &amp;"

    await mia.say(markup)

    for visitor in (mia, jonas):
        await expect(visitor.line(markup)).to_be_visible()
        await expect(visitor.lines.locator("img, b, i")).to_have_count(0)
        await expect(visitor.page).to_have_title("Common room")
    await expect(jonas.line(markup)).to_contain_text("<i>Zoë</i>")


async def test_a_message_the_hub_refuses_can_be_sent_again(guarded_chat: Chat) -> None:
    mia = await guarded_chat.visit()
    await mia.join("mia")

    await mia.say("let this through")
    await expect(mia.line("let this through")).to_contain_text("Not delivered")
    await mia.page.get_by_role("button", name="Retry").click()

    await expect(mia.line("let this through")).to_contain_text("Sent")
    await expect(mia.line("let this through")).to_have_count(1)


async def test_a_message_over_the_limit_stays_in_the_composer(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")

    await mia.say("é" * 33_000)

    await expect(mia.page.get_by_role("alert").filter(has_text="64 KiB")).to_be_visible()
    await expect(mia.composer).to_have_value("é" * 33_000)
    await expect(mia.line("é")).to_have_count(0)


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
    await expect(mia.page.get_by_role("log")).to_be_focused()


async def test_a_reader_who_scrolled_up_stays_there_and_is_told_of_news(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await jonas.say("a wall of text\n" * 60)
    await expect(mia.line("a wall of text")).to_be_visible()
    await mia.page.wait_for_function(AT_THE_END)
    log = mia.page.get_by_role("log")
    await log.focus()
    await mia.page.keyboard.press("Home")
    first = mia.line("jonas joined")
    await expect(first).to_be_in_viewport()

    await jonas.say("news")
    news = mia.page.get_by_role("button", name="1 new message")
    await expect(news).to_be_visible()
    await expect(first).to_be_in_viewport()
    await news.click()

    await expect(mia.line("news")).to_be_in_viewport()
    await expect(news).to_be_hidden()


async def test_nothing_is_wider_than_a_narrow_screen(chat: Chat) -> None:
    mia = await chat.visit(width=360)
    await mia.join("mia")

    await mia.say("Donaudampfschifffahrtsgesellschaft" * 10)

    await expect(mia.line("Donau")).to_contain_text("Sent")
    assert await mia.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await mia.page.get_by_role("log").evaluate("log => log.scrollWidth <= log.clientWidth")


async def test_a_message_that_comes_twice_is_shown_once_and_missed_once(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await expect(mia.line("mia joined")).to_be_visible()
    await mia.look_away()
    said = {"id": "m-1", "from": "jonas", "message": "hi from jonas"}
    announced = {"id": "s-1", "type": "system", "message": "jonas left"}

    await chat.send(said, said, announced, announced, said | {"id": "m-2", "message": "the last"})

    await expect(mia.line("the last")).to_be_visible()
    await expect(mia.line("hi from jonas")).to_have_count(1)
    await expect(mia.line("jonas left")).to_have_count(1)
    await expect(mia.page).to_have_title("(3) Common room")


async def test_only_an_id_makes_a_repeat(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    same: dict[str, object] = {"from": "jonas", "message": "the same"}

    await chat.send(same, same, same | {"id": None}, same | {"id": None}, same | {"id": ""}, same | {"id": ""})
    await chat.send(same | {"id": 1}, same | {"id": 1}, same | {"id": 2, "message": "the last"})

    await expect(mia.line("the last")).to_be_visible()
    await expect(mia.line("the same")).to_have_count(7)


async def test_a_repeat_does_not_count_as_unread(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await chat.send({"id": "wall", "from": "jonas", "message": "a wall of text\n" * 60})
    await expect(mia.line("a wall of text")).to_be_visible()
    await mia.page.wait_for_function(AT_THE_END)  # or the page would go there after the key
    await mia.page.get_by_role("log").focus()
    await mia.page.keyboard.press("Home")
    await expect(mia.line("mia joined")).to_be_in_viewport()
    said = {"id": "m-1", "from": "jonas", "message": "news"}

    await chat.send(said, said, {"id": "m-2", "type": "system", "message": "the last"})

    await expect(mia.page.get_by_role("button", name="2 new messages")).to_be_visible()


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
