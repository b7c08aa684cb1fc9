"""Nothing is missed, nothing is out of order, however it comes."""

import asyncio

from playwright.async_api import Route, WebSocketRoute, expect

from tests.browser.conftest import Chat, Visitor


async def lose_on_the_way(visitor: Visitor, *, to_page: str = "", to_service: str = "") -> None:
    """The first frame with this text in it never arrives."""
    lost = {"page": not to_page, "service": not to_service}

    def connect(client: WebSocketRoute) -> None:
        service = client.connect_to_server()

        def from_page(frame: str | bytes) -> None:
            if not lost["service"] and to_service in str(frame):
                lost["service"] = True
            else:
                service.send(frame)

        def from_service(frame: str | bytes) -> None:
            if not lost["page"] and to_page in str(frame):
                lost["page"] = True
            else:
                client.send(frame)

        client.on_message(from_page)
        service.on_message(from_service)

    await visitor.page.route_web_socket("**/client/hubs/**", connect)


async def test_a_message_lost_on_the_way_is_asked_for(chat: Chat) -> None:
    mia, jonas = await chat.newcomer(), await chat.visit()
    await lose_on_the_way(mia, to_page='"message":"second"')
    await mia.page.goto(f"{chat.url}/chat")
    await mia.join("mia")
    await jonas.join("jonas")

    for text in ("first", "second", "third"):
        await jonas.say(text)

    await expect(mia.words).to_have_text(["first", "second", "third"])
    await expect(mia.log.locator(".gap")).to_have_count(0)


async def test_messages_are_in_the_order_of_their_numbers(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    numbers = [4, 2, 3, 1, 5]

    await chat.send(*({"id": f"m-{n}", "number": n, "from": "jonas", "message": f"number {n}"} for n in numbers))

    await expect(mia.words).to_have_text([f"number {n}" for n in range(1, 6)])
    await expect(mia.log.locator(".gap")).to_have_count(0)


async def test_a_gap_the_server_cannot_fill_is_shown(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    await mia.say("number 1")
    await expect(mia.line("number 1")).to_contain_text("Sent")

    await chat.send({"id": "m-4", "number": 4, "from": "jonas", "message": "number 4"})

    await expect(mia.log.locator(".gap")).to_have_text("2 messages that the server no longer has")
    await chat.send({"id": "m-2", "number": 2, "from": "jonas", "message": "number 2"})
    await expect(mia.words).to_have_text(["number 1", "number 2", "number 4"])
    await expect(mia.log.locator(".gap")).to_have_text("1 message that the server no longer has")


async def test_what_was_said_while_one_was_away_is_there_on_coming_back(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit()
    await mia.join("mia")
    await jonas.join("jonas")
    await mia.enter("tea")
    await jonas.enter("tea")
    await jonas.say("before")
    await expect(mia.line("before")).to_be_visible()
    told = asyncio.Event()

    async def hold(route: Route) -> None:
        await told.wait()
        await route.continue_()

    await mia.page.route("**/negotiate*", hold)

    await chat.stop_service()
    await chat.start_service()
    missed = [f"missed {number}" for number in range(230)]  # more than the server tells at once
    await chat.say_as("zoe", "tea", *missed)
    await chat.say_as("zoe", "lobby", "in the lobby")
    await expect(mia.state).to_contain_text("Reconnecting")
    await expect(mia.words).to_have_text(["before"])
    told.set()

    await expect(mia.words).to_have_text(["before", *missed])
    await expect(mia.room("lobby")).to_contain_text("1 unread")
    await expect(mia.log.locator(".gap")).to_have_count(0)
    await mia.say("back again")
    await expect(mia.line("back again")).to_contain_text("Sent")
    await expect(jonas.words).to_have_text(["before", *missed, "back again"])


async def test_after_a_restart_of_the_service_everybody_is_there_again(chat: Chat) -> None:
    mia, jonas = await chat.visit(), await chat.visit("/chat/direct")
    await mia.join("mia")
    await jonas.join("jonas")
    await expect(mia.people).to_have_count(2)

    await chat.stop_service()
    await expect(mia.state).to_contain_text("Reconnecting")
    await chat.start_service()

    for visitor, name in ((mia, "mia"), (jonas, "jonas")):
        await expect(visitor.state).to_contain_text(f"Connected as {name}")
        await expect(visitor.people).to_have_count(2)
    await jonas.say("all well?")
    await expect(mia.line("all well?")).to_be_visible()


async def test_a_message_the_connection_was_lost_over_is_sent_again_and_said_once(chat: Chat) -> None:
    mia, jonas = await chat.newcomer(), await chat.visit()
    await lose_on_the_way(mia, to_service="lost words", to_page='"message":"heard words"')
    await mia.page.goto(f"{chat.url}/chat")
    await mia.join("mia")
    await jonas.join("jonas")
    await mia.say("lost words")
    await expect(mia.line("lost words")).to_contain_text("Sending")

    await chat.close_all("moving house")

    await expect(mia.line("lost words")).to_contain_text("Sent")
    await expect(jonas.line("lost words")).to_be_visible()
    await mia.say("heard words")
    await jonas.say("the last")
    for visitor in (mia, jonas):
        await expect(visitor.words).to_have_text(["lost words", "heard words", "the last"])


async def test_a_history_that_began_anew_does_not_hide_what_is_new(chat: Chat) -> None:
    mia = await chat.newcomer()
    await mia.page.goto(f"{chat.url}/chat")
    await mia.join("mia")
    # As if the server had known of more before it lost its store.
    await chat.send(*({"id": f"o-{n}", "number": n, "from": "jonas", "message": f"old {n}"} for n in range(1, 4)))
    await expect(mia.words).to_have_count(3)

    await chat.close_all("moving house")
    await expect(mia.state).to_contain_text("Reconnecting")
    await expect(mia.state).to_contain_text("Connected as mia")
    await mia.say("new 1")

    await expect(mia.line("new 1")).to_contain_text("Sent")
    await expect(mia.words).to_have_text(["old 1", "old 2", "old 3", "new 1"])


async def test_a_burst_leaves_the_page_usable_and_nothing_out(chat: Chat) -> None:
    mia = await chat.visit()
    await mia.join("mia")
    lines = [{"id": f"b-{n}", "number": n, "from": "jonas", "message": f"burst {n}"} for n in range(1, 501)]

    async with chat.service_client() as service:

        async def send(line: dict[str, object]) -> None:
            await service.send_to_group(
                "lobby", {"type": "message", "room": "lobby", **line}, content_type="application/json"
            )

        async def burst() -> None:
            await asyncio.gather(*(send(line) for line in lines))

        sending = asyncio.create_task(burst())
        await expect(mia.line("burst").first).to_be_visible()
        await mia.composer.press_sequentially("typed meanwhile")
        await sending

    await expect(mia.composer).to_have_value("typed meanwhile")
    await expect(mia.words).to_have_text([f"burst {n}" for n in range(1, 501)])
    await expect(mia.words.last).to_be_in_viewport()
    await expect(mia.log.locator(".gap")).to_have_count(0)
