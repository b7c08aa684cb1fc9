"""Places along a line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hubs.control_tower.geometry import METRES_PER_DEGREE, Line

places = st.tuples(st.floats(-60, 60), st.floats(-180, 180))


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Lines that a lorry might drive: steps of at most a degree, across the date line too."""
    lat, lon = draw(places)
    found = [(lat, lon)]
    for north, east in draw(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12)):
        lat, lon = lat + north, (lon + east + 180) % 360 - 180
        found.append((lat, lon))
    return Line(found)


@settings(deadline=None)
@given(lines(), st.floats(0, 1))
def test_a_place_on_the_line_is_found_there(line: Line, share: float) -> None:
    lat, lon = line.at(share * line.metres)
    located = line.locate(lat, lon)

    assert located.off == pytest.approx(0, abs=0.1)
    assert 0 <= located.along <= line.metres + 1e-6
    # A line may cross itself, and then it is the same place further on.
    assert line.at(located.along) == pytest.approx((lat, lon), abs=1e-5) or abs(lon) > 179.99


@settings(deadline=None)
@given(lines(), places)
def test_no_point_of_the_line_is_nearer_than_the_one_found(line: Line, place: tuple[float, float]) -> None:
    located = line.locate(*place)
    others = [Line([place, line.at(line.metres * share / 8)]).metres for share in range(9)]

    assert located.off >= 0
    assert all(located.off <= other * 3 + 1 for other in others if other < 50_000)


def test_beside_a_straight_road_it_is_the_distance_to_it() -> None:
    line = Line([(50.0, 10.0), (50.0, 11.0)])

    off, along = line.locate(50.1, 10.5)

    assert off == pytest.approx(0.1 * METRES_PER_DEGREE)
    assert along == pytest.approx(line.metres / 2)


def test_beyond_the_end_it_is_the_distance_to_the_end() -> None:
    line = Line([(50.0, 10.0), (51.0, 10.0)])

    off, along = line.locate(51.5, 10.0)

    assert off == pytest.approx(0.5 * METRES_PER_DEGREE)
    assert along == pytest.approx(line.metres)
    assert line.at(2 * line.metres) == pytest.approx((51.0, 10.0))


def test_a_line_that_goes_nowhere_is_a_place() -> None:
    line = Line([(50.0, 10.0), (50.0, 10.0)])

    assert line.metres == 0
    assert line.locate(50.0, 10.0) == (0, 0)
    assert line.at(5) == (50.0, 10.0)


def test_the_date_line_is_no_edge() -> None:
    line = Line([(0.0, 179.5), (0.0, -179.5)])

    assert line.metres == pytest.approx(METRES_PER_DEGREE)
    assert line.locate(0.0, 180.0).along == pytest.approx(line.metres / 2)
    assert line.at(line.metres * 0.75)[1] == pytest.approx(-179.75)
