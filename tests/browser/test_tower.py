"""The control tower with several people at it, each with a browser of their own."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from tests.browser.conftest import Chat, running_chat
from tests.browser.tower_stage import (
    C1,
    HUB_PATH,
    T1,
    TOWER,
    V1,
    WH1,
    WH2,
    carry,
    drive,
    party,
    plan,
    service_client,
    watch,
)

MARKUP = "<img src=x onerror=\"document.title='broken'\"> <b>bold</b>"


@pytest_asyncio.fixture(loop_scope="session")
async def tower(browser: Browser) -> AsyncIterator[Chat]:
    async with running_chat(browser, HUB_PATH) as tower:
        yield tower


async def test_the_tower_sees_everything_and_the_others_what_is_theirs(tower: Chat) -> None:
    await carry(tower, "S-1", until="created")
    other = {
        "origin": "warehouse:WH3",
        "destination": "customer:C9",
        "customer": "customer:C9",
        "transporter": "transporter:T9",
    }
    await carry(tower, "S-2", until="created", **other)

    seen = {
        TOWER: ["S-1", "S-2"],
        WH1: ["S-1"],
        "transporter:T9": ["S-2"],
        "customer:C9": ["S-2"],
        C1: ["S-1"],
        "warehouse:WH4": [],
    }

    for user, shipments in seen.items():
        watcher = await watch(tower, user)
        await watcher.button("Shipment").click()
        await expect(watcher.rows.get_by_role("button")).to_have_text(shipments)


async def test_a_warehouse_reports_its_steps_and_the_others_see_them_at_once(tower: Chat) -> None:
    ops, warehouse = await watch(tower, TOWER), await watch(tower, WH1)
    await carry(tower, "S-1", until="created")
    await expect(ops.row("S-1")).to_contain_text("created")

    await warehouse.button("Picked S-1").click()
    await expect(ops.row("S-1")).to_contain_text("picked")
    await warehouse.button("Loaded… S-1").click()
    await warehouse.button("Loaded…").click()
    await warehouse.page.get_by_label("Vehicle", exact=True).fill("not a vehicle")
    await warehouse.button("Report loaded").click()
    await expect(warehouse.page.get_by_role("alert").filter(has_text="A vehicle is letters")).to_be_visible()
    await warehouse.page.get_by_label("Vehicle", exact=True).fill("V1")
    await warehouse.button("Report loaded").click()

    await expect(ops.row("S-1")).to_contain_text("V1")
    await expect(warehouse.panel("Next steps")).to_contain_text("Nothing waits for you.")
    await expect(warehouse.trail).to_have_count(3)
    await expect(warehouse.button("Departed")).to_be_hidden()


async def test_a_transporter_tells_of_a_delay_and_the_tower_resolves_an_exception(tower: Chat) -> None:
    await carry(tower, "S-1")
    carrier, ops, customer = await watch(tower, T1), await watch(tower, TOWER), await watch(tower, C1)

    await carrier.select("S-1")
    await carrier.button("Delayed…").click()
    await carrier.page.get_by_label("Minutes behind the plan").fill("20")
    await carrier.page.get_by_label("Reason").fill("roadworks")
    await carrier.button("Report delayed").click()
    await expect(customer.row("S-1")).to_contain_text("delayed")
    await expect(customer.row("S-1")).to_contain_text("+20 min")

    await customer.select("S-1")
    await customer.button("Exception…").click()
    await customer.button("Report exception").click()
    await expect(customer.page.get_by_role("alert").filter(has_text="Please give a reason")).to_be_visible()
    await customer.page.get_by_label("Reason").fill("nobody home")
    await customer.button("Report exception").click()
    await ops.select("S-1")
    await expect(ops.panel("S-1")).to_contain_text("nobody home")
    await expect(carrier.button("Resolved…")).to_be_hidden()
    await ops.button("Resolved…").click()
    await ops.button("Report resolved").click()

    await expect(carrier.panel("S-1")).to_contain_text("delayed · WH1 → WH2")
    await expect(ops.trail.first).to_contain_text("resolved")


async def test_an_alert_that_one_acknowledges_is_acknowledged_for_all(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops, night, carrier = await watch(tower, TOWER), await watch(tower, "tower:night"), await watch(tower, T1)
    await expect(ops.panel("Alerts")).to_contain_text("All quiet.")

    await drive(tower, temperature=19.5)

    for watcher in (ops, night, carrier):
        await expect(watcher.alerts.filter(has_text="Temperature · S-1")).to_contain_text("19.5 °C (limit 8.0 °C)")
    await expect(ops.page.get_by_role("log", name="New alerts")).to_contain_text("Alert: Temperature, S-1")
    await expect(ops.row("S-1")).to_contain_text("alert")
    await expect(carrier.button("Acknowledge Temperature of S-1")).to_be_hidden()
    await ops.button("Acknowledge Temperature of S-1").click()
    for watcher in (ops, night, carrier):
        await expect(watcher.alerts).to_contain_text("Acknowledged by tower ops")

    await drive(tower, temperature=5.0)
    await expect(night.alerts).to_have_count(0)
    await night.page.get_by_label("Cleared, too").check()
    await expect(night.alerts).to_contain_text("cleared")


async def test_a_shipment_shows_its_trail_and_what_was_told_about_it(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops, warehouse, customer = await watch(tower, TOWER), await watch(tower, WH2), await watch(tower, C1)
    await ops.select("S-1")
    await expect(ops.trail).to_contain_text(["departed", "loaded", "picked", "created"])

    await warehouse.select("S-1")
    await warehouse.page.get_by_label("Write to").select_option("transporter T1")
    await warehouse.panel("S-1").get_by_label("Message").fill("Dock 4 is blocked")
    await warehouse.button("Send message").click()

    for watcher in (ops, warehouse):
        told = watcher.trail.filter(has_text="warehouse WH2 to transporter T1")
        await expect(told).to_contain_text("Dock 4 is blocked")
    await customer.select("S-1")
    await expect(customer.trail).to_have_count(4)
    assert await customer.page.get_by_label("Write to").get_by_role("option").all_text_contents() == [
        "the tower",
        "transporter T1",
    ]


async def test_messages_go_only_where_they_may(tower: Chat) -> None:
    ops, warehouse = await watch(tower, TOWER), await watch(tower, WH1)
    panel = warehouse.panel("Messages")

    await panel.get_by_label("To").fill(C1)
    await panel.get_by_label("Message").fill("Where are you?")
    await panel.get_by_role("button", name="Send").click()
    await expect(panel.get_by_role("alert")).to_have_text("A warehouse does not write to customer C1.")
    await panel.get_by_label("To").fill("tower")
    await panel.get_by_role("button", name="Send").click()

    await expect(panel.get_by_role("listitem")).to_contain_text("Where are you?")
    await ops.button("Messages").click()
    await expect(ops.panel("Messages").get_by_role("listitem")).to_contain_text("warehouse WH1 to the tower")


async def test_a_new_shipment_is_planned_in_the_tower(tower: Chat) -> None:
    await carry(tower, "S-1", until="created")
    ops, warehouse = await watch(tower, TOWER), await watch(tower, WH2)
    await expect(ops.page.locator(".place")).to_have_count(2)

    await ops.button("New…").click()
    dialog = ops.page.get_by_role("dialog", name="A new shipment")
    for label, text in (("Called", "S-1"), ("Goods", "tea"), ("From", WH1), ("To", WH2), ("Carried by", "T1")):
        await dialog.get_by_label(label, exact=True).fill(text)
    await dialog.get_by_role("button", name="Create shipment").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("Who carries it?")
    await dialog.get_by_label("Carried by").fill(T1)
    await dialog.get_by_role("button", name="Create shipment").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("there is a shipment S-1 already")
    await dialog.get_by_label("Called").fill("S-2")
    await dialog.get_by_role("button", name="Create shipment").click()

    await expect(ops.panel("S-2")).to_contain_text("tea")
    await expect(warehouse.row("S-2")).to_contain_text("created")


async def test_after_the_service_has_restarted_everything_is_loaded_again(tower: Chat) -> None:
    await carry(tower, "S-1", until="created")
    ops = await watch(tower, TOWER)
    await ops.select("S-1")

    await ops.page.route("**/negotiate*", lambda route: route.abort())
    await tower.stop_service()
    await expect(ops.state).to_contain_text("Reconnecting")
    await expect(ops.page.get_by_text("Not live: as of")).to_be_visible()
    await tower.start_service()
    async with party(tower, WH1) as warehouse:
        await warehouse.send("picked", {"shipment": "S-1"})
    await expect(ops.row("S-1")).to_contain_text("created")
    await ops.page.unroute("**/negotiate*")
    await ops.hurry_back()

    await ops.is_live()
    await expect(ops.page.get_by_text("Not live: as of")).to_be_hidden()
    await expect(ops.row("S-1")).to_contain_text("picked")
    await expect(ops.trail.first).to_contain_text("picked")


async def test_who_leaves_and_comes_back_as_another_sees_nothing_of_before(tower: Chat) -> None:
    await carry(tower, "S-1")
    someone = await watch(tower, TOWER)
    await drive(tower, temperature=19.5)
    await expect(someone.alerts).to_contain_text("19.5 °C")
    await someone.select("S-1")

    await someone.button("Leave").click()
    await expect(someone.page.get_by_role("alert")).to_have_text("You have left the tower.")
    await someone.enter("customer:C8")

    await expect(someone.panel("Shipments")).to_contain_text("There are no shipments yet.")
    await expect(someone.panel("S-1")).to_be_hidden()
    await expect(someone.page.get_by_text("No vehicle has reported")).to_be_visible()
    await expect(someone.page.get_by_role("log", name="New alerts")).to_be_empty()
    await expect(someone.panel("Alerts")).to_be_hidden()


async def test_what_was_not_confirmed_may_be_sent_again_and_counts_once(tower: Chat) -> None:
    await carry(tower, "S-1")
    ops = await watch(tower)

    def lose_the_answer(route: WebSocketRoute) -> None:
        service = route.connect_to_server()

        def go(text: str | bytes) -> None:
            if "Take the A4" in str(text):
                lost.append(json.loads(text)["ackId"])
            service.send(text)

        def come(text: str | bytes) -> None:
            if len(lost) != 1 or closing:
                route.send(text)
            elif json.loads(text).get("ackId") == lost[0]:
                closing.append(asyncio.ensure_future(route.close(code=1012)))

        route.on_message(go)
        service.on_message(come)

    lost: list[int] = []
    closing: list[asyncio.Future[None]] = []
    await ops.page.route_web_socket(lambda _: True, lose_the_answer)
    await ops.enter(TOWER)
    await ops.select("S-1")
    await ops.panel("S-1").get_by_label("Message").fill("Take the A4")
    await ops.button("Send message").click()
    await expect(ops.page.get_by_role("alert").filter(has_text="Not confirmed")).to_be_visible()
    await ops.hurry_back()
    await ops.is_live()
    await ops.button("Send message").click()

    await expect(ops.panel("S-1").get_by_label("Message")).to_have_value("")
    await ops.panel("S-1").get_by_label("Message").fill("Good luck")
    await ops.button("Send message").click()
    await expect(ops.trail.filter(has_text="Good luck")).to_have_count(1)
    await expect(ops.trail.filter(has_text="Take the A4")).to_have_count(1)


async def test_a_forged_token_does_not_open_the_tower(tower: Chat) -> None:
    ops = await watch(tower)

    async def forge(route: Route) -> None:
        access = await (await route.fetch()).json()
        access["url"] = access["url"][:-4] + "AAAA"
        await route.fulfill(body=json.dumps(access), content_type="application/json")

    await ops.page.route("**/negotiate*", forge)
    await ops.knock(TOWER)

    await expect(ops.page.get_by_role("alert")).to_contain_text("The server did not let you in")
    await expect(ops.table).to_be_hidden()


async def test_a_name_that_is_none_is_refused_at_the_door(tower: Chat) -> None:
    ops = await watch(tower)

    await ops.knock(f"warehouse:{MARKUP[:40]}")

    await expect(ops.page.get_by_role("alert")).to_contain_text("A name is letters, digits")


async def test_what_people_write_is_never_markup(tower: Chat) -> None:
    await carry(tower, "S-1", until="created", goods=MARKUP)
    async with party(tower, WH1) as warehouse:
        await warehouse.send("exception", {"shipment": "S-1", "reason": MARKUP})
        await warehouse.send("tell", {"to": "tower", "shipment": "S-1", "message": MARKUP})
    ops = await watch(tower, TOWER)

    await ops.select("S-1")
    await ops.button("Messages").click()

    await expect(ops.trail.filter(has_text=MARKUP)).to_have_count(2)
    await expect(ops.panel("S-1").get_by_role("definition").filter(has_text=MARKUP)).to_have_count(2)
    await expect(ops.panel("Messages").get_by_role("listitem")).to_contain_text(MARKUP)
    await expect(ops.page.locator("img[src=x]")).to_have_count(0)
    await expect(ops.page).to_have_title("Control tower")


async def test_whatever_a_service_client_sends_is_shown_or_ignored_but_breaks_nothing(tower: Chat) -> None:
    ops = await watch(tower, TOWER)
    odd: list[dict[str, object]] = [
        {"type": "shipment", "shipment": {"id": "S-9", "state": "lost"}},
        {"type": "shipment", "shipment": {"id": "S-3", "state": "departed", "vehicle": 7, "arriveAt": "soon"}},
        {"type": "positions", "at": "now", "rows": [["V1"], [1, 2, 3], ["V2", 200, 13, None], "V3"]},
        {"type": "alert", "alert": {"id": "a", "kind": {}, "value": "high"}},
        {"type": "charts", "perMinute": [[None, None]], "lateness": [7, [None, None, None]]},
        {"type": "message", "id": 4, "from": ["a"], "message": {"b": 1}},
        {"type": "accepted"},
        {"type": "alert", "alert": {"id": "b", "kind": "__proto__", "shipment": {"toString": 1, "valueOf": 1}}},
        {"type": "message", "id": 5, "from": {"toString": 1, "valueOf": 1}, "message": "x"},
        {"type": "no such type"},
    ]

    async with service_client(tower) as service:
        for message in odd:
            await service.send_to_group("tower", message, content_type="application/json")
    await carry(tower, "S-1", until="created", vehicle=V1)

    await expect(ops.row("S-1")).to_be_visible()
    await expect(ops.row("S-9")).to_have_count(0)
    await ops.select("S-3")
    await expect(ops.panel("S-3")).to_contain_text("there is no shipment S-3")


async def test_of_two_versions_the_newer_stays_in_whatever_order_they_come(tower: Chat) -> None:
    ops = await watch(tower, TOWER)
    made = {key: value for key, value in plan("S-1").items() if key not in ("shipment", "route", "limits")}

    async with service_client(tower) as service:
        for number, state in ((3, "loaded"), (2, "picked")):
            shipment = {**made, "id": "S-1", "number": number, "state": state}
            await service.send_to_group(
                "tower", {"type": "shipment", "shipment": shipment}, content_type="application/json"
            )
        await service.send_to_group(
            "tower", {"type": "shipment", "shipment": {**made, "id": "S-2", "number": 1, "state": "created"}}
        )

    await expect(ops.row("S-2")).to_be_visible()
    await expect(ops.row("S-1")).to_contain_text("loaded")
