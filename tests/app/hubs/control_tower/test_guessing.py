"""Whoever guesses an id of somebody else's learns nothing, not even whether there is such a shipment."""

from typing import Any

import pytest

from tests.app.hubs.control_tower.stage import CUSTOMER, Stage, plan

THEIRS, NOBODYS = "S-1", "S-404"
STRANGERS = ("customer:stranger", "warehouse:stranger", "transporter:stranger", "vehicle:stranger")
ASKED: dict[str, dict[str, Any]] = {
    "shipment": {},
    "picked": {},
    "loaded": {"vehicle": "stranger"},
    "departed": {},
    "arrived": {},
    "delivered": {},
    "delayed": {"seconds": 60, "reason": "x"},
    "tell": {"to": "tower", "message": "x"},
}


async def answer(stage: Stage, party: str, event: str, shipment: str) -> str:
    """Without the id that was asked for."""
    told = await stage.send(party, event, {"shipment": shipment, **ASKED[event]})
    return str(told).replace(shipment, "…")


@pytest.mark.parametrize("party", STRANGERS)
@pytest.mark.parametrize("event", ASKED)
async def test_another_partys_shipment_is_as_one_that_is_not(event: str, party: str) -> None:
    stage = Stage()
    await stage.carry(THEIRS, until="loaded")
    sent = len(stage.publisher.sent)

    theirs, nobodys = await answer(stage, party, event, THEIRS), await answer(stage, party, event, NOBODYS)

    assert theirs == nobodys
    assert "error" in theirs
    assert CUSTOMER not in theirs
    assert len(stage.publisher.sent) == sent


async def test_an_id_that_is_taken_is_not_given_again() -> None:
    """The one thing that can be learnt, by who may make shipments."""
    stage = Stage()
    await stage.carry(THEIRS, until="loaded")
    told = await stage.send("warehouse:W2", "created", plan(THEIRS))

    assert told is not None
    assert told["type"] == "error"
    assert CUSTOMER not in str(told)
