"""The console of the local service: causes, filters, commands, and a feed that comes back."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, expect

from localpubsub.protocol.messages import (
    DataType,
    Frame,
    JoinGroup,
    Message,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from localpubsub.protocol.protobuf_codec import decode_frame
from localpubsub.protocol.protobuf_frames import encode_ack, encode_connected, encode_message, with_sequence_id
from tests.browser.console_stub import NOW_MS, ConsoleStub, connection, hub, record, running_stub

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


@pytest.fixture
async def stub() -> AsyncIterator[ConsoleStub]:
    async with running_stub() as stub:
        yield stub


@pytest.fixture
async def console(browser: Browser, stub: ConsoleStub) -> AsyncIterator[Console]:
    """Fails on the way out if the page threw or wanted something its security policy forbids."""
    async with AsyncExitStack() as exits:
        console = await open_console(browser, stub, exits)
        yield console
        assert console.complaints == []


def event(id: str = "e", **members: Any) -> dict[str, Any]:  # noqa: A002
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


async def test_what_happened_is_nested_under_its_cause(console: Console) -> None:
    await console.stub.tell_records(
        record("f", "frame", "a frame"),
        record("e", "event", "an event", cause="f"),
        record("c", "call", "a call", cause="e", exact=False),
        record("d", "delivery", "a delivery", cause="c"),
        record("f2", "frame", "a later frame", at=NOW_MS + 5),
    )

    await expect(console.item("a later frame")).to_be_visible()
    assert await console.outline() == [
        (1, "a later frame"),
        (1, "a frame"),
        (2, "an event"),
        (3, "a call"),
        (4, "a delivery"),
    ]
    await expect(console.item("a call").get_by_text("probably")).to_be_visible()
    await expect(console.item("an event").get_by_text("probably")).to_be_hidden()


async def test_a_cause_that_comes_late_takes_its_consequences_in(console: Console) -> None:
    await console.stub.tell_records(record("e", "event", "an event", cause="f"))
    await expect(console.item("an event")).to_be_visible()

    await console.stub.tell_records(record("f", "frame", "a frame"))

    await expect(console.item("a frame")).to_be_visible()
    assert await console.outline() == [(1, "a frame"), (2, "an event")]


async def test_records_that_cause_each_other_are_shown_all_the_same(console: Console) -> None:
    await console.stub.tell_records(record("a", "frame", "one", cause="b"), record("b", "frame", "two", cause="a"))

    await expect(console.item("one")).to_be_visible()
    await expect(console.item("two")).to_be_visible()


async def test_an_event_gets_its_answer_in_the_tree_and_in_the_open_details(console: Console) -> None:
    await console.stub.tell_records(event(summary="an event"))
    await expect(console.item("an event")).to_contain_text("waiting")
    await console.item("an event").click()
    await expect(console.detail).to_contain_text("None yet")

    answered = event(summary="an event", status=200, tookMs=12.3)
    answer = {"status": 200, "headers": {"ce-connectionState": "e30="}, "body": "thanks", "bodyType": "text"}
    answered["detail"] = {**answered["detail"], "answer": answer}
    await console.stub.tell_records(answered)

    await expect(console.item("an event")).to_contain_text("200")
    await expect(console.item("an event")).to_contain_text("12 ms")
    await expect(console.detail).to_contain_text("thanks")
    await expect(console.tree.get_by_role("treeitem")).to_have_count(1)


async def test_details_show_headers_and_foldable_json_that_can_be_copied(console: Console) -> None:
    body = json.dumps({"list": [1, {"deep": {"deeper": "treasure"}}], "big": 12345678901234567890})
    made = event(summary="an event")
    made["detail"]["body"] = body
    await console.stub.tell_records(made)
    await console.item("an event").click()

    await console.detail.get_by_text("2 headers").click()
    await expect(console.detail.get_by_text("azure.webpubsub.user.message")).to_be_visible()
    await expect(console.detail.get_by_text("treasure")).to_have_count(0)
    await console.detail.locator("summary").filter(has_text="1 member").first.click()
    await console.detail.locator("summary").filter(has_text="deep").first.click()
    await expect(console.detail.get_by_text("treasure")).to_be_visible()

    await console.detail.get_by_role("button", name="Copy", exact=True).first.click()
    await expect(console.detail.get_by_role("button", name="Copied")).to_be_visible()
    assert await console.copied() == body


async def test_filters_keep_the_cause_as_context_and_bring_the_consequences(console: Console) -> None:
    await console.stub.tell_hubs(hub("chat"), hub("orders"))
    await console.stub.tell_records(
        record("f", "frame", "ivy's frame", connectionId="c-ivy", userId="ivy"),
        event("e", summary="ivy's event", cause="f"),
        record("d", "delivery", "to everybody", cause="e"),
        record("f2", "frame", "an order", hub="orders", connectionId="c-bob"),
    )
    await expect(console.item("an order")).to_be_visible()

    await console.page.get_by_label("Text", exact=True).fill("USER.MESSAGE")
    await expect(console.item("an order")).to_have_count(0)
    assert [summary for _, summary in await console.outline()] == ["ivy's frame", "ivy's event", "to everybody"]
    await expect(console.tree.locator(".context > .line .summary")).to_have_text(["ivy's frame"])

    await console.page.get_by_label("Text", exact=True).fill("")
    await console.page.get_by_label("Hub", exact=True).first.select_option("orders")
    await expect(console.tree.locator(".summary")).to_have_text(["an order"])

    await console.page.get_by_label("Hub", exact=True).first.select_option("")
    await console.page.get_by_label("Connection or user").fill("ivy")
    await expect(console.tree.locator(".summary")).to_have_text(["ivy's frame", "ivy's event", "to everybody"])

    await console.page.get_by_role("checkbox", name="Event").uncheck()
    await expect(console.tree.locator(".context > .line .summary")).to_have_text(["ivy's event"])
    await console.page.get_by_role("checkbox", name="Delivery").uncheck()
    await expect(console.tree.locator(".summary")).to_have_text(["ivy's frame"])

    await console.page.get_by_label("Connection or user").fill("nobody")
    await console.button("Show everything").click()
    await expect(console.tree.locator(".summary")).to_have_count(4)


async def test_a_pause_holds_back_and_counts_what_comes(console: Console) -> None:
    await console.stub.tell_records(event(summary="before"))
    await expect(console.item("before")).to_be_visible()
    await console.button("Pause").click()

    await console.stub.tell_records(event(summary="changed"), record("f", "frame", "held back"))
    await expect(console.button("Resume (2 waiting)")).to_be_visible()
    await console.stub.tell_records(record("f", "frame", "held back, and replaced"))
    await console.stub.tell_records(record("g", "frame", "last"))
    await expect(console.button("Resume (3 waiting)")).to_be_visible()
    assert await console.outline() == [(1, "before")]

    await console.button("Resume (3 waiting)").click()
    await expect(console.item("last")).to_be_visible()
    assert sorted(await console.outline()) == [(1, "changed"), (1, "held back, and replaced"), (1, "last")]

    await console.button("Clear").click()
    await expect(console.page.get_by_text("Nothing has happened yet")).to_be_visible()


@pytest.mark.parametrize(
    "body", ['it\'s $HOME `id` "quoted" \\ !bang\nsecond line\n', "@/etc/passwd", '{"a":"Zoë"}', "-x", " "]
)
async def test_an_event_as_curl_survives_the_shell(console: Console, body: str) -> None:
    made = event(summary="an event")
    made["detail"] |= {
        "url": "http://localhost:8080/api/{hub}?a=1&b=it's",
        "headers": {"ce-userId": "it's; $(id)", "ce-empty": "", "Host": "localhost", "Content-Length": "5"},
        "body": body,
        "bodyType": "text",
    }
    await console.stub.tell_records(made)
    await console.item("an event").click()
    await console.detail.get_by_role("button", name="Copy as curl").click()
    await expect(console.detail.get_by_role("button", name="Copied")).to_be_visible()

    assert shell_words(await console.copied()) == [
        *("-i", "-X", "POST", "--globoff", "http://localhost:8080/api/{hub}?a=1&b=it's"),
        *("-H", "ce-userId: it's; $(id)", "-H", "ce-empty;", "-H", "Content-Type:", "--data-raw", body),
    ]


async def test_binary_bodies_and_calls_as_curl(console: Console) -> None:
    binary = event(summary="binary")
    binary["detail"] |= {"body": "AAECJw==", "bodyType": "base64", "headers": {"content-type": "a/b"}}
    call = {"method": "DELETE", "path": "/api/hubs/chat/users/ivy?api-version=1", "headers": {}, "body": ""}
    await console.stub.tell_records(binary, record("c", "call", "a call", detail=call))

    await console.item("binary").click()
    await console.detail.get_by_role("button", name="Copy as curl").click()
    await expect(console.detail.get_by_role("button", name="Copied")).to_be_visible()
    command = await console.copied()
    assert shell_words(command.replace("| curl", "| od -An -tx1; curl"))[0].strip().startswith("00 01 02 27")
    assert command.endswith("--data-binary @-")

    await console.item("a call").click()
    await console.detail.get_by_role("button", name="Copy as curl").click()
    await expect(console.detail.get_by_role("button", name="Copied")).to_be_visible()
    assert shell_words(await console.copied()) == [
        *("-i", "-X", "DELETE", f"{console.stub.url}/api/hubs/chat/users/ivy?api-version=1")
    ]


async def test_markup_is_shown_as_the_text_it_is(console: Console) -> None:
    ivy = connection(MARKUP, MARKUP, groups=[MARKUP], subprotocol=MARKUP)
    handler = {"url": MARKUP, "system": [MARKUP], "user": MARKUP}
    await console.stub.tell_hubs(hub(MARKUP, ivy, groups=[{"name": MARKUP, "members": 1}], handlers=[handler]))
    made = event(summary=MARKUP, connectionId=MARKUP, userId=MARKUP, hub=MARKUP)
    answer = {"status": 200, "headers": {"x": MARKUP}, "body": MARKUP, "bodyType": "text"}
    made["detail"] |= {
        "body": json.dumps({MARKUP: MARKUP}),
        "headers": {MARKUP: MARKUP},
        "url": MARKUP,
        "answer": answer,
    }
    await console.stub.tell_records(made)

    await console.item(MARKUP).click()
    await console.page.locator(".connection summary").click()
    for fold in await console.detail.locator(".headers > summary").all():
        await fold.click()

    await expect(console.detail.get_by_role("heading")).to_contain_text(MARKUP)
    await expect(console.page.locator("main img, main b, main i")).to_have_count(0)
    await expect(console.page).to_have_title("Console of the local service")


async def test_the_tree_is_walked_with_the_keyboard(console: Console) -> None:
    await console.stub.tell_records(
        record("f", "frame", "a frame"),
        event("e", summary="an event", cause="f"),
        record("d", "delivery", "a delivery", cause="e"),
        record("g", "frame", "newest", at=NOW_MS + 1),
    )
    focused = console.tree.locator(":focus > .line .summary")
    press = console.page.keyboard.press
    await expect(console.item("newest")).to_be_visible()
    await console.page.get_by_role("checkbox", name="Close").focus()

    await press("Tab")
    await expect(focused).to_have_text("newest")
    await press("ArrowDown")
    await press("ArrowRight")
    await expect(focused).to_have_text("an event")
    await press("End")
    await expect(focused).to_have_text("a delivery")
    await press("ArrowLeft")
    await press("ArrowLeft")
    await expect(console.item("a delivery")).to_have_count(0)
    await expect(console.tree.get_by_role("treeitem", name="an event")).to_have_attribute("aria-expanded", "false")
    await press("ArrowRight")
    await expect(console.item("a delivery")).to_be_visible()

    await press("Enter")
    await expect(console.detail).to_be_focused()
    await press("Tab")
    await expect(console.detail.get_by_role("button", name="Close")).to_be_focused()
    await press("Escape")
    await expect(focused).to_have_text("an event")
    await expect(console.detail).to_be_hidden()
    await press("Space")
    await expect(console.detail).to_be_visible()
    await press("ArrowDown")
    await expect(console.detail.get_by_role("heading")).to_contain_text("a delivery")
    await press("Home")
    await expect(focused).to_have_text("newest")


async def test_focus_stays_where_it_is_while_records_come(console: Console) -> None:
    await console.stub.tell_records(record("f", "frame", "read this"))
    await console.item("read this").click()

    await console.stub.tell_records(record("g", "frame", "newer", at=NOW_MS + 1))
    await expect(console.item("newer")).to_be_visible()

    await expect(console.tree.locator(":focus > .line .summary")).to_have_text("read this")


async def test_an_event_is_replayed_and_a_refusal_is_told(console: Console) -> None:
    await console.stub.tell_records(event("e-7", summary="an event"))
    await console.item("an event").click()

    await console.button("Replay").click()
    asked = await console.stub.was_asked("replay")
    assert (asked.method, asked.body, asked.is_marked) == ("POST", {"recordId": "e-7"}, True)
    await expect(console.page.get_by_text("The event was sent again.")).to_be_visible()

    console.stub.answers["replay"] = (409, "This event is no longer kept.")
    await console.button("Replay").click()
    await expect(console.page.get_by_text("This event is no longer kept.")).to_be_visible()


async def test_publishing_asks_for_what_the_form_says(console: Console) -> None:
    await console.stub.tell_hubs(hub("chat", groups=[{"name": "lobby", "members": 3}]))

    await console.button("Send to group lobby").click()
    panel = console.page.get_by_role("tabpanel", name="Publish")
    await expect(panel.get_by_label("Data")).to_be_focused()
    await panel.get_by_label("Type").select_option("JSON")
    await panel.get_by_label("Data").fill("{not json")
    await panel.get_by_role("button", name="Publish").click()
    await expect(panel.get_by_role("alert")).to_contain_text("not JSON")

    await panel.get_by_label("Data").fill('{"a": 1}')
    await panel.get_by_role("button", name="Publish").click()
    await expect(panel.get_by_role("alert")).to_have_text("Sent to group lobby.")
    asked = await console.stub.was_asked("publish")
    target = {"kind": "group", "name": "lobby"}
    assert asked.body == {"hub": "chat", "target": target, "dataType": "json", "data": '{"a": 1}'}
    assert asked.is_marked

    await panel.get_by_label("To").select_option("Everybody")
    await panel.get_by_role("button", name="Publish").click()
    assert (await console.stub.was_asked("publish")).body["target"] == {"kind": "all", "name": ""}


async def test_a_connection_shows_what_it_may_and_can_be_closed(console: Console) -> None:
    await console.stub.tell_hubs(hub("chat", connection("c-1", "ivy", groups=["lobby"]), connection("c-2", "bob")))
    await console.stub.tell_records(record("f", "frame", "bob's", connectionId="c-2"))
    await console.stub.tell_records(record("g", "frame", "ivy's", connectionId="c-1"))
    await console.page.get_by_label("Filter connections and groups").fill("LOBBY")
    await expect(console.page.locator(".connection")).to_have_count(1)

    row = console.page.locator(".connection").filter(has_text="ivy")
    await row.locator("summary").click()
    await expect(row).to_contain_text("May send toevery group")
    await expect(row).to_contain_text("May joinno group")
    await row.get_by_role("button", name="Show traffic").click()
    await expect(console.tree.locator(".summary")).to_have_text(["ivy's"])
    await row.get_by_label("Reason").fill("go home")
    await row.get_by_role("button", name="Close connection c-1").click()

    asked = await console.stub.was_asked("close")
    assert asked.body == {"hub": "chat", "connectionId": "c-1", "reason": "go home"}
    await console.stub.tell_hubs(hub("chat", connection("c-2", "bob")))
    await expect(console.page.locator(".connection")).to_have_count(0)
    await expect(console.page.get_by_text("No connection fits the filter.")).to_be_visible()


async def test_a_token_is_made_as_asked(console: Console) -> None:
    console.stub.answers["token"] = (
        200,
        json.dumps({"url": "ws://localhost/client/hubs/chat?access_token=t", "token": "t"}),
    )
    panel = await console.open_tool("Token")
    await panel.get_by_label("Hub").fill("chat")
    await panel.get_by_label("User").fill("ivy")
    await panel.get_by_label("send to groups").uncheck()
    await panel.get_by_label("More roles").fill("webpubsub.sendToGroup.lobby")
    await panel.get_by_label("Groups to start in").fill("lobby, team.red")
    await panel.get_by_label("Minutes").fill("5")
    await panel.get_by_label("Protocol").select_option("MQTT")
    await panel.get_by_role("button", name="Make a token").click()

    asked = await console.stub.was_asked("token")
    assert asked.body == {
        "hub": "chat",
        "userId": "ivy",
        "roles": ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup.lobby"],
        "groups": ["lobby", "team.red"],
        "minutes": 5,
        "protocol": "mqtt",
    }
    await expect(panel.get_by_label("Client access URL")).to_have_value(
        "ws://localhost/client/hubs/chat?access_token=t"
    )
    await panel.get_by_role("button", name="Copy token").click()
    await expect(panel.get_by_role("button", name="Copied")).to_be_visible()
    assert await console.copied() == "t"


async def test_faults_are_hidden_where_there_are_none_to_have(console: Console) -> None:
    await expect(console.page.get_by_role("tab", name="Publish")).to_be_visible()
    await expect(console.page.get_by_role("tab", name="Faults")).to_be_hidden()


async def test_faults_are_set_and_taken_away(browser: Browser, stub: ConsoleStub) -> None:
    stub.chaos = []
    async with AsyncExitStack() as exits:
        console = await open_console(browser, stub, exits)
        panel = await console.open_tool("Faults")
        await panel.get_by_role("combobox", name="Fault").select_option("Delay messages")
        await panel.get_by_label("Milliseconds").fill("300")
        await panel.get_by_label("Chance in percent").fill("25")
        await panel.get_by_label("Group").fill("lobby")
        await panel.get_by_role("button", name="Add the fault").click()

        asked = await stub.was_asked("chaos")
        rule = {"hub": "", "group": "lobby", "user": "", "what": "delay", "value": 300, "probability": 0.25}
        assert asked.body == rule
        await expect(panel.get_by_role("listitem")).to_contain_text("Delay messages (300 ms)")
        await expect(console.button("1 fault")).to_be_visible()

        await panel.get_by_role("button", name="Remove").click()
        asked = await stub.was_asked("chaos")
        assert (asked.method, asked.body) == ("DELETE", {"id": "rule-0"})
        await expect(panel.get_by_role("listitem")).to_have_count(0)
        await expect(console.button("1 fault")).to_be_hidden()


async def test_a_lost_feed_comes_back_by_itself(console: Console) -> None:
    await console.stub.tell_records(record("f", "frame", "before"))
    await expect(console.item("before")).to_be_visible()
    console.stub.is_up = False
    await console.stub.drop_feeds()
    await expect(console.page.get_by_role("alert").filter(has_text="may not be running")).to_be_visible()
    await expect(console.page.locator("#notice-plan")).to_contain_text("Trying")

    console.stub.is_up = True
    await expect(console.state).to_have_text("Live")
    await expect(console.button("Try now")).to_be_hidden()

    await console.stub.tell_records(record("g", "frame", "after"))
    await expect(console.item("after")).to_be_visible()
    await expect(console.item("before")).to_be_visible()


async def test_a_restarted_service_may_use_the_same_ids_again(console: Console) -> None:
    await console.stub.tell_records(record("1", "frame", "old frame"), event("2", summary="old event", cause="1"))
    await expect(console.item("old event")).to_be_visible()
    await console.stub.drop_feeds()
    await console.stub.feed_is_back()

    again = record("1", "frame", "new frame", at=NOW_MS + 1)
    await console.stub.tell_records(again, event("2", summary="new event", cause="1", at=NOW_MS + 1))
    await expect(console.item("new event")).to_be_visible()
    outline = [(1, "new frame"), (2, "new event"), (1, "old frame"), (2, "old event")]
    assert await console.outline() == outline

    await console.stub.drop_feeds()
    await console.stub.feed_is_back()
    await console.stub.tell_records(again, event("2", summary="new event", cause="1", at=NOW_MS + 1, status=204))
    await expect(console.item("new event")).to_contain_text("204")
    assert await console.outline() == outline


async def test_a_refused_frame_says_so_and_binary_ones_are_shown(console: Console) -> None:
    ack = {"id": 1, "success": False, "error": {"name": "Forbidden", "message": "You may not."}}
    await console.stub.tell_records(record("f", "frame", "joinGroup", detail={"base64": "SgA=", "ack": ack}))

    await expect(console.item("joinGroup")).to_contain_text("Forbidden")
    await console.item("joinGroup").click()

    await expect(console.detail).to_contain_text("Binary, as base64")
    await expect(console.detail).to_contain_text("You may not.")


async def test_what_is_cut_or_hidden_is_said(console: Console) -> None:
    made = event(summary="an event")
    made["detail"] |= {"bodyLength": 1_000_000, "headers": {"ce-signature": "***"}}
    await console.stub.tell_records(made)

    await console.item("an event").click()

    await expect(console.detail).to_contain_text("the body has 1,000,000 bytes")
    await expect(console.detail).to_contain_text("Secrets are hidden")


async def test_the_pauses_between_attempts_grow_and_can_be_cut_short(console: Console) -> None:
    console.stub.is_up = False
    await console.page.clock.install()
    await console.page.clock.pause_at(NOW_MS / 1000 + 10**9)
    await console.page.evaluate("Math.random = () => 0.999")
    await console.stub.drop_feeds()
    plan = console.page.locator("#notice-plan")
    for seconds, step in ((1, 600), (1, 1_100), (2, 2_100), (4, 4_100), (8, 8_100)):
        await expect(plan).to_have_text(f"Trying again in {seconds} s.")
        await console.page.clock.run_for(step)
    await expect(plan).to_have_text("Trying again in 15 s.")

    console.stub.is_up = True
    await console.button("Try now").click()
    await expect(console.state).to_have_text("Live")


async def test_rates_are_drawn_and_told(console: Console) -> None:
    for second in range(3):
        rates = {"frames": 1_500 * second, "events": 7, "calls": 3, "deliveries": 0}
        await console.stub.tell({"type": "rates", "at": NOW_MS + 1_000 * second, **rates})

    await expect(console.page.locator(".legend .frames")).to_have_text("3,000 frames")
    await expect(console.page.locator(".legend .events")).to_have_text("7 events")
    await expect(console.page.locator("path.series.frames")).to_have_attribute("d", "M472.0,46.0L476.0,24.0L480.0,2.0")


async def test_it_bears_thousands_of_records_and_connections(console: Console) -> None:
    everybody = [connection(f"c-{number}", f"user {number}") for number in range(1_000)]
    await console.stub.tell_hubs(hub("chat", *everybody))
    for start in range(0, 7_000, 1_000):
        records = [record(f"f-{n}", "frame", f"frame {n}", at=NOW_MS + n) for n in range(start, start + 1_000)]
        await console.stub.tell_records(*records)
    fan_out = [record(f"d-{n}", "delivery", f"delivery {n}", cause="f-6999", at=NOW_MS + 7_000) for n in range(300)]
    await console.stub.tell_records(*fan_out)

    await expect(console.page.locator("#traffic-counts")).to_have_text("5,000 records")
    await expect(console.tree.locator(":scope > .record")).to_have_count(100)
    await expect(console.item("delivery 0")).to_be_visible()
    await expect(console.button("250 more")).to_be_visible()
    await console.button("Show older").click()
    await expect(console.tree.locator(":scope > .record")).to_have_count(200)

    await expect(console.page.locator("#hub-counts")).to_have_text("1 hub, 1,000 connections")
    await expect(console.page.locator(".connection")).to_have_count(100)
    await console.page.get_by_label("Filter connections and groups").fill("user 987")
    await expect(console.page.locator(".connection")).to_have_count(1)


async def connect_client(console: Console, subprotocol: str) -> Locator:
    """The service gives an address by another name of this machine, which the page's policy would not allow."""
    other_name = console.stub.url.replace("http://localhost", "ws://127.0.0.1")
    url = f"{other_name}/client/hubs/chat?access_token=t"
    console.stub.answers["token"] = (200, json.dumps({"url": url, "token": "t"}))
    panel = console.page.get_by_role("tabpanel", name="Client")
    await panel.get_by_role("combobox", name="Subprotocol").select_option(subprotocol)
    await panel.get_by_label("Hub").fill("chat")
    await panel.get_by_label("User").fill("ivy")
    await panel.get_by_role("button", name="Connect", exact=True).click()
    await expect(panel.get_by_role("status")).to_have_text("Connected")
    return panel


