"""One replica leads."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hubs.control_tower.leadership import LEASE_SECONDS, Leadership
from app.upstream.memory_storage import MemoryStorage


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


async def test_the_first_to_ask_leads_and_the_second_does_not(storage: MemoryStorage, clock: Clock) -> None:
    first, second = (Leadership(storage, clock=clock) for _ in range(2))

    assert await first.renew()
    assert not await second.renew()
    assert await first.renew()


async def test_a_leader_that_falls_silent_is_replaced_and_notices(storage: MemoryStorage, clock: Clock) -> None:
    first, second = (Leadership(storage, clock=clock) for _ in range(2))
    await first.renew()
    await second.renew()

    clock.now += LEASE_SECONDS - 0.1
    assert not await second.renew()
    clock.now += 0.2
    assert await second.renew()
    assert not await first.renew()
    assert not first.is_held


async def test_a_leader_that_is_heard_of_is_not_replaced(storage: MemoryStorage, clock: Clock) -> None:
    first, second = (Leadership(storage, clock=clock) for _ in range(2))
    await first.renew()
    for _ in range(5):
        clock.now += LEASE_SECONDS * 0.6
        assert await first.renew()
        assert not await second.renew()


async def test_who_resigns_makes_room_at_once(storage: MemoryStorage, clock: Clock) -> None:
    first, second = (Leadership(storage, clock=clock) for _ in range(2))
    await first.renew()
    await second.renew()

    await first.resign()

    assert await second.renew()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 8), st.booleans()), max_size=40))
async def test_whoever_asks_when_at_most_one_believes_it_after_asking(steps: list[tuple[int, float, bool]]) -> None:
    """A leader that has not asked for a while may be wrong about itself, until it asks."""
    clock, storage = Clock(), MemoryStorage()
    replicas = [Leadership(storage, clock=clock) for _ in range(3)]
    for who, pause, resigns in steps:
        clock.now += pause
        if resigns:
            await replicas[who].resign()
        elif await replicas[who].renew():
            assert not any([await other.renew() for other in replicas if other is not replicas[who]])
