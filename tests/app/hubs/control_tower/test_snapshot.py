"""What a page loads."""

import pytest

from app.hubs.control_tower import snapshot
from app.hubs.control_tower.trails import SHOWN_SECONDS
from tests.app.hubs.control_tower.stage import CUSTOMER, START, TOWER, TRANSPORTER, VEHICLE, WAREHOUSE, Message, Stage


async def pages(stage: Stage, party: str) -> list[Message]:
    found: list[Message] = []
    while not found or found[-1]["next"] is not None:
        page = await stage.send(party, "snapshot", {"after": found[-1]["next"]} if found else {})
        assert page is not None
        found.append(page)
    return found


async def test_it_comes_in_pages_and_only_the_first_has_the_rest(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 2)
    for number in range(5):
        await stage.carry(f"S-{number}", until="created")
    await stage.send(WAREHOUSE, "tell", {"to": "tower", "message": "hi"})

    first, *more = await pages(stage, TOWER)

    assert [[one["id"] for one in page["shipments"]] for page in (first, *more)] == [
        ["S-0", "S-1"],
        ["S-2", "S-3"],
        ["S-4"],
    ]
    assert (len(first["messages"]), first["charts"]["type"]) == (1, "charts")
    assert all(
        (page["messages"], page["alerts"], page["positions"], page["charts"]) == ([], [], [], None) for page in more
    )


async def test_a_party_has_its_own_shipments_and_what_belongs_to_them(stage: Stage) -> None:
    await stage.carry("S-1", until="departed")
    await stage.carry("S-2", until="created", customer="customer:C2", transporter="transporter:T2")
    await stage.pass_seconds(30, report={"lat": 52.5, "lon": 10.0})

    seen = {party: (await pages(stage, party))[0] for party in (CUSTOMER, "customer:C2", TRANSPORTER, VEHICLE, TOWER)}

    ids = {party: [one["id"] for one in page["shipments"]] for party, page in seen.items()}
    assert ids == {
        CUSTOMER: ["S-1"],
        "customer:C2": ["S-2"],
        TRANSPORTER: ["S-1"],
        VEHICLE: ["S-1"],
        TOWER: ["S-1", "S-2"],
    }
    assert {party for party, page in seen.items() if page["positions"]} == {CUSTOMER, TRANSPORTER, TOWER}
    assert {party for party, page in seen.items() if page["alerts"]} == {TRANSPORTER, TOWER}
    assert {party for party, page in seen.items() if page["charts"]} == {TOWER}
    assert all(page["me"] == party for party, page in seen.items())


async def test_what_was_delivered_a_day_ago_is_no_longer_listed(stage: Stage) -> None:
    await stage.carry("S-1", until="delivered")
    await stage.carry("S-2", until="created")
    stage.now += SHOWN_SECONDS - 1
    assert len((await pages(stage, CUSTOMER))[0]["shipments"]) == 2

    stage.now += 2

    assert [one["id"] for one in (await pages(stage, CUSTOMER))[0]["shipments"]] == ["S-2"]
    detail = await stage.send(CUSTOMER, "shipment", {"shipment": "S-1"})
    assert detail is not None
    assert detail["shipment"]["state"] == "delivered"


async def test_a_shipment_in_detail(stage: Stage) -> None:
    await stage.carry(until="departed")

    detail = await stage.send(CUSTOMER, "shipment", {"shipment": "S-1", "id": "d1"})

    assert detail is not None
    assert (detail["type"], detail["id"]) == ("detail", "d1")
    assert [(one["number"], one["event"]) for one in detail["trail"]] == [
        (1, "created"),
        (2, "picked"),
        (3, "loaded"),
        (4, "departed"),
    ]
    assert detail["route"][0] == [52.52, 13.41]
    assert detail["limits"] == {"lateSeconds": 900, "offRouteMetres": 2000, "silentSeconds": 60, "holdSeconds": 10}


async def test_of_somebody_elses_shipment_nobody_learns_that_it_exists(stage: Stage) -> None:
    await stage.carry(until="departed")

    theirs = await stage.send("customer:C9", "shipment", {"shipment": "S-1"})
    nobodys = await stage.send("customer:C9", "shipment", {"shipment": "S-9"})

    assert theirs is not None
    assert nobodys is not None
    assert theirs["code"] == nobodys["code"] == "unknown_shipment"
    assert theirs["message"].replace("S-1", "S-9") == nobodys["message"]


async def test_charts_reach_the_tower_when_something_was_delivered(stage: Stage) -> None:
    await stage.pass_seconds(4)
    assert stage.heard("tower", "charts") == []
    await stage.carry(until="arrived")
    stage.now = START + 3600 + 1000
    await stage.send(VEHICLE, "delivered", {"shipment": "S-1"})
    await stage.send(VEHICLE, "delivered", {"shipment": "S-1"})

    await stage.pass_seconds(10)

    (charts,) = stage.heard("tower", "charts")
    assert (charts["delivered"], charts["late"]) == (1, 1)
    assert [900, 1800, 1] in charts["lateness"]