async def test_the_test_client_speaks_json(console: Console) -> None:
    panel = await connect_client(console, "JSON")
    assert (await console.stub.was_asked("token")).body == {
        "hub": "chat",
        "userId": "ivy",
        "roles": ["webpubsub.joinLeaveGroup", "webpubsub.sendToGroup"],
        "groups": [],
        "minutes": 60,
        "protocol": "default",
    }
    assert console.stub.offered == ["json.webpubsub.azure.v1 access_token=t"]
    [socket] = console.stub.clients
    await socket.send_json({"type": "system", "event": "connected", "userId": "ivy", "connectionId": "c-9"})
    await expect(panel.get_by_role("status")).to_have_text("Connected as c-9")

    for name in ("Join", "Leave", "Send", "Send event", "Ping"):
        await panel.get_by_role("button", name=name, exact=True).click()
    assert [json.loads(await console.stub.next_frame()) for _ in range(5)] == [
        {"type": "joinGroup", "group": "lobby", "ackId": 1},
        {"type": "leaveGroup", "group": "lobby", "ackId": 2},
        {"type": "sendToGroup", "group": "lobby", "dataType": "text", "data": "hello", "ackId": 3},
        {"type": "event", "event": "message", "dataType": "text", "data": "hello", "ackId": 4},
        {"type": "ping"},
    ]
    await panel.get_by_label("Frame", exact=True).fill("no JSON, and sent all the same")
    await panel.get_by_role("button", name="Send frame").click()
    assert await console.stub.next_frame() == "no JSON, and sent all the same"

    await socket.send_str(json.dumps({"type": "message", "data": MARKUP}))
    log = panel.get_by_role("log")
    await expect(log.get_by_role("listitem").first).to_contain_text("<b>bold</b>")
    await expect(log.locator("img, b")).to_have_count(0)
    await socket.close(code=4001, message=b"enough")
    await expect(panel.get_by_role("status")).to_have_text("Closed with 4001: “enough”")
    await expect(panel.get_by_role("button", name="Join")).to_be_disabled()


