"""How the control tower is used: by keyboard, on a narrow screen, with a whole fleet, with the simulator."""

import asyncio
import re
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, expect

from app.simulation.config import Config
from app.simulation.doors import KeyDoor
from app.simulation.run import simulating
from app.upstream.connection_string import ConnectionString
from tests.browser.conftest import Chat, running_chat
from tests.browser.tower_feed import Feed
from tests.browser.tower_stage import HUB_PATH, TOWER, V1, WH1, Watcher, carry, drive, party, watch

FLEET = 2_000


@pytest_asyncio.fixture(loop_scope="session")
async def tower(browser: Browser) -> AsyncIterator[Chat]:
    async with running_chat(browser, HUB_PATH) as tower:
        yield tower


async def with_fleet(tower: Chat, *, width: int = 1440) -> tuple[Watcher, Feed]:
    """At a page that a stand-in feeds."""
    ops = await watch(tower, width=width)
    feed = Feed(FLEET)
    await feed.take_over(ops.page)
    await ops.enter(TOWER)
    return ops, feed


async def test_everything_can_be_done_from_the_keyboard(tower: Chat) -> None:
    for shipment, vehicle in (("S-1", V1), ("S-2", "vehicle:V2"), ("S-3", "vehicle:V3")):
        await carry(tower, shipment, vehicle=vehicle)
    ops = await watch(tower, TOWER)
    await ops.button("Shipment").press("Enter")
    await expect(ops.table.get_by_role("columnheader", name="Shipment")).to_have_attribute("aria-sort", "ascending")
    keyboard = ops.page.keyboard

    await ops.row("S-1").get_by_role("button").focus()
    await keyboard.press("ArrowDown")
    await expect(ops.row("S-2").get_by_role("button")).to_be_focused()
    await keyboard.press("End")
    await expect(ops.row("S-3").get_by_role("button")).to_be_focused()
    await keyboard.press("Enter")
    await expect(ops.panel("S-3").get_by_role("heading", name="S-3")).to_be_focused()
    await keyboard.press("Escape")
    await expect(ops.panel("S-3")).to_be_hidden()
    await expect(ops.row("S-3").get_by_role("button")).to_be_focused()


async def test_the_map_is_moved_and_walked_by_keyboard(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower, TOWER)
    await drive(tower, lat=52.0)
    await expect(ops.page.locator("#figure-vehicles")).to_have_text("1")
    await expect(ops.page.locator(".place")).to_have_count(2)
    scale = ops.page.locator("#map-scale")
    place = ops.page.locator(".place").first
    whole, at_first = await scale.text_content() or "", await place.get_attribute("transform") or ""

    await ops.map.focus()
    await ops.page.keyboard.press("ArrowRight")
    await expect(place).not_to_have_attribute("transform", at_first)
    for _ in range(3):
        await ops.page.keyboard.press("+")
    await expect(scale).not_to_have_text(whole)
    await ops.page.keyboard.press("0")
    await expect(scale).to_have_text(whole)
    await ops.page.keyboard.press("PageDown")
    await expect(ops.page.locator("#map-said")).to_contain_text("V1, departed")
    await ops.page.keyboard.press("Enter")

    await expect(ops.panel("S-1")).to_be_visible()


async def test_a_vehicle_tells_what_it_is_and_opens_its_shipment(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower, TOWER)
    await drive(tower, lat=51.05, lon=13.74)
    await expect(ops.page.locator("#figure-vehicles")).to_have_text("1")
    await expect(ops.page.locator(".place")).to_have_count(2)
    tip = ops.page.locator("#map-tip")
    x, y = await ops.spot_of(51.05, 13.74)

    await ops.page.mouse.move(x, y)
    await expect(tip).to_contain_text("V1, departed")
    await expect(tip).to_contain_text("80 km/h")
    await ops.page.mouse.down()
    await ops.page.mouse.up()

    await expect(ops.panel("S-1")).to_be_visible()


async def test_a_wheel_zooms_and_a_drag_moves_the_map(tower: Chat) -> None:
    await carry(tower, "S-1", until="created")
    ops = await watch(tower, TOWER)
    await expect(ops.page.locator(".place")).to_have_count(2)
    scale, place = ops.page.locator("#map-scale"), ops.page.locator(".place").first
    whole, at_first = await scale.text_content() or "", await place.get_attribute("transform") or ""

    await ops.map.hover()
    await ops.page.mouse.wheel(0, -800)
    await expect(scale).not_to_have_text(whole)
    await ops.button("Show all").click()
    await expect(place).to_have_attribute("transform", at_first)
    await ops.map.hover()
    await ops.page.mouse.down()
    await ops.page.mouse.move(200, 300, steps=4)
    await ops.page.mouse.up()

    await expect(place).not_to_have_attribute("transform", at_first)
    await expect(scale).to_have_text(whole)


