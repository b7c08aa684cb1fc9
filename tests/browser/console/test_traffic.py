"""The traffic as causes: tree, details, filters, curl."""

import json

import pytest
from playwright.async_api import expect

from tests.browser.console.page import MARKUP, Console, event, shell_words
from tests.browser.console.stub import NOW_MS, connection, hub, record


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


async def test_what_is_cut_or_hidden_is_said(console: Console) -> None:
    made = event(summary="an event")
    made["detail"] |= {"bodyLength": 1_000_000, "headers": {"ce-signature": "***"}}
    await console.stub.tell_records(made)

    await console.item("an event").click()

    await expect(console.detail).to_contain_text("the body has 1,000,000 bytes")
    await expect(console.detail).to_contain_text("Secrets are hidden")


async def test_rates_are_drawn_and_told(console: Console) -> None:
    for second in range(3):
        rates = {"frames": 1_500 * second, "events": 7, "calls": 3, "deliveries": 0}
        await console.stub.tell({"type": "rates", "at": NOW_MS + 1_000 * second, **rates})

    await expect(console.page.locator(".legend .frames")).to_have_text("3,000 frames")
    await expect(console.page.locator(".legend .events")).to_have_text("7 events")
    await expect(console.page.locator("path.series.frames")).to_have_attribute("d", "M472.0,46.0L476.0,24.0L480.0,2.0")