async def test_the_test_client_speaks_protobuf(console: Console) -> None:
    panel = await connect_client(console, "Protobuf")
    await panel.get_by_label("Group", exact=True).fill("größe")
    await panel.get_by_role("button", name="Join", exact=True).click()
    await panel.get_by_label("Type").select_option("JSON")
    await panel.get_by_label("Data").fill('{"a":' + '"x"' + "," + '"b":"' + "y" * 200 + '"}')
    await panel.get_by_role("button", name="Send", exact=True).click()
    await panel.get_by_label("Type").select_option("Base64")
    await panel.get_by_label("Data").fill("AAH/")
    await panel.get_by_role("button", name="Send event").click()
    await panel.get_by_role("button", name="Ping").click()

    async def next_command() -> object:
        frame = await console.stub.next_frame()
        assert isinstance(frame, bytes)
        return decode_frame(Frame(frame, is_text=False))

    assert await next_command() == JoinGroup("größe", 1)
    data = b'{"a":"x","b":"' + b"y" * 200 + b'"}'
    assert await next_command() == SendToGroup("größe", Payload(DataType.JSON, data), 2, no_echo=False)
    assert await next_command() == SendEvent("message", Payload(DataType.BINARY, b"\0\1\xff"), 3)
    assert await next_command() == Ping()
    await expect(panel.get_by_label("Frame", exact=True)).to_have_value("4a 00")

    await console.stub.clients[0].send_bytes(encode_ack(1).data)
    await expect(panel.get_by_role("log").get_by_role("listitem").first).to_contain_text("0a 04 08 01 10 01")
    await panel.get_by_label("Frame", exact=True).fill("not hex")
    await panel.get_by_role("button", name="Send frame").click()
    await expect(panel.get_by_role("alert").filter(has_text="hex")).to_be_visible()