async def test_two_fingers_zoom_and_one_chooses(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower, TOWER)
    await drive(tower, lat=51.05, lon=13.74)
    await expect(ops.page.locator("#figure-vehicles")).to_have_text("1")
    await expect(ops.page.locator(".place")).to_have_count(2)
    x, y = await ops.spot_of(51.05, 13.74)
    whole = await ops.page.locator("#map-scale").text_content() or ""
    fingers = await ops.page.context.new_cdp_session(ops.page)

    async def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": right, "y": down, "id": place} for place, (right, down) in enumerate(places)]
        await fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    await touch("touchStart", (x - 30, y), (x + 30, y))
    for reach in (60, 120, 200):
        await touch("touchMove", (x - reach, y), (x + reach, y))
    await touch("touchEnd")
    await expect(ops.page.locator("#map-scale")).not_to_have_text(whole)
    x, y = await ops.spot_of(51.05, 13.74)
    await touch("touchStart", (x, y))
    await touch("touchEnd")

    await expect(ops.panel("S-1")).to_be_visible()


async def test_what_is_under_a_point_stays_there_when_zooming(tower: Chat) -> None:
    ops = await watch(tower)

    drift = await ops.page.evaluate(
        """async () => {
          const { Viewport, project, latitudeAt } = await import("/web/tower/viewport.js");
          const viewport = Object.assign(new Viewport(), { width: 800, height: 500 });
          const [x, y] = project(52.52, 13.41);
          viewport.fit({ left: x - 3, right: x + 9, top: y - 2, bottom: y + 5 }, 20);
          const before = [viewport.screenX(x), viewport.screenY(y)];
          viewport.zoom(3.7, before);
          viewport.zoom(0.2, before);
          const after = [viewport.screenX(x), viewport.screenY(y)];
          return [after[0] - before[0], after[1] - before[1], latitudeAt(y) - 52.52];
        }"""
    )

    assert max(map(abs, drift)) < 1e-6


async def test_the_table_is_searched_filtered_and_sorted(tower: Chat) -> None:
    await carry(tower, "S-1", until="created", goods="tea")
    await carry(tower, "S-2", goods="coffee")
    await carry(tower, "S-3", until="delivered", goods="tea")
    ops = await watch(tower, TOWER)
    await expect(ops.rows).to_have_count(2)
    names = ops.rows.get_by_role("button")

    await ops.page.get_by_label("State", exact=True).select_option("All")
    await ops.button("Shipment").click()
    await expect(names).to_have_text(["S-1", "S-2", "S-3"])
    await ops.button("Shipment").click()
    await expect(names).to_have_text(["S-3", "S-2", "S-1"])
    await ops.page.get_by_label("Search shipments").fill("TEA")
    await expect(names).to_have_text(["S-3", "S-1"])
    await ops.page.get_by_label("State", exact=True).select_option("Delivered")
    await expect(names).to_have_text(["S-3"])
    await ops.page.get_by_label("Search shipments").fill("no such thing")

    await expect(ops.panel("Shipments")).to_contain_text("No shipment fits this filter.")


async def test_deliveries_are_charted_in_words_and_figures_too(tower: Chat) -> None:
    ops = await watch(tower, TOWER)
    charts = ops.panel("Deliveries")
    await expect(charts).to_contain_text("Nothing was delivered in the last 60 minutes.")

    await carry(tower, "S-1", until="delivered")

    await expect(charts).to_contain_text("1 delivery; most, 1, at")
    await expect(charts.get_by_role("img", name="Deliveries per minute. 1 delivery")).to_be_visible()
    await charts.get_by_text("As a table").last.click()
    early = charts.get_by_role("row", name="more than 30 min early")
    await expect(early.get_by_role("cell")).to_have_text("1")
    await ops.page.get_by_label("Period").select_option("Last 48 hours")
    await expect(charts.get_by_role("img", name="Deliveries per hour. 1 delivery")).to_be_visible()


async def test_a_narrow_screen_has_one_panel_at_a_time(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower, TOWER, width=360, height=740)
    await drive(tower, temperature=19.5)
    tabs = ops.page.get_by_role("navigation", name="Panels").get_by_role("button")

    await expect(tabs).to_have_text(["Map", "Shipments", "Alerts", "Messages", "Charts"])
    for name, panel in (
        ("Map", "Map"),
        ("Alerts", "Alerts"),
        ("Messages", "Messages"),
        ("Charts", "Deliveries"),
        ("Shipments", "Shipments"),
    ):
        await tabs.filter(has_text=name).click()
        await expect(ops.panel(panel)).to_be_visible()
        await expect(ops.page.get_by_role("main").get_by_role("region")).to_have_count(1)
        assert await ops.page.evaluate("document.documentElement.scrollWidth") <= 360
        inside = await ops.panel(panel).evaluate("panel => panel.scrollWidth <= panel.clientWidth")
        assert inside, f"{name} is wider than the screen"
    await ops.select("S-1")
    await expect(ops.button("Close")).to_be_in_viewport(ratio=1)
    await ops.button("Close").click()

    await expect(ops.row("S-1")).to_be_visible()


