"""Where the vehicles are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.hubs.control_tower.fleet import MAX_AHEAD_SECONDS, Batch, Fleet, Position
from app.hubs.control_tower.positions import Positions
from app.hubs.control_tower.requests import PositionReport
from app.upstream.memory_storage import MemoryStorage

positions = st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 1000)), max_size=30)


def at(vehicle: str, when: float, lat: float = 50.0) -> Position:
    return Position(vehicle, lat, 10.0, None, None, None, when, when)


@settings(deadline=None)
@given(positions, st.integers(1, 5))
def test_however_it_is_split_the_newest_position_counts(heard: list[tuple[str, float]], parts: int) -> None:
    """Events reach several replicas; what they hand on is merged in any order."""
    leader, replicas = Fleet(), [Fleet() for _ in range(parts)]
    for number, (vehicle, when) in enumerate(heard):
        replicas[number % parts].hear(at(vehicle, when))
    for replica in reversed(replicas):
        leader.merge(Batch.decode(replica.take().encode()))

    batch = leader.take()

    assert batch.events == len(heard)
    newest = {name: max(when for vehicle, when in heard if vehicle == name) for name in {one for one, _ in heard}}
    assert {one.vehicle: one.at for one in batch.positions} == newest
    assert leader.take() == Batch(0, ())


def test_an_older_position_is_no_news() -> None:
    fleet = Fleet()
    fleet.hear(at("A", 5.0))
    fleet.take()

    fleet.hear(at("A", 4.0))

    assert fleet.take() == Batch(1, ())
    assert fleet.get("A") == at("A", 5.0)


def test_what_the_store_has_is_known_and_no_news() -> None:
    fleet = Fleet()
    fleet.hear(at("A", 5.0))
    fleet.take()

    fleet.restore([at("A", 4.0), at("B", 4.0)])

    assert (fleet.get("A"), fleet.get("B")) == (at("A", 5.0), at("B", 4.0))
    assert fleet.take().positions == ()


def test_a_vehicle_that_is_long_silent_is_forgotten() -> None:
    fleet = Fleet()
    fleet.hear(at("A", 5.0))
    fleet.hear(at("B", 9.0))

    assert fleet.forget(heard_before=6.0) == ["A"]
    assert fleet.get("A") is None
    assert fleet.get("B") is not None


@settings(deadline=None)
@given(st.sets(st.text("ABC01.-_", min_size=1, max_size=6), max_size=40), st.data())
async def test_the_store_gives_back_the_vehicles_that_are_asked_for(names: set[str], data: st.DataObject) -> None:
    positions = Positions(MemoryStorage())
    some = st.sets(st.sampled_from(sorted(names))) if names else st.just(set())
    gone, moved, asked = data.draw(some), data.draw(some), data.draw(some)
    await positions.write((at(name, 5.0) for name in names), names)
    await positions.write((at(name, 6.0 if name in moved else 5.0) for name in names - gone), gone | moved)

    known = {one.vehicle: one.at for one in await positions.all()}
    assert known == {name: 6.0 if name in moved else 5.0 for name in names - gone}
    assert {one.vehicle for one in await positions.of(asked | {"X"})} == asked - gone


@settings(deadline=None)
@given(st.floats(0, 2000))
def test_a_clock_that_is_ahead_is_not_believed(claimed: float) -> None:
    report = PositionReport(lat=50, lon=10, at=claimed)

    position = Position.reported("A", report, 1000.0)

    assert position.at == (claimed if claimed <= 1000 + MAX_AHEAD_SECONDS else 1000.0)
    assert position.heard == 1000.0
