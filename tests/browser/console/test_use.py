"""The console under keyboard, narrow windows and thousands of records; a feed that comes back."""

from contextlib import AsyncExitStack

from playwright.async_api import Browser, expect

from tests.browser.console.page import Console, event, open_console
from tests.browser.console.stub import NOW_MS, ConsoleStub, connection, hub, record


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
