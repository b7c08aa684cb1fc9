"""Counting deliveries."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.hubs.control_tower.charts import HOURS_SHOWN, MINUTES_SHOWN, Charts, Delivery
from tests.app.hubs.control_tower.stage import START

deliveries = st.lists(st.tuples(st.floats(-200_000, 0), st.floats(-9_000, 9_000), st.booleans()), max_size=60)
"""Seconds ago, seconds behind, whether that is late."""


def view(history: list[tuple[float, float, bool]]) -> Any:
    charts = Charts()
    for number, (ago, behind, is_late) in enumerate(history):
        charts.add(Delivery(shipment=f"S-{number}", at=START + ago, behind=behind, is_late=is_late))
    return charts.view(START)


@settings(deadline=None)
@given(deliveries)
def test_every_chart_tells_of_the_same_deliveries(history: list[tuple[float, float, bool]]) -> None:
    shown = view(history)
    this_hour = START - START % 3600
    young = [one for one in history if START + one[0] >= this_hour - (HOURS_SHOWN - 1) * 3600]

    assert shown["delivered"] == len(young)
    assert shown["late"] == sum(late for _, _, late in young)
    assert sum(count for _, count in shown["perHour"]) == len(young)
    assert sum(count for _, _, count in shown["lateness"]) == len(young)
    assert len(shown["perMinute"]) <= MINUTES_SHOWN
    for start, end, count in shown["lateness"]:
        inside = [b for _, b, _ in young if (start is None or b >= start) and (end is None or b < end)]
        assert count == len(inside)


@settings(deadline=None)
@given(deliveries)
def test_the_order_of_deliveries_does_not_matter(history: list[tuple[float, float, bool]]) -> None:
    assert view(history) == view(history[::-1])


def test_buckets_begin_on_the_minute_and_on_the_hour() -> None:
    shown = view([(-30, 10, False), (-31, 10, False), (-90, 10, False)])

    assert all(at % 60 == 0 for at, _ in shown["perMinute"])
    assert all(at % 3600 == 0 for at, _ in shown["perHour"])
    assert sorted(count for _, count in shown["perMinute"]) == [1, 2]
