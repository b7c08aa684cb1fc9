"""Rooms, private conversations, and who is there."""

import re

from playwright.async_api import expect

from tests.browser.conftest import Chat, Visitor


async def badge(visitor: Visitor, name: str, count: int) -> None:
    await expect(visitor.room(name)).to_contain_text(f"{count} unread")


async def test_what_is_said_in_a_room_stays_in_the_room(chat: Chat) -> None:
    mia, jonas, zoe = await chat.visit(), await chat.visit(), await chat.visit()
    for visitor, name in ((mia, "mia"), (jonas, "jonas"), (zoe, "zoe")):
        await visitor.join(name)
    await mia.enter("tea")
    await jonas.enter("tea")

    await mia.say("kettle is on")
    await expect(jonas.line("kettle is on")).to_be_visible()
    await zoe.say("in the lobby")
    await expect(zoe.line("in the lobby")).to_contain_text("Sent")

    await expect(zoe.words).to_have_text(["in the lobby"])
    await expect(jonas.words).to_have_text(["kettle is on"])
    await badge(jonas, "lobby", 1)
    await jonas.open("lobby")
    await expect(jonas.words).to_have_text(["in the lobby"])
    await expect(jonas.room("lobby")).not_to_contain_text("unread")


async def test_unread_messages_are_counted_and_marked(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await jonas.say("read")
    await expect(mia.line("read")).to_be_visible()
    await mia.enter("tea")

    await jonas.say("unread")
    await jonas.say("unread, too")
    await badge(mia, "lobby", 2)
    await expect(mia.page).to_have_title("(2) Common room")
    await mia.open("lobby")

    await expect(mia.page).to_have_title("Common room")
    texts = await mia.lines.locator(".words").all_text_contents()
    assert texts == ["read", "unread", "unread, too"]
    await expect(mia.log.locator(".mark + .line")).to_contain_text("unread")
    await mia.open("tea")
    await mia.open("lobby")
    await expect(mia.log.locator(".mark")).to_have_count(0)


async def test_rooms_show_how_many_are_in_them_and_can_be_joined_from_the_list(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await mia.enter("tea")
    await expect(jonas.room("tea")).to_contain_text("1 person")

    await jonas.room("tea").get_by_role("button").click()

    await expect(jonas.title).to_have_text("tea")
    await expect(jonas.people).to_have_count(2)
    for visitor in (mia, jonas):
        await expect(visitor.room("tea")).to_contain_text("2 people")
        await expect(visitor.page.get_by_role("list", name="Your rooms").get_by_role("listitem")).to_have_count(2)


async def test_a_room_that_is_left_says_nothing_more(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await mia.enter("tea")
    await jonas.enter("tea")
    await expect(mia.people).to_have_count(2)

    await jonas.room("tea").hover()
    await jonas.button("Leave tea").click()

    await expect(jonas.title).to_have_text("lobby")
    await expect(mia.line("jonas left")).to_be_visible()
    await expect(mia.people).to_have_count(1)
    await mia.say("nobody hears this")
    await mia.open("lobby")
    await mia.say("everybody hears this")
    await expect(jonas.line("everybody hears this")).to_be_visible()
    await expect(jonas.room("tea")).not_to_contain_text("unread")


async def test_who_left_every_room_finds_the_way_back(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")

    await mia.room("lobby").hover()
    await mia.button("Leave lobby").click()
    await expect(mia.page.get_by_text("You are in no room")).to_be_visible()
    await expect(mia.composer).to_be_hidden()
    await mia.enter("lobby")
    await mia.say("back")

    await expect(mia.line("back")).to_contain_text("Sent")


async def test_rooms_are_remembered_when_the_page_is_loaded_again(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await mia.enter("tea")
    await mia.say("kettle is on")
    await expect(mia.line("kettle is on")).to_contain_text("Sent")

    await mia.page.reload()
    await mia.join("mia")

    await expect(mia.title).to_have_text("tea")
    await expect(mia.words).to_have_text(["kettle is on"])
    await expect(mia.room("lobby")).to_be_visible()


async def test_an_address_leads_to_a_room(chat: Chat) -> None:
    mia = await chat.visit("/chat#Caf%C3%A9")

    await mia.join("mia")

    await expect(mia.title).to_have_text("Café")
    await mia.page.evaluate("location.hash = '#tea'")
    await expect(mia.title).to_have_text("tea")


async def test_rooms_of_any_script_work(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")

    for name in ("Café-Grün_3", "日本", "7", "עברית", "x" * 64):
        for visitor in (mia, jonas):
            await visitor.enter(name)
        await mia.say(f"this is {name}")
        await expect(jonas.line(f"this is {name}")).to_be_visible()

    await mia.page.set_viewport_size({"width": 360, "height": 700})
    assert await mia.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_what_is_no_room_name_is_refused_in_words(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    field = mia.page.get_by_label("Join or open a room")

    for name in ("tea party", "<b>tea</b>", "-tea", "..", "x" * 65, "tea\u202e"):
        await field.fill(name)
        await expect(mia.alert("room's name")).to_be_hidden()
        await mia.button("Go").click()
        await expect(mia.alert("room's name")).to_be_visible()
        await expect(field).to_have_value(name)

    await expect(mia.title).to_have_text("lobby")


async def test_a_person_at_several_tabs_is_one(chat: Chat) -> None:
    jonas, one, other = await chat.visit(), await chat.visit(), await chat.visit()
    await jonas.join("jonas")
    await one.join("mia")
    await other.join("mia")
    await expect(jonas.people).to_have_text([re.compile("jonas.*you"), re.compile("mia")])

    await one.page.close()
    await other.say("still here")
    await expect(jonas.line("still here")).to_be_visible()
    await expect(jonas.people).to_have_count(2)
    await other.page.close()

    await expect(jonas.people).to_have_count(1)
    await expect(jonas.line("mia joined")).to_have_count(1)
    await expect(jonas.line("mia left")).to_have_count(1)


async def test_a_private_conversation_is_between_two(chat: Chat) -> None:
    mia, jonas, zoe = await chat.visit(), await chat.visit(), await chat.visit()
    for visitor, name in ((zoe, "zoe"), (jonas, "jonas"), (mia, "mia")):
        await visitor.join(name)

    await mia.write_to("jonas")
    await mia.say("just for you")
    await badge(jonas, "mia", 1)
    await jonas.open("mia")
    await jonas.say("thank you")

    await expect(mia.words).to_have_text(["just for you", "thank you"])
    await expect(mia.line("just for you")).to_contain_text("Sent")
    await expect(jonas.words).to_have_text(["just for you", "thank you"])
    await jonas.open("lobby")
    await jonas.say("for everybody")
    await expect(zoe.words).to_have_text(["for everybody"])
    await expect(zoe.page.get_by_role("list", name="In private")).to_be_hidden()
    await expect(zoe.rooms.get_by_role("listitem")).to_have_count(1)


async def test_private_messages_come_to_every_tab_of_both(chat: Chat) -> None:
    one, other, jonas = await chat.visit(), await chat.visit(), await chat.visit()
    await jonas.join("jonas")
    await one.join("mia")
    await other.join("mia")

    await one.write_to("jonas")
    await one.say("just for you")
    await expect(jonas.room("mia")).to_be_visible()

    await other.open("jonas")
    await expect(other.line("just for you")).to_contain_text("You")


async def test_a_private_message_to_somebody_who_went_is_not_delivered(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await jonas.join("jonas")
    await mia.join("mia")
    await mia.write_to("jonas")
    await jonas.page.close()
    await mia.open("lobby")
    await expect(mia.people).to_have_count(1)
    await mia.open("jonas")

    await mia.say("are you there?")

    await expect(mia.line("are you there?")).to_contain_text("Not delivered: jonas is not here.")


async def test_what_is_written_stays_with_its_conversation(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await mia.composer.fill("not sent yet")

    await mia.enter("tea")
    await expect(mia.composer).to_have_value("")
    await mia.open("lobby")

    await expect(mia.composer).to_have_value("not sent yet")


async def test_on_a_narrow_screen_the_lists_are_drawers_for_the_keyboard_too(chat: Chat) -> None:
    mia, jonas = await chat.visit(width=360), await chat.visit(width=360)
    await mia.join("mia")
    await jonas.join("jonas")
    rooms_button = mia.page.get_by_role("button", name=re.compile("^Rooms"))
    people_button = mia.button("2 people here")
    await expect(mia.rooms).to_be_hidden()

    await rooms_button.focus()
    await mia.page.keyboard.press("Enter")
    await expect(mia.rooms).to_be_visible()
    await expect(mia.button("Close the list of rooms")).to_be_focused()
    await mia.page.keyboard.press("Escape")
    await expect(mia.rooms).to_be_hidden()
    await expect(rooms_button).to_be_focused()

    await people_button.click()
    await mia.people.get_by_role("button", name="jonas").click()
    await expect(mia.people.first).to_be_hidden()
    await expect(mia.title).to_have_text("jonas")
    await expect(mia.composer).to_be_focused()
    assert await mia.page.evaluate("document.documentElement.scrollWidth") <= 360


async def test_a_drawer_that_turns_into_a_column_leaves_nothing_locked(chat: Chat) -> None:
    mia = await chat.visit(width=360)
    await mia.join("mia")
    await mia.page.get_by_role("button", name=re.compile("^Rooms")).click()

    await mia.page.set_viewport_size({"width": 1200, "height": 700})

    await mia.say("hi")
    await expect(mia.line("hi")).to_contain_text("Sent")
