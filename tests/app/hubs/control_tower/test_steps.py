"""Events that move a shipment: what they are answered, who hears of them, and what a repeat does."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import from_json

from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import KEEP, Keep, Record
from app.upstream.testing import HubClient
from tests.app.hubs.control_tower.stage import (
    CUSTOMER,
    OTHER_WAREHOUSE,
    START,
    TOWER,
    TRANSPORTER,
    VEHICLE,
    WAREHOUSE,
    Stage,
    plan,
)


async def test_a_shipment_moves_and_its_parties_and_the_tower_hear_of_it(stage: Stage) -> None:
    await stage.carry(until="created")
    stage.now += 5

    answer = await stage.send(WAREHOUSE, "picked", {"shipment": "S-1", "id": "a2"})

    assert answer == {"type": "accepted", "id": "a2", "shipment": "S-1", "number": 2, "state": "picked"}
    for group in (WAREHOUSE, OTHER_WAREHOUSE, TRANSPORTER, CUSTOMER, "tower"):
        told = stage.heard(group, "shipment")[-1]
        assert (told["event"], told["by"], told["at"]) == ("picked", WAREHOUSE, START + 5)
        assert (told["shipment"]["state"], told["shipment"]["number"]) == ("picked", 2)
    assert stage.heard(VEHICLE) == []


async def test_the_vehicle_hears_of_it_from_its_loading_on(stage: Stage) -> None:
    await stage.carry(until="loaded")

    assert [one["event"] for one in stage.heard(VEHICLE, "shipment")] == ["loaded"]


@pytest.mark.parametrize(
    ("event", "data", "words"),
    [
        ("picked", {}, "shipment: Field required"),
        ("picked", {"shipment": "S-1", "colour": "red"}, "colour: Extra inputs"),
        ("picked", {"shipment": "../S-1"}, "shipment: "),
        ("loaded", {"shipment": "S-1", "vehicle": "warehouse:WH1"}, "vehicle: "),
        ("delayed", {"shipment": "S-1", "seconds": -1, "reason": "x"}, "seconds: "),
        ("created", plan(arriveAt=START - 1), "arriveAt must be after departAt"),
        ("created", plan(destination=WAREHOUSE), "destination must not be the origin"),
        ("created", plan(cold={"min": 8, "max": 2}), "min must be below max"),
        ("created", plan(route=[[52, 13]]), "route: "),
        ("created", plan(route=[[91, 13], [52, 13]]), "route.0.0: "),
        ("tell", {"to": "everybody", "message": "hi"}, "to: "),
        ("picked", [], "Input should be an object"),
        ("picked", "not json", "Invalid JSON"),
        ("picked", b"\xff", "Invalid JSON"),
    ],
)
async def test_what_is_not_well_formed_is_named(stage: Stage, event: str, data: Any, words: str) -> None:
    answer = await stage.send(WAREHOUSE, event, data)

    assert answer is not None
    assert (answer["type"], answer["code"]) == ("error", "bad_request")
    assert words in answer["message"]


async def test_an_error_says_which_request_it_is_about(stage: Stage) -> None:
    answer = await stage.send(WAREHOUSE, "picked", {"id": "k7", "shipment": 5})

    assert answer is not None
    assert answer["id"] == "k7"


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200), st.sampled_from(["created", "tell", "position", "snapshot"]))
async def test_no_data_whatever_makes_the_hub_fail(data: bytes | str, event: str) -> None:
    answer = await Stage().send(VEHICLE, event, data)

    assert answer is not None
    assert answer["code"] == "bad_request"


async def test_event_names_are_compared_without_case_and_unknown_ones_refused(stage: Stage) -> None:
    created = await stage.send(WAREHOUSE, "Created", plan())
    unknown = await stage.send(WAREHOUSE, "exploded", {"id": "u1"})

    assert created is not None
    assert created["state"] == "created"
    assert unknown == {
        "type": "error",
        "id": "u1",
        "code": "unknown_event",
        "message": "there is no event exploded",
    }


async def test_an_event_sent_again_with_its_id_counts_once_on_any_connection(stage: Stage) -> None:
    await stage.carry(until="created")
    first = await stage.send(WAREHOUSE, "picked", {"shipment": "S-1", "id": "a2"})
    stage.now += 60
    reply = await (await stage.client(WAREHOUSE)).send("picked", {"shipment": "S-1", "id": "a2"})

    assert from_json(reply.body) == first
    assert len(await stage.storage.read("shipment/S-1")) == 2


async def test_an_id_that_was_something_else_is_refused(stage: Stage) -> None:
    await stage.send(WAREHOUSE, "created", plan(id="a1"))

    answer = await stage.send(WAREHOUSE, "picked", {"shipment": "S-1", "id": "a1"})
    of_somebody_else = await stage.send(TOWER, "exception", {"shipment": "S-1", "id": "a1", "reason": "lost"})

    assert answer is not None
    assert answer["code"] == "id_reused"
    assert of_somebody_else is not None
    assert of_somebody_else["state"] == "exception"


async def test_a_redelivery_that_another_replica_gets_counts_once(stage: Stage) -> None:
    """The first replica died after it wrote, before it answered: the service delivers the same event again."""
    await stage.carry(until="created")
    first = await stage.client(WAREHOUSE, connection_id="c-7")
    before = await first.send("picked", {"shipment": "S-1"})
    other = Stage(stage.storage)
    again = HubClient(other.hub, connection_id="c-7")
    await again.connect(user_id=WAREHOUSE)
    await again.connected()

    after = await again.send("picked", {"shipment": "S-1"})

    assert after.body == before.body
    assert len(await stage.storage.read("shipment/S-1")) == 2
    ids = [one.heard(TRANSPORTER, "shipment")[-1]["id"] for one in (stage, other)]
    assert ids[0] == ids[1]


async def test_a_redelivery_is_known_even_where_other_events_were_not(stage: Stage) -> None:
    """This replica remembers the shipment as it was before two others, of which the second is the one redelivered."""
    await stage.carry(until="created")
    other = Stage(stage.storage)
    await other.send(TOWER, "tell", {"to": WAREHOUSE, "shipment": "S-1", "message": "hurry"})
    first = await other.client(WAREHOUSE, connection_id="c-7")
    before = await first.send("picked", {"shipment": "S-1"})
    again = HubClient(stage.hub, connection_id="c-7")
    await again.connect(user_id=WAREHOUSE)
    await again.connected()
    stage.now += 60

    after = await again.send("picked", {"shipment": "S-1"})
    loaded = await stage.send(WAREHOUSE, "loaded", {"shipment": "S-1", "vehicle": VEHICLE})

    assert after.body == before.body
    assert loaded is not None
    assert (loaded["state"], loaded["number"]) == ("loaded", 4)


class Meddling(MemoryStorage):
    """Before an append somebody else is always first, so many times."""

    def __init__(self) -> None:
        super().__init__()
        self.times = 0
        self.meddle: Any = None

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        if expected is not None and self.times:
            self.times -= 1
            await self.meddle()
        return await super().append(log, body, id=id, expected=expected, keep=keep)


async def told_by_the_tower(storage: MemoryStorage) -> None:
    newest = await storage.newest("shipment/S-1", limit=1)
    body = b'{"event":"told","by":"tower:main","at":1,"to":"warehouse:WH1","message":"hi"}'
    await MemoryStorage.append(storage, "shipment/S-1", body, id=f"other-{newest[0].number}")


@pytest.mark.parametrize(("times", "state"), [(1, "picked"), (5, "picked"), (100, None)])
async def test_who_comes_second_reads_again_and_decides_again(times: int, state: str | None) -> None:
    storage = Meddling()
    stage = Stage(storage)
    await stage.carry(until="created")
    storage.meddle = lambda: told_by_the_tower(storage)
    storage.times = times

    answer = await stage.send(WAREHOUSE, "picked", {"shipment": "S-1"})

    assert answer is not None
    if state is None:
        assert answer["code"] == "busy"
    else:
        assert (answer["state"], answer["number"]) == (state, 2 + times)


async def test_of_two_replicas_that_hear_opposite_things_one_is_refused(stage: Stage) -> None:
    """Each replica remembers the shipment as it was; the store decides."""
    other = Stage(stage.storage)
    await stage.carry(until="departed")
    assert await other.send(TRANSPORTER, "shipment", {"shipment": "S-1"})

    arrived = await stage.send(VEHICLE, "arrived", {"shipment": "S-1"})
    delayed = await other.send(TRANSPORTER, "delayed", {"shipment": "S-1", "seconds": 60, "reason": "fog"})

    assert arrived is not None
    assert arrived["state"] == "arrived"
    assert delayed is not None
    assert delayed["code"] == "wrong_state"


async def test_everything_is_there_after_a_restart(stage: Stage) -> None:
    await stage.carry(until="departed")
    before = await stage.send(TOWER, "snapshot")

    again = Stage(stage.storage)

    assert await again.send(TOWER, "snapshot") == before
    arrived = await again.send(VEHICLE, "arrived", {"shipment": "S-1"})
    assert arrived is not None
    assert arrived["number"] == 5