@pytest.mark.parametrize("subprotocol", ["JSON, reliable", "Protobuf, reliable"])
async def test_a_reliable_test_client_acknowledges_and_comes_back(console: Console, subprotocol: str) -> None:
    panel = await connect_client(console, subprotocol)
    message = Message(Payload(DataType.TEXT, b"hi"), group="lobby")
    [socket] = console.stub.clients
    if subprotocol.startswith("JSON"):
        members = {"type": "system", "event": "connected", "connectionId": "c-9", "reconnectionToken": "again"}
        await socket.send_json(members)
        await socket.send_json({"type": "message", "sequenceId": 300, "dataType": "text", "data": "hi"})
        assert await console.stub.next_frame() == '{"type":"sequenceAck","sequenceId":300}'
    else:
        await socket.send_bytes(encode_connected("c-9", "ivy", "again").data)
        await socket.send_bytes(with_sequence_id(encode_message(message), 300).data)
        frame = await console.stub.next_frame()
        assert isinstance(frame, bytes)
        assert decode_frame(Frame(frame, is_text=False)) == SequenceAck(300)

    await panel.get_by_role("button", name="Cut off").click()
    await expect(panel.get_by_role("status")).to_contain_text("Closed with")
    await panel.get_by_role("button", name="Come back").click()

    await expect(panel.get_by_role("status")).to_have_text("Connected as c-9")
    assert console.stub.offered[1].endswith(" awps_connection_id=c-9&awps_reconnection_token=again")


