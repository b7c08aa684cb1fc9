"""When an alert goes up, and when it comes down again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from app.hubs.control_tower.fleet import Position
from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.requests import Create
from app.hubs.control_tower.rules import Kind, Latch, Measure, is_over, measures, step
from app.hubs.control_tower.shipment import Shipment, State
from tests.app.hubs.control_tower.stage import START, VEHICLE, plan

HOLD = 10.0
values = st.lists(st.tuples(st.floats(0.1, 30), st.floats(-5, 15)), max_size=40)
"""Pauses and what is measured after each; up above 10, down at 5."""


def measure(value: float, hold: float = HOLD) -> Measure:
    return Measure(value, 10, 5, hold, value, 10)


@settings(deadline=None)
@given(values)
def test_a_latch_changes_only_after_the_condition_lasted(history: list[tuple[float, float]]) -> None:
    latch, now, since = Latch(), 0.0, 0.0
    for pause, value in history:
        now += pause
        wants = value <= 5 if latch.is_up else value > 10
        if not wants:
            since = now + 1e9
        elif since > now:
            since = now
        after = step(latch, measure(value), now)
        if after.is_up != latch.is_up:
            assert wants
            assert now - since >= HOLD
            since = now + 1e9
        latch = after


@settings(deadline=None)
@given(st.booleans(), st.lists(st.floats(5.001, 10), max_size=30))
def test_between_the_bounds_nothing_ever_changes(is_up: bool, history: list[float]) -> None:
    latch = Latch(is_up)
    for now, value in enumerate(history):
        latch = step(latch, measure(value), now * 100.0)

    assert latch == Latch(is_up)


@settings(deadline=None)
@given(st.booleans(), st.floats(0, 60))
def test_a_condition_that_lasts_ends_the_same_wherever_it_began(is_up: bool, hold: float) -> None:
    raised = cleared = Latch(is_up)
    for now in range(62):
        raised = step(raised, measure(11, hold), now)
        cleared = step(cleared, measure(4, hold), now)

    assert raised.is_up
    assert not cleared.is_up


def test_without_a_hold_it_is_at_once() -> None:
    assert step(Latch(), measure(10.1, 0), 5.0).is_up
    assert not step(Latch(is_up=True), measure(5, 0), 5.0).is_up


def shipment(state: State, **more: object) -> Shipment:
    own: dict[str, object] = {"vehicle": VEHICLE, "departed_at": START} | more
    return Shipment("S-1", 4, state, Create.read(to_json(plan())).plan(), START, **own)  # type: ignore[arg-type]


LINE = Line(plan()["route"])


def position(share: float, heard: float, temperature: float | None = 5.0, *, off: float = 0.0) -> Position:
    lat, lon = LINE.at(share * LINE.metres)
    return Position("V1", lat + off, lon, 80, 180, temperature, heard, heard)


def values_of(one: Shipment, where: Position | None, now: float) -> dict[Kind, float]:
    return {kind: found.value for kind, found in measures(one, LINE, where, now).items()}


def test_on_time_and_on_the_line_nothing_is_wrong() -> None:
    found = measures(shipment("departed"), LINE, position(0.5, START + 1800), START + 1801)

    assert set(found) == {"late", "off_route", "temperature", "silent"}
    assert all(one.value <= one.down_at for one in found.values())


@pytest.mark.parametrize(
    ("one", "where", "seconds", "kind"),
    [
        (shipment("departed"), position(0.1, START + 3599), 3600, "late"),
        (shipment("delayed", delay_seconds=1000), position(0.9, START + 1800), 1800, "late"),
        (shipment("picked", vehicle=None, departed_at=None), None, 901, "late"),
        (shipment("arrived", arrived_at=START + 4501), None, 9000, "late"),
        (shipment("departed"), position(0.5, START + 1800, off=0.5), 1801, "off_route"),
        (shipment("departed"), position(0.5, START + 1800, 8.1), 1801, "temperature"),
        (shipment("departed"), position(0.5, START + 1800, 1.9), 1801, "temperature"),
        (shipment("departed"), position(0.5, START + 1800), 1861, "silent"),
        (shipment("departed"), None, 61, "silent"),
        (shipment("departed"), position(0.5, START - 10), 61, "silent"),
    ],
)
def test_what_is_wrong_is_past_its_bound(one: Shipment, where: Position | None, seconds: float, kind: Kind) -> None:
    found = measures(one, LINE, where, START + seconds)

    assert [name for name, it in found.items() if it.value > it.up_above] == [kind]


def test_people_are_told_the_temperature_and_the_bound_it_is_past() -> None:
    warm = measures(shipment("departed"), LINE, position(0.5, START, 9.5), START)["temperature"]
    cold = measures(shipment("departed"), LINE, position(0.5, START, -3.0), START)["temperature"]

    assert (warm.shown, warm.limit) == (9.5, 8)
    assert (cold.shown, cold.limit) == (-3.0, 2)


def test_a_shipment_that_stands_still_has_nothing_to_measure_on_the_road() -> None:
    assert set(values_of(shipment("loaded"), position(0.5, START), START)) == {"late"}
    assert set(values_of(shipment("exception"), position(0.5, START), START)) == set()
    assert set(values_of(shipment("arrived", arrived_at=START), position(0.5, START), START)) == {"late"}


def test_nothing_is_watched_after_the_end() -> None:
    assert is_over(shipment("delivered"), "late")
    assert is_over(shipment("arrived"), "silent")
    assert not is_over(shipment("arrived"), "late")
    assert not is_over(shipment("exception"), "off_route")
