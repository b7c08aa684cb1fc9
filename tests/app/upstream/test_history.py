"""The last messages of each room."""

import pytest
from pydantic import JsonValue

from app.upstream.history import KEEP_MESSAGES, History, Line
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import Keep, ScopedStorage


class Clock:
    def __init__(self) -> None:
        self.now = 1_750_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> MemoryStorage:
    return MemoryStorage(clock)


async def test_lines_are_numbered_in_each_room_and_come_back_as_they_were(storage: MemoryStorage) -> None:
    history = History(storage)
    values: list[JsonValue] = ["größe", 1, 1.5, None, True, [], {"a": [{"b": "c"}]}]
    for number, value in enumerate(values):
        assert await history.append("room", value, id=str(number)) == Line(number + 1, 1_750_000_000.5, value)

    assert [line.value for line in await history.newest("room")] == values
    assert (await history.append("other", "first", id="0")).number == 1
    assert [line.value for line in await history.newest("other")] == ["first"]
    assert await history.newest("never written") == await history.since("never written", 0) == []


async def test_a_redelivered_message_is_one_line(storage: MemoryStorage, clock: Clock) -> None:
    history = History(storage)
    first = await history.append("room", "hi", id="conn-1/1")
    clock.now += 3

    assert await history.append("room", "hi", id="conn-1/1") == first
    assert await history.newest("room") == [first]


async def test_a_reader_asks_for_what_is_in_a_gap(storage: MemoryStorage) -> None:
    history = History(storage)
    lines = [await history.append("room", number, id=str(number)) for number in range(10)]

    assert await history.newest("room", limit=3) == lines[7:]
    assert await history.since("room", 6) == lines[6:]
    assert await history.since("room", 6, limit=2) == lines[6:8]
    assert await history.since("room", 10) == []


async def test_it_is_bounded_by_count_and_by_age(storage: MemoryStorage, clock: Clock) -> None:
    history = History(storage, Keep(count=3, seconds=60))
    for number in range(5):
        await history.append("room", number, id=str(number))
        clock.now += 10

    assert [line.value for line in await history.since("room", 0)] == [2, 3, 4]
    clock.now += 35
    assert [line.value for line in await history.newest("room")] == [3, 4]
    clock.now += 1_000
    assert await history.newest("room") == []
    assert (await history.append("room", "again", id="5")).number == 6


async def test_of_itself_it_keeps_a_thousand_lines_for_thirty_days() -> None:
    assert Keep(count=1_000, seconds=2_592_000) == KEEP_MESSAGES


async def test_hubs_with_the_same_room_do_not_meet(storage: MemoryStorage) -> None:
    chat, audit = History(ScopedStorage(storage, "chat/")), History(ScopedStorage(storage, "audit/"))

    await chat.append("lobby", "from chat", id="1")

    assert await audit.newest("lobby") == []
    assert await ScopedStorage(storage, "chat/").logs() == ["history/lobby"]
