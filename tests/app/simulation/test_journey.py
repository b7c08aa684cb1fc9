"""Journeys along the roads of the map."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.requests import PositionReport
from app.simulation.journey import COOLER_ENDS, STRAYS_BY_METRES, Journey, Mishap
from app.simulation.roads import CITIES, route

ENDS = sorted(permutations(CITIES, 2))
MISHAPS: tuple[Mishap, ...] = ("none", "slow", "stray", "cooler", "silent", "breakdown")


@pytest.mark.parametrize("ends", ENDS, ids="-".join)
def test_every_city_is_reached_from_every_other_by_road(ends: tuple[str, str]) -> None:
    way = route(*ends)

    assert (way[0], way[-1]) == (CITIES[ends[0]], CITIES[ends[1]])
    assert way[::-1] == route(*ends[::-1])
    crow = Line([CITIES[ends[0]], CITIES[ends[1]]]).metres
    assert crow <= Line(way).metres * 1.05
    assert Line(way).metres < 2.5 * crow


def drive(ends: tuple[str, str], mishap: Mishap) -> tuple[Line, list[PositionReport]]:
    line = Line(route(*ends))
    journey = Journey(line, mishap, Random(7), is_cold=True, speedup=120)
    reports = []
    while not journey.has_arrived:
        journey.advance(1.0)
        reports.append(PositionReport.read(to_json(journey.report(1.0))))
    return line, reports


@settings(deadline=None)
@given(st.sampled_from(ENDS), st.sampled_from(MISHAPS))
def test_only_a_straying_vehicle_leaves_the_line_and_only_a_failing_cooler_warms(
    ends: tuple[str, str], mishap: Mishap
) -> None:
    line, reports = drive(ends, mishap)
    off = max(line.locate(one.lat, one.lon).off for one in reports)
    warmest = max(one.temperature for one in reports if one.temperature is not None)

    assert (off > STRAYS_BY_METRES / 2) if mishap == "stray" else (off < 200)
    assert (6 < warmest <= COOLER_ENDS + 0.2) if mishap == "cooler" else (warmest < 6)


def test_a_slow_journey_takes_longer_by_about_what_it_says() -> None:
    ends = ("Paris", "Warsaw")
    line, slow = drive(ends, "slow")
    _, usual = drive(ends, "none")
    lost = Journey(line, "slow", Random(7), is_cold=True, speedup=120).seconds_lost

    assert len(slow) - len(usual) == pytest.approx(lost, rel=0.1)


def test_a_silent_journey_is_silent_for_a_part_of_the_way() -> None:
    line = Line(route("Berlin", "Prague"))
    journey = Journey(line, "silent", Random(7), is_cold=False, speedup=120)
    heard = []
    while not journey.has_arrived:
        journey.advance(1.0)
        heard.append(not journey.is_silent)

    assert heard[0]
    assert heard[-1]
    assert 0.1 < heard.count(False) / len(heard) < 0.4


def test_who_stands_does_not_move() -> None:
    journey = Journey(Line(route("Berlin", "Prague")), "none", Random(7), is_cold=False, speedup=120)
    journey.advance(5)
    before = journey.share
    journey.is_standing = True

    journey.advance(5)

    assert journey.share == before > 0