async def test_only_alerts_are_announced(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower, TOWER)
    announced = ops.page.locator("[aria-live], [role=status], [role=log], [role=alert]")
    before = await announced.all_text_contents()

    await drive(tower)
    await expect(ops.page.locator("#figure-vehicles")).to_have_text("1")
    async with party(tower, WH1) as warehouse:
        await warehouse.send("tell", {"to": "tower", "message": "good morning"})
    await expect(ops.page.locator("#messages-list")).to_contain_text("good morning")

    assert await announced.all_text_contents() == before

    await drive(tower, lat=51.5, lon=13.5)
    await expect(ops.page.get_by_role("log", name="New alerts")).to_contain_text("Off route, S-1")


async def test_two_thousand_vehicles_leave_the_page_to_its_user(tower: Chat) -> None:
    ops, feed = await with_fleet(tower)
    names = ops.rows.get_by_role("button")
    await expect(ops.page.locator("#figure-vehicles")).to_have_text(str(FLEET))
    await expect(ops.panel("Shipments")).to_contain_text(f"{FLEET} of {FLEET}")

    # Five times as often as the hub would.
    storm = asyncio.create_task(feed.beat_for_ever(0.1))
    await ops.button("Shipment").click()
    await expect(names.first).to_have_text("S-0000")
    assert await ops.rows.count() < 100
    await names.first.focus()
    await ops.page.keyboard.press("End")
    await expect(ops.row(f"S-{FLEET - 1:04}").get_by_role("button")).to_be_focused()
    await ops.page.get_by_label("Search shipments").press_sequentially("S-0107")
    await expect(names).to_have_text(["S-0107"])
    feed.change(107, state="exception", reason="flat tyre")
    await expect(ops.row("S-0107")).to_contain_text("exception")
    await names.first.click()
    await expect(ops.panel("S-0107")).to_contain_text("flat tyre")
    whole = await ops.page.locator("#map-scale").text_content() or ""
    await ops.map.focus()
    await ops.page.keyboard.press("+")
    await ops.page.keyboard.press("+")
    await ops.page.keyboard.press("+")
    await expect(ops.page.locator("#map-scale")).not_to_have_text(whole)

    assert not storm.done()
    storm.cancel()


async def test_a_row_keeps_the_focus_when_it_moves_among_the_others(tower: Chat) -> None:
    ops, feed = await with_fleet(tower)
    names = ops.rows.get_by_role("button")
    await ops.page.get_by_label("Search shipments").fill("S-000")
    await ops.button("State").click()
    await expect(names.last).to_have_text("S-0006")
    await names.last.focus()

    feed.change(6, state="arrived")

    await expect(names.nth(1)).to_have_text("S-0006")
    await expect(names.nth(1)).to_be_focused()
    await ops.page.keyboard.press("Home")
    await expect(names.first).to_be_focused()


async def test_vehicles_move_between_two_messages(tower: Chat) -> None:
    ops, feed = await with_fleet(tower)
    await expect(ops.page.locator("#figure-vehicles")).to_have_text(str(FLEET))
    feed.beat()

    pictures = await ops.page.evaluate(
        """async () => {
          const canvas = document.getElementById("map-vehicles");
          const seen = new Set();
          for (let frame = 0; frame < 60 && seen.size < 3; frame += 1) {
            await new Promise(requestAnimationFrame);
            seen.add(canvas.toDataURL());
          }
          return seen.size;
        }"""
    )

    assert pictures == 3


async def test_the_simulator_fills_the_map(tower: Chat) -> None:
    ops = await watch(tower, TOWER)
    door = KeyDoor(ConnectionString.parse(tower.service.connection_string))

    async with simulating(Config(vehicles=3, transporters=1, customers=1, pause_seconds=0.05), door):
        await expect(ops.page.locator("#figure-vehicles")).to_have_text("3")
        await expect(ops.page.locator("#figure-moving")).to_have_text("3")
        await expect(ops.page.locator(".roads")).to_have_attribute("d", re.compile("^M"))
        await ops.rows.get_by_role("button").first.click()
        await expect(ops.trail.filter(has_text="departed")).to_have_count(1)
