"""Alerts, from the measurement to the acknowledgement."""

from typing import Any

import pytest

from app.hubs.control_tower.alerts import CLEARED_SHOWN, AlertEntry, Alerts
from app.upstream.memory_storage import MemoryStorage
from tests.app.hubs.control_tower.stage import (
    CUSTOMER,
    START,
    TOWER,
    TRANSPORTER,
    VEHICLE,
    Message,
    Stage,
)

ON_THE_LINE = {"lat": 52.5, "lon": 13.415, "temperature": 5.0}
OFF_THE_LINE = {**ON_THE_LINE, "lon": 12.5}
TOO_WARM = {**ON_THE_LINE, "temperature": 9.0}


def alerts(stage: Stage, group: str = "tower") -> list[Message]:
    return [one["alert"] for one in stage.heard(group, "alert")]


async def test_it_is_raised_once_and_cleared_once(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(60, report=TOO_WARM)
    await stage.pass_seconds(60, report=ON_THE_LINE)

    raised, cleared = alerts(stage)
    assert raised == {
        "id": f"temperature/S-1/{int(raised['raisedAt'])}",
        "number": 1,
        "kind": "temperature",
        "shipment": "S-1",
        "vehicle": VEHICLE,
        "transporter": TRANSPORTER,
        "value": 9.0,
        "limit": 8.0,
        "raisedAt": raised["raisedAt"],
        "clearedAt": None,
        "acknowledgedBy": None,
        "acknowledgedAt": None,
    }
    assert 10 <= raised["raisedAt"] - START <= 13
    assert cleared == {**raised, "number": 2, "clearedAt": cleared["clearedAt"]}
    assert 70 <= cleared["clearedAt"] - START <= 73
    assert alerts(stage, TRANSPORTER) == [raised, cleared]
    assert alerts(stage, CUSTOMER) == []


@pytest.mark.parametrize(
    ("report", "seconds", "kind"),
    [(OFF_THE_LINE, 30, "off_route"), (None, 65, "silent"), (ON_THE_LINE, 1000, "late")],
)
async def test_each_kind_has_its_own_reason(stage: Stage, report: Any, seconds: int, kind: str) -> None:
    await stage.carry(until="departed")

    await stage.pass_seconds(seconds, report=report)

    assert [one["kind"] for one in alerts(stage)] == [kind]


async def test_a_silent_vehicle_is_well_again_with_its_next_position(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(65)

    await stage.pass_seconds(2, report=ON_THE_LINE)

    assert [one["clearedAt"] is not None for one in alerts(stage)] == [False, True]


async def test_with_the_arrival_what_is_of_the_road_is_over(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(30, report=OFF_THE_LINE)

    await stage.send(VEHICLE, "arrived", {"shipment": "S-1"})
    await stage.pass_seconds(1)

    assert [(one["kind"], one["clearedAt"] is not None) for one in alerts(stage)] == [
        ("off_route", False),
        ("off_route", True),
    ]


async def test_what_ended_while_nobody_led_is_over_too(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(30, report=OFF_THE_LINE)
    await stage.hub.watch.resign()
    await stage.send(VEHICLE, "arrived", {"shipment": "S-1"})
    await stage.send(VEHICLE, "delivered", {"shipment": "S-1"})
    again = Stage(stage.storage)
    again.now = stage.now

    await again.pass_seconds(1)

    assert [one["clearedAt"] is not None for one in alerts(again)] == [False, True]


async def test_the_next_leader_goes_on_where_the_last_one_was(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(30, report=TOO_WARM)
    await stage.hub.watch.resign()
    again = Stage(stage.storage)
    again.now = stage.now

    await again.pass_seconds(30, report=TOO_WARM)
    await again.pass_seconds(30, report=ON_THE_LINE)

    (raised,) = alerts(stage)
    said_again, cleared = alerts(again)
    assert said_again == raised
    assert cleared == {**raised, "number": 2, "clearedAt": cleared["clearedAt"]}
    assert cleared["clearedAt"] > again.now - 30


async def test_the_tower_acknowledges_and_the_first_one_counts(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(30, report=TOO_WARM)
    (raised,) = alerts(stage)
    other = Stage(stage.storage)
    other.now = stage.now + 5

    first = await stage.send(TOWER, "acknowledge", {"alert": raised["id"], "id": "k1"})
    second = await other.send("tower:night", "acknowledge", {"alert": raised["id"], "id": "k2"})

    assert first == {"type": "accepted", "id": "k1", "shipment": "S-1", "number": 2, "state": None}
    assert second == {**first, "id": "k2"}
    for group in ("tower", TRANSPORTER):
        assert alerts(stage, group)[-1]["acknowledgedBy"] == TOWER
        assert alerts(other, group)[-1] == alerts(stage, group)[-1]
    page = await Stage(stage.storage).send(TOWER, "snapshot")
    assert page is not None
    assert page["alerts"] == [alerts(stage)[-1]]


async def test_an_alert_that_was_acknowledged_is_still_cleared(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.pass_seconds(30, report=TOO_WARM)
    await stage.send(TOWER, "acknowledge", {"alert": alerts(stage)[0]["id"]})

    await stage.pass_seconds(30, report=ON_THE_LINE)

    last = alerts(stage)[-1]
    assert last["acknowledgedBy"] == TOWER
    assert last["clearedAt"] is not None


async def test_only_the_tower_acknowledges_and_only_what_there_is(stage: Stage) -> None:
    theirs = await stage.send(TRANSPORTER, "acknowledge", {"alert": "x"})
    nothing = await stage.send(TOWER, "acknowledge", {"alert": "x"})

    assert theirs is not None
    assert theirs["code"] == "not_allowed"
    assert nothing is not None
    assert nothing["code"] == "unknown_alert"


def raised_entry(alert: str, *, shipment: str) -> AlertEntry:
    facts = {"kind": "silent", "shipment": shipment, "transporter": TRANSPORTER, "value": 61, "limit": 60}
    return AlertEntry.model_validate({"event": "raised", "alert": alert, "at": 1.0, **facts})


async def test_however_many_are_over_at_once_each_of_them_is_told() -> None:
    alerts_of_many = Alerts(MemoryStorage())
    names = [f"silent/S-{number}/1" for number in range(2 * CLEARED_SHOWN)]
    raised = [raised_entry(name, shipment=name) for name in names]

    assert len(await alerts_of_many.change(raised)) == len(names)
    cleared = await alerts_of_many.change([AlertEntry(event="cleared", alert=name, at=2.0) for name in names])

    assert [one.id for one in cleared] == names
    assert len(list(alerts_of_many)) == CLEARED_SHOWN


async def test_of_two_replicas_that_judge_at_once_one_has_to_look_again() -> None:
    storage = MemoryStorage()
    one, other = Alerts(storage), Alerts(storage)
    entry = raised_entry("a", shipment="S-1")

    assert len(await one.change([entry])) == 1
    assert await other.change([entry]) == []
    assert other.open("silent", "S-1") == one.open("silent", "S-1")
