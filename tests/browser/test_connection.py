"""Getting in, being turned away, losing the connection and coming back."""

from datetime import UTC, datetime, timedelta

from playwright.async_api import Route, expect

from tests.browser.conftest import Chat


async def test_a_name_is_asked_for(chat: Chat) -> None:
    visitor = await chat.visit()

    await visitor.knock("   ")

    await expect(visitor.alert("enter a name")).to_be_visible()
    await expect(visitor.page.get_by_label("Your name")).to_be_focused()


async def test_without_a_token_the_server_decides_who_it_is(chat: Chat) -> None:
    mia, guest = await chat.visit("/chat/direct"), await chat.visit("/chat/direct")

    await mia.join("mia")
    await guest.knock("")
    await expect(guest.state).to_contain_text("Connected as guest-")
    await guest.say("who am I?")

    await expect(mia.line("who am I?")).to_contain_text("guest-")
    await expect(guest.line("who am I?")).to_have_count(1)


async def test_a_refusal_is_told_in_words_and_not_repeated(guarded_chat: Chat) -> None:
    for path in ("/chat", "/chat/direct"):
        mallory = await guarded_chat.visit(path)

        await mallory.knock("mallory")

        await expect(mallory.alert("did not let you in")).to_be_visible()
        await expect(mallory.button("Join")).to_be_enabled()
        await expect(mallory.page.get_by_label("Your name")).to_have_value("mallory")


async def test_a_token_the_service_does_not_take_is_an_end_and_no_loop(chat: Chat) -> None:
    mia = await chat.newcomer()
    asked = 0

    async def forge(route: Route) -> None:
        nonlocal asked
        asked += 1
        access = await (await route.fetch()).json()
        await route.fulfill(json={"url": access["url"] + "forged"})

    await mia.page.route("**/negotiate?*", forge)
    await mia.page.clock.install()
    await mia.page.goto(f"{chat.url}/chat")

    await mia.knock("mia")
    await expect(mia.alert("The server did not let you in")).to_be_visible()
    await expect(mia.button("Join")).to_be_enabled()
    await mia.page.clock.fast_forward("05:00")

    await expect(mia.state).to_contain_text("Closed")
    assert asked == 1


async def test_who_was_refused_may_try_another_name(guarded_chat: Chat) -> None:
    visitor = await guarded_chat.visit("/chat/direct")
    await visitor.knock("mallory")
    await expect(visitor.alert("did not let you in")).to_be_visible()

    await visitor.join("mia")

    await expect(visitor.composer).to_be_focused()


async def test_a_closed_connection_comes_back_and_works(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit("/chat/direct")
    await mia.join("mia")
    await jonas.join("jonas")

    await chat.close_all("moving house")
    for visitor, name in ((mia, "mia"), (jonas, "jonas")):
        # Read where it was shown: the notice is gone again once the connection is back.
        await expect(visitor.page.locator("#notice-reason")).to_contain_text("moving house")
        await expect(visitor.state).to_contain_text(f"Connected as {name}")

    await mia.say("back again")
    await expect(jonas.line("back again")).to_be_visible()
    await expect(mia.line("back again")).to_contain_text("Sent")


async def test_a_lost_connection_says_why_and_can_be_tried_at_once(chat: Chat) -> None:
    mia = await chat.visit()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    await mia.page.clock.install(time=start)
    await mia.page.clock.pause_at(start + timedelta(seconds=1))
    await mia.knock("mia")
    await expect(mia.state).to_contain_text("Connected as mia")

    await chat.close_all("moving house")
    await expect(mia.state).to_contain_text("Reconnecting")
    await expect(mia.page.get_by_text("Close code 1000.")).to_be_visible()
    await expect(mia.page.get_by_text("Reconnecting in 1 s")).to_be_visible()
    await mia.say("for later")
    await expect(mia.alert("not connected")).to_be_visible()
    await expect(mia.composer).to_have_value("for later")

    await mia.button("Try now").click()
    await expect(mia.state).to_contain_text("Connected as mia")
    await mia.page.clock.resume()
    await mia.composer.press("Enter")
    await expect(mia.line("for later")).to_contain_text("Sent")


async def test_who_leaves_is_gone_for_the_others_and_stays_away(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")

    await mia.button("Leave").click()

    await expect(jonas.line("mia left")).to_be_visible()
    await expect(mia.state).to_contain_text("Not connected")
    await expect(mia.page.get_by_text("You left the room.")).to_be_visible()
    await expect(mia.log).to_be_hidden()
    await mia.join("mia")
    await expect(jonas.line("mia joined")).to_be_visible()


async def test_the_two_doors_lead_to_each_other(chat: Chat) -> None:
    visitor = await chat.visit()

    await visitor.page.get_by_role("link", name="Connect without a token instead").click()
    await expect(visitor.page.get_by_role("heading", name="The side door")).to_be_visible()
    await visitor.page.get_by_role("link", name="Use a signed address instead").click()

    await expect(visitor.page.get_by_role("heading", name="Come in, sit down")).to_be_visible()
