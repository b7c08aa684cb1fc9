"""Which event may follow which, and what a trail comes to."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic_core import to_json

from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.requests import Create
from app.hubs.control_tower.shipment import MAX_ENTRIES, MOVING, RULES, Entry, Shipment, after, follow, is_tracked
from tests.app.hubs.control_tower.stage import (
    CUSTOMER,
    OTHER_WAREHOUSE,
    TOWER,
    TRANSPORTER,
    VEHICLE,
    WAREHOUSE,
    plan,
)

ID = "S-1"
STRANGERS = ("warehouse:WH9", "transporter:T9", "vehicle:V9", "customer:C9")
PARTIES = (WAREHOUSE, OTHER_WAREHOUSE, TRANSPORTER, VEHICLE, CUSTOMER, TOWER, *STRANGERS)
STEPS = ("picked", "loaded", "departed", "delayed", "arrived", "delivered", "exception", "resolved", "told")


def entry(event: str, by: str, at: float = 1.0, **more: Any) -> Entry:
    own: dict[str, dict[str, Any]] = {
        "created": {"plan": Create.read(to_json(plan())).plan()},
        "loaded": {"vehicle": VEHICLE},
        "delayed": {"seconds": 600, "reason": "roadworks"},
        "exception": {"reason": "flat tyre"},
        "told": {"to": "tower", "message": "hello"},
    }
    return Entry.model_validate({"event": event, "by": by, "at": at} | own.get(event, {}) | more)


def carried(*steps: tuple[str, str]) -> Shipment:
    """A shipment after these events of these parties."""
    shipment = None
    for number, (event, by) in enumerate((("created", WAREHOUSE), *steps)):
        shipment = follow(ID, shipment, entry(event, by, float(number)))
    assert shipment is not None
    return shipment


ON_THE_ROAD = (("picked", WAREHOUSE), ("loaded", WAREHOUSE), ("departed", VEHICLE))


def test_a_shipment_goes_from_the_plan_to_its_destination() -> None:
    delivered = carried(*ON_THE_ROAD, ("delayed", TRANSPORTER), ("arrived", VEHICLE), ("delivered", OTHER_WAREHOUSE))

    assert (delivered.state, delivered.number) == ("delivered", 7)
    assert (delivered.departed_at, delivered.arrived_at, delivered.delivered_at) == (3.0, 5.0, 6.0)
    assert (delivered.vehicle, delivered.delay_seconds) == (VEHICLE, 600)


def test_after_an_exception_it_is_what_it_was_before() -> None:
    stuck = carried(*ON_THE_ROAD, ("delayed", VEHICLE), ("exception", CUSTOMER))
    going_on = follow(ID, stuck, entry("resolved", TOWER, 9.0))

    assert (stuck.state, stuck.reason) == ("exception", "flat tyre")
    assert (going_on.state, going_on.reason) == ("delayed", "roadworks")


@pytest.mark.parametrize(
    ("steps", "event", "by", "code"),
    [
        ((), "departed", TRANSPORTER, "wrong_state"),
        ((), "picked", TRANSPORTER, "not_allowed"),
        ((), "picked", "warehouse:WH9", "unknown_shipment"),
        ((), "created", WAREHOUSE, "exists"),
        ((), "created", "warehouse:WH9", "not_allowed"),
        (ON_THE_ROAD, "delivered", VEHICLE, "wrong_state"),
        (ON_THE_ROAD, "arrived", CUSTOMER, "not_allowed"),
        ((*ON_THE_ROAD, ("exception", VEHICLE)), "resolved", VEHICLE, "not_allowed"),
        ((*ON_THE_ROAD, ("exception", VEHICLE)), "arrived", VEHICLE, "wrong_state"),
        ((*ON_THE_ROAD, ("arrived", VEHICLE), ("delivered", VEHICLE)), "exception", TOWER, "wrong_state"),
    ],
)
def test_what_may_not_follow_is_refused(steps: tuple[tuple[str, str], ...], event: str, by: str, code: str) -> None:
    shipment = carried(*steps)

    with pytest.raises(Refusal) as caught:
        follow(ID, shipment, entry(event, by))

    assert caught.value.code == code


def test_the_first_event_of_a_shipment_is_its_plan() -> None:
    with pytest.raises(Refusal) as caught:
        follow(ID, None, entry("picked", WAREHOUSE))

    assert caught.value.code == "unknown_shipment"


@pytest.mark.parametrize(
    ("by", "to", "is_allowed"),
    [
        (WAREHOUSE, OTHER_WAREHOUSE, True),
        (WAREHOUSE, TRANSPORTER, True),
        (TRANSPORTER, CUSTOMER, True),
        (CUSTOMER, "tower", True),
        (TOWER, VEHICLE, True),
        (WAREHOUSE, CUSTOMER, False),
        (CUSTOMER, VEHICLE, False),
        (TRANSPORTER, "customer:C9", False),
        (WAREHOUSE, "warehouse:WH9", False),
    ],
)
def test_who_may_tell_whom(by: str, to: str, is_allowed: bool) -> None:
    shipment = carried(*ON_THE_ROAD)

    if is_allowed:
        assert follow(ID, shipment, entry("told", by, to=to)).state == "departed"
    else:
        with pytest.raises(Refusal):
            follow(ID, shipment, entry("told", by, to=to))


def test_a_full_trail_still_lets_the_shipment_arrive() -> None:
    shipment = carried(*ON_THE_ROAD)
    full = after(ID, shipment, entry("told", VEHICLE))
    for _ in range(MAX_ENTRIES - full.number):
        full = after(ID, full, entry("told", VEHICLE))

    with pytest.raises(Refusal) as caught:
        follow(ID, full, entry("told", VEHICLE))
    assert caught.value.code == "trail_full"
    assert follow(ID, full, entry("arrived", VEHICLE)).state == "arrived"


def test_only_the_vehicle_of_a_moving_shipment_is_tracked() -> None:
    loaded, moving = carried(*ON_THE_ROAD[:2]), carried(*ON_THE_ROAD)

    assert [is_tracked(one, VEHICLE) for one in (loaded, moving)] == [False, True]
    assert not is_tracked(moving, "vehicle:V9")


@settings(deadline=None)
@given(st.sampled_from(STEPS), st.sampled_from(PARTIES), st.floats(0, 100))
def test_the_time_of_an_entry_is_no_part_of_what_it_says(event: str, by: str, at: float) -> None:
    assert entry(event, by, at).fingerprint == entry(event, by, 0.0).fingerprint
    assert entry(event, by, at).fingerprint != entry("created", by, at).fingerprint


class Trail(RuleBasedStateMachine):
    """Anybody raises anything: what is refused changes nothing, what is accepted is what the table allows."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.shipment: Shipment | None = None
        self.clock = 0.0

    @initialize(by=st.sampled_from((WAREHOUSE, TOWER)))
    def begin(self, by: str) -> None:
        self.raise_("created", by)

    @rule(event=st.sampled_from(STEPS), by=st.sampled_from(PARTIES))
    def anything(self, event: str, by: str) -> None:
        self.raise_(event, by)

    @rule()
    def what_comes_next(self) -> None:
        """Or else random events seldom get past the loading."""
        assert self.shipment is not None
        steps = {
            "created": ("picked", WAREHOUSE),
            "picked": ("loaded", WAREHOUSE),
            "loaded": ("departed", VEHICLE),
            "departed": ("arrived", VEHICLE),
            "delayed": ("arrived", TRANSPORTER),
            "arrived": ("delivered", OTHER_WAREHOUSE),
            "exception": ("resolved", TOWER),
        }
        if self.shipment.state in steps:
            self.raise_(*steps[self.shipment.state], is_possible=True)

    def raise_(self, event: str, by: str, *, is_possible: bool = False) -> None:
        self.clock += 1
        made, before = entry(event, by, self.clock), self.shipment
        try:
            self.shipment = follow(ID, before, made)
        except Refusal:
            assert not is_possible
            return
        self.entries.append(made)
        if before is None:
            return
        assert before.state in RULES[made.event].sources
        assert RULES[made.event].by & before.relations(by)
        assert by not in STRANGERS
        if event == "resolved":
            assert before.before is not None
            assert self.shipment.state == before.before[0]
        else:
            assert self.shipment.state == (before.state if event == "told" else event)

    @invariant()
    def a_trail_read_again_comes_to_the_same(self) -> None:
        again: Shipment | None = None
        for one in self.entries:
            again = after(ID, again, Entry.model_validate_json(one.model_dump_json(by_alias=True, exclude_none=True)))
        assert again == self.shipment

    @invariant()
    def it_hangs_together(self) -> None:
        one = self.shipment
        if one is None:
            return
        assert one.number == len(self.entries)
        assert (one.vehicle is not None) or one.state in ("created", "picked", "exception")
        assert (one.delivered_at is not None) == (one.state == "delivered")
        assert (one.before is not None) == (one.state == "exception")
        assert one.departed_at is not None or one.state not in MOVING | {"arrived", "delivered"}
        times = [at for at in (one.departed_at, one.arrived_at, one.delivered_at) if at is not None]
        assert times == sorted(times)


TestTrail = Trail.TestCase
TestTrail.settings = settings(deadline=None)