async def test_before_anything_happens_the_page_says_what_to_do(console: Console) -> None:
    await expect(console.page.get_by_text("Nothing has happened yet")).to_be_visible()
    await expect(console.page.locator("#connection-string")).to_contain_text(f"Endpoint={console.stub.url};AccessKey=")
    await expect(console.page.locator("#hub-command")).to_contain_text("webpubsub local --hub chat --event-handler")


async def test_a_narrow_page_keeps_everything_in_reach(browser: Browser, stub: ConsoleStub) -> None:
    stub.greeting = [stub.snapshot(hub("chat", connection("c-1", "ivy")))]
    async with AsyncExitStack() as exits:
        console = await open_console(browser, stub, exits, width=360)
        await stub.tell_records(event(summary="an event " * 20, connectionId="c-1"))
        await console.item("an event").click()
        await expect(console.detail).to_be_focused()
        await console.detail.get_by_role("button", name="Close").click()
        for toggle in ("Hubs", "Tools"):
            await console.button(toggle).click()
            await expect(console.page.locator(f"#{toggle.lower()}")).to_be_visible()
            assert await console.page.evaluate("document.documentElement.scrollWidth") == 360
        await expect(console.page.locator("#hubs")).to_be_hidden()
        await console.page.get_by_role("tab", name="Client").press("Escape")
        await expect(console.page.locator("#tools")).to_be_hidden()
        await expect(console.button("Tools")).to_be_focused()
        assert console.complaints == []
