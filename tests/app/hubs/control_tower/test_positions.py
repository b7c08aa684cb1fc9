"""Positions: many in, few messages out."""

from collections.abc import Sequence

import pytest

from app.hubs.control_tower import lead
from app.upstream.errors import Overloaded
from app.upstream.testing import HubClient
from tests.app.hubs.control_tower.stage import (
    CUSTOMER,
    START,
    TOWER,
    TRANSPORTER,
    VEHICLE,
    WAREHOUSE,
    Message,
    Stage,
)

HERE = {"lat": 52.5, "lon": 13.4}


async def vehicles(stage: Stage, count: int) -> Sequence[HubClient]:
    return [await stage.client(f"vehicle:V{number}") for number in range(count)]


async def test_one_message_tells_the_tower_of_all_that_moved(stage: Stage) -> None:
    clients = await vehicles(stage, 50)
    for client in (*clients, *clients[:10]):
        stage.now += 0.01
        assert (await client.send("position", HERE)).status == 204

    await stage.turn()

    (told,) = stage.heard("tower")
    assert (told["type"], told["events"], told["at"]) == ("positions", 60, stage.now)
    assert len(told["rows"]) == len({row[0] for row in told["rows"]}) == 50
    stage.now += 1
    await stage.turn()
    assert len(stage.heard("tower")) == 1


async def test_a_row_has_what_the_vehicle_told_and_null_for_the_rest(stage: Stage) -> None:
    await stage.send(VEHICLE, "position", {**HERE, "speed": 80, "heading": 90, "temperature": 4, "at": START - 3})
    await stage.send("vehicle:V2", "position", {**HERE, "altitude": 35})

    await stage.turn()

    assert stage.heard("tower")[0]["rows"] == [
        ["V1", 52.5, 13.4, 80, 90, 4, START - 3],
        ["V2", 52.5, 13.4, None, None, None, START],
    ]


async def test_so_many_rows_that_no_message_grows_too_large(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "ROWS_PER_MESSAGE", 20)
    for client in await vehicles(stage, 50):
        await client.send("position", HERE)

    await stage.turn()

    told = stage.heard("tower")
    assert [len(one["rows"]) for one in told] == [20, 20, 10]
    assert [one["events"] for one in told] == [50, 0, 0]


async def test_the_store_has_them_a_second_later_in_one_write(stage: Stage) -> None:
    for client in await vehicles(stage, 5):
        await client.send("position", HERE)
    await stage.turn()

    page = await Stage(stage.storage).send(TOWER, "snapshot")

    assert page is not None
    assert sorted(row[0] for row in page["positions"]) == [f"V{number}" for number in range(5)]


async def test_parties_get_the_vehicles_of_their_own_shipments_while_they_move(stage: Stage) -> None:
    await stage.client(CUSTOMER)
    await stage.client("customer:C2")
    await stage.carry(until="loaded")
    await stage.pass_seconds(4, report=HERE)
    assert stage.heard(CUSTOMER, "positions") == []

    await stage.send(VEHICLE, "departed", {"shipment": "S-1"})
    await stage.pass_seconds(4, report=HERE)
    assert [row[0] for one in stage.heard(CUSTOMER, "positions") for row in one["rows"]] == ["V1", "V1"]

    await stage.send(VEHICLE, "arrived", {"shipment": "S-1"})
    await stage.send(VEHICLE, "delivered", {"shipment": "S-1"})
    told = len(stage.heard(CUSTOMER, "positions"))
    await stage.pass_seconds(4, report=HERE)

    assert len(stage.heard(CUSTOMER, "positions")) == told
    assert stage.heard("customer:C2") == []
    assert stage.heard(VEHICLE, "positions") == []


async def test_who_is_not_connected_gets_none(stage: Stage) -> None:
    await stage.carry(until="departed")
    customer = await stage.client(CUSTOMER)
    await stage.pass_seconds(2, report=HERE)
    told = len(stage.heard(CUSTOMER, "positions"))
    await customer.disconnected()

    await stage.pass_seconds(4, report=HERE)

    assert told > 0
    assert len(stage.heard(CUSTOMER, "positions")) == told
    assert stage.heard(TRANSPORTER, "positions") == []


async def test_a_party_whose_arrival_was_not_heard_gets_them_after_its_snapshot(stage: Stage) -> None:
    await stage.carry(until="departed")
    customer = HubClient(stage.hub, connection_id="c-9")
    await customer.connect(user_id=CUSTOMER)

    await customer.send("snapshot", {})
    await stage.pass_seconds(2, report=HERE)

    assert stage.heard(CUSTOMER, "positions")


@pytest.mark.parametrize("party", [WAREHOUSE, TOWER, CUSTOMER])
async def test_only_vehicles_have_positions(stage: Stage, party: str) -> None:
    answer = await stage.send(party, "position", HERE)

    assert answer is not None
    assert answer["code"] == "not_allowed"


async def test_a_full_outbox_costs_positions_and_nothing_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Overloaded("full")

    await stage.carry(until="departed")
    with monkeypatch.context() as full:
        full.setattr(stage.publisher, "send_to_group", refuse)
        await stage.pass_seconds(20, report={**HERE, "lat": 60.0})
    before = len(stage.publisher.sent)

    await stage.pass_seconds(1)

    caught_up = [sent.value for sent in stage.publisher.sent[before:] if isinstance(sent.value, dict)]
    assert [one["type"] for one in caught_up if one["type"] != "positions"] == ["alert", "alert"]


async def test_the_track_has_a_point_a_minute(stage: Stage) -> None:
    await stage.carry(until="departed")
    watch = stage.hub.watch
    for minute in range(3):
        await stage.pass_seconds(60, step=20, report={"lat": 52.0 - minute / 10, "lon": 13.5})
        await watch.track()
        await watch.track()

    detail: Message | None = await stage.send(CUSTOMER, "shipment", {"shipment": "S-1"})

    assert detail is not None
    assert [point[:2] for point in detail["track"]] == [[52.0, 13.5], [51.9, 13.5], [51.8, 13.5]]
