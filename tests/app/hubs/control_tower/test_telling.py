"""What parties say to each other."""

from tests.app.hubs.control_tower.stage import (
    CUSTOMER,
    OTHER_WAREHOUSE,
    START,
    TOWER,
    TRANSPORTER,
    VEHICLE,
    WAREHOUSE,
    Stage,
)


async def test_both_sides_and_the_tower_hear_it_and_nobody_else(stage: Stage) -> None:
    await stage.carry(until="departed")

    answer = await stage.send(
        WAREHOUSE, "tell", {"to": OTHER_WAREHOUSE, "shipment": "S-1", "message": "Dock 4 <b>", "id": "m1"}
    )

    assert answer == {"type": "accepted", "id": "m1", "shipment": "S-1", "number": 5, "state": "departed"}
    for group in (WAREHOUSE, OTHER_WAREHOUSE, "tower"):
        (told,) = stage.heard(group, "message")
        assert told.pop("id")
        assert told == {
            "type": "message",
            "from": WAREHOUSE,
            "to": OTHER_WAREHOUSE,
            "shipment": "S-1",
            "message": "Dock 4 <b>",
            "at": START,
        }
    assert not any(stage.heard(group, "message") for group in (TRANSPORTER, VEHICLE, CUSTOMER))


async def test_it_is_in_the_trail_for_those_two_and_the_tower(stage: Stage) -> None:
    await stage.carry(until="departed")
    await stage.send(TRANSPORTER, "tell", {"to": CUSTOMER, "shipment": "S-1", "message": "on its way"})

    seen = {}
    for party in (TRANSPORTER, CUSTOMER, TOWER, VEHICLE, WAREHOUSE):
        detail = await stage.send(party, "shipment", {"shipment": "S-1"})
        assert detail is not None
        seen[party] = [one["message"] for one in detail["trail"] if one["event"] == "told"]

    assert seen == {
        TRANSPORTER: ["on its way"],
        CUSTOMER: ["on its way"],
        TOWER: ["on its way"],
        VEHICLE: [],
        WAREHOUSE: [],
    }


async def test_without_a_shipment_it_is_kept_for_the_next_snapshot(stage: Stage) -> None:
    answer = await stage.send(VEHICLE, "tell", {"to": "tower", "message": "brake check"})

    assert answer == {"type": "accepted", "id": None, "shipment": None, "number": None, "state": None}
    for party in (VEHICLE, TOWER):
        page = await stage.send(party, "snapshot")
        assert page is not None
        assert [one["message"] for one in page["messages"]] == ["brake check"]
    page = await stage.send(WAREHOUSE, "snapshot")
    assert page is not None
    assert page["messages"] == []


async def test_with_a_customer_it_is_about_one_of_its_shipments(stage: Stage) -> None:
    await stage.carry(until="created")

    for data in (
        {"to": CUSTOMER, "message": "buy now"},
        {"to": "customer:C9", "shipment": "S-1", "message": "buy now"},
        {"to": CUSTOMER, "shipment": "S-9", "message": "buy now"},
    ):
        answer = await stage.send(TRANSPORTER, "tell", data)
        assert answer is not None
        assert answer["code"] in ("not_allowed", "unknown_shipment")
    assert stage.heard(CUSTOMER, "message") == []
    assert stage.heard("customer:C9") == []


async def test_every_tower_hears_what_is_said_to_one(stage: Stage) -> None:
    await stage.send(WAREHOUSE, "tell", {"to": "tower:night", "message": "closing"})

    assert [one["to"] for one in stage.heard("tower", "message")] == ["tower:night"]


async def test_what_is_said_again_under_its_id_is_kept_once(stage: Stage) -> None:
    said = {"to": "tower", "message": "brake check", "id": "m1"}
    for _ in range(2):
        answer = await stage.send(VEHICLE, "tell", said)
        assert answer is not None
        assert answer["type"] == "accepted"
        stage.now += 60
    other = await stage.send(VEHICLE, "tell", {**said, "message": "all is well"})

    page = await stage.send(TOWER, "snapshot")
    assert page is not None
    assert [one["message"] for one in page["messages"]] == ["brake check"]
    assert len({one["id"] for one in stage.heard("tower", "message")}) == 1
    assert other is not None
    assert other["code"] == "id_reused"
