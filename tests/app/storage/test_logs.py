"""What every storage keeps to in its logs, whatever it is made of."""

import asyncio

import pytest

from app.upstream.storage import KEEP, Conflict, Keep, Record, Storage
from tests.app.storage.conftest import Clock, Open

ODD_NAMES = ("", "%", "_", "*", "?", "[a]", "[", "a/b", "a\\b", "größe", "𝄞", "\U0010ffff", "{x}", "'", '"', "\n", " ")
of_lasting_storages = pytest.mark.parametrize("kind", ["sqlite", "redis"], indirect=True)


async def fill(storage: Storage, log: str, count: int, keep: Keep = KEEP) -> list[Record]:
    return [await storage.append(log, b"%d" % number, id=f"id-{number}", keep=keep) for number in range(1, count + 1)]


def numbers(records: list[Record]) -> list[int]:
    return [record.number for record in records]


async def test_records_are_numbered_from_1_in_each_log(storage: Storage, clock: Clock) -> None:
    first = await storage.append("a", b"\x00\xff", id="x")
    clock.now += 1.5
    second = await storage.append("a", b"", id="y")
    other = await storage.append("b", b"other", id="x")

    assert first == Record(1, 1_750_000_000.25, "x", b"\x00\xff")
    assert second == Record(2, 1_750_000_001.75, "y", b"")
    assert other == Record(1, 1_750_000_001.75, "x", b"other")
    assert await storage.read("a") == [first, second]
    assert await storage.read("b") == [other]
    assert await storage.read("c") == await storage.newest("c") == []


async def test_an_id_that_is_kept_gives_the_record_it_has(storage: Storage, clock: Clock) -> None:
    first = await storage.append("log", b"first", id="x")
    await storage.append("log", b"second", id="y")
    clock.now += 60

    assert await storage.append("log", b"again", id="x") == first
    assert await storage.append("log", b"again", id="x", expected=0) == first
    assert numbers(await storage.read("log")) == [1, 2]


async def test_reading_goes_on_after_a_number(storage: Storage) -> None:
    records = await fill(storage, "log", 7)

    assert await storage.read("log", limit=3) == records[:3]
    assert await storage.read("log", after=3, limit=3) == records[3:6]
    assert await storage.read("log", after=6) == records[6:]
    assert await storage.read("log", after=7) == await storage.read("log", after=700) == []
    assert await storage.read("log", after=-5) == records
    assert await storage.read("log", limit=0) == []


async def test_the_newest_come_oldest_first(storage: Storage) -> None:
    records = await fill(storage, "log", 5)

    assert await storage.newest("log", limit=2) == records[3:]
    assert await storage.newest("log") == records
    assert await storage.newest("log", limit=0) == []


async def test_a_log_that_is_longer_than_expected_is_a_conflict(storage: Storage) -> None:
    await storage.append("log", b"1", id="1", expected=0)
    with pytest.raises(Conflict):
        await storage.append("log", b"2", id="2", expected=0)
    with pytest.raises(Conflict):
        await storage.append("log", b"2", id="2", expected=2)
    with pytest.raises(Conflict):
        await storage.append("another", b"1", id="1", expected=1)

    assert (await storage.append("log", b"2", id="2", expected=1)).number == 2
    assert await storage.logs() == ["log"]


async def test_the_newest_are_kept_by_count(storage: Storage) -> None:
    keep = Keep(count=3)
    records = await fill(storage, "log", 5, keep=keep)

    assert await storage.read("log", keep=keep) == records[2:]
    assert await storage.newest("log", limit=2, keep=keep) == records[3:]
    again = await storage.append("log", b"again", id="id-1", keep=keep)
    assert again.number == 6
    assert numbers(await storage.read("log")) == [4, 5, 6]
    assert (await storage.append("log", b"known", id="id-5", keep=keep)).number == 5


async def test_who_keeps_less_reads_less(storage: Storage) -> None:
    await fill(storage, "log", 5)

    assert numbers(await storage.read("log", keep=Keep(count=2))) == [4, 5]
    assert numbers(await storage.newest("log", limit=4, keep=Keep(count=2))) == [4, 5]
    assert numbers(await storage.newest("log", limit=1, keep=Keep(count=2))) == [5]
    await storage.append("log", b"6", id="6", keep=Keep(count=2))
    assert numbers(await storage.read("log")) == [5, 6]


async def test_what_is_too_old_is_not_read_and_goes_with_the_next_append(storage: Storage, clock: Clock) -> None:
    keep = Keep(seconds=10)
    for number in range(1, 5):
        await storage.append("log", b"", id=str(number), keep=keep)
        clock.now += 4

    assert numbers(await storage.read("log", keep=keep)) == [3, 4]
    assert numbers(await storage.read("log", limit=1, keep=keep)) == [3]
    assert numbers(await storage.newest("log", limit=3, keep=keep)) == [3, 4]
    assert numbers(await storage.read("log")) == [2, 3, 4]
    await storage.append("log", b"", id="5", keep=keep)
    assert numbers(await storage.read("log")) == [3, 4, 5]
    clock.now += 60
    assert await storage.read("log", keep=keep) == await storage.newest("log", keep=keep) == []
    assert (await storage.append("log", b"", id="6", keep=keep)).number == 6
    assert (await storage.append("log", b"", id="3", keep=keep)).number == 7
    assert numbers(await storage.read("log")) == [6, 7]


async def test_numbers_go_on_where_nothing_is_kept_any_more(storage: Storage, clock: Clock) -> None:
    keep = Keep(seconds=1)
    await fill(storage, "log", 3, keep=keep)
    clock.now += 5

    with pytest.raises(Conflict):
        await storage.append("log", b"", id="x", expected=0, keep=keep)
    assert (await storage.append("log", b"", id="x", expected=3, keep=keep)).number == 4


async def test_many_are_dropped_at_once_where_less_is_kept_than_before(storage: Storage) -> None:
    await fill(storage, "log", 300)

    await storage.append("log", b"", id="x", keep=Keep(count=2))

    assert numbers(await storage.read("log")) == [300, 301]


async def test_a_dropped_log_begins_anew(storage: Storage) -> None:
    await fill(storage, "log", 3)
    await fill(storage, "other", 2)

    await storage.drop("log")
    await storage.drop("never written")

    assert await storage.read("log") == []
    assert await storage.logs() == ["other"]
    assert (await storage.append("log", b"", id="id-2", expected=0)).number == 1
    assert numbers(await storage.read("other")) == [1, 2]


async def test_every_name_is_a_log_of_its_own(storage: Storage) -> None:
    for name in ODD_NAMES:
        await storage.append(name, name.encode(), id=name)

    assert await storage.logs() == sorted(ODD_NAMES)
    for name in ODD_NAMES:
        assert [(one.id, one.body) for one in await storage.read(name)] == [(name, name.encode())]
        assert await storage.logs(name) == sorted(one for one in ODD_NAMES if one.startswith(name))


async def test_a_prefix_is_taken_as_it_is(storage: Storage) -> None:
    for name in ("a%b", "aXb", "a_b", "a*", "abc", "a[b]", "A", "b", "ab\U0010ffff", "ab\U0010ffff\U0010ffff"):
        await storage.append(name, b"", id="x")

    assert await storage.logs("a%") == ["a%b"]
    assert await storage.logs("a_") == ["a_b"]
    assert await storage.logs("a*") == ["a*"]
    assert await storage.logs("a[") == ["a[b]"]
    assert await storage.logs("ab") == ["abc", "ab\U0010ffff", "ab\U0010ffff\U0010ffff"]
    assert await storage.logs("ab\U0010ffff") == ["ab\U0010ffff", "ab\U0010ffff\U0010ffff"]
    assert await storage.logs("c") == []


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_what_is_no_name_is_refused(storage: Storage, name: str) -> None:
    for call in (
        storage.append(name, b"", id="x"),
        storage.append("log", b"", id=name),
        storage.read(name),
        storage.newest(name),
        storage.drop(name),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - of two kinds
            await call
    assert await storage.logs() == []


async def test_concurrent_appends_get_one_number_each(storage: Storage) -> None:
    records = await asyncio.gather(
        *(storage.append(f"log-{number % 3}", b"%d" % number, id=str(number)) for number in range(300))
    )

    for log in range(3):
        mine = [record for record in records if int(record.id) % 3 == log]
        assert numbers(mine) == list(range(1, 101))
        assert await storage.read(f"log-{log}", limit=200) == mine


async def test_of_those_who_expect_the_same_one_is_first_and_the_others_are_told(storage: Storage) -> None:
    await fill(storage, "log", 4)
    others = [storage.append("other", b"", id=str(number)) for number in range(20)]
    rivals = [storage.append("log", b"", id=f"rival-{number}", expected=4) for number in range(20)]

    outcomes = await asyncio.gather(
        *(one for pair in zip(rivals, others, strict=True) for one in pair), return_exceptions=True
    )

    won = [one for one in outcomes[::2] if isinstance(one, Record)]
    assert numbers(won) == [5]
    assert sum(isinstance(one, Conflict) for one in outcomes[::2]) == 19
    assert [one.number for one in outcomes[1::2] if isinstance(one, Record)] == list(range(1, 21))
    assert len(await storage.read("log")) == 5


async def test_concurrent_appends_of_one_id_are_one_record(storage: Storage) -> None:
    records = await asyncio.gather(*(storage.append("log", b"%d" % number, id="x") for number in range(50)))

    assert set(records) == {records[0]}
    assert await storage.read("log") == [records[0]]


async def test_concurrent_appends_to_a_log_that_keeps_few(storage: Storage) -> None:
    keep = Keep(count=2)
    ids = ["a", "b", "c", "a", "d", "a", "d"]

    records = await asyncio.gather(*(storage.append("log", b"", id=one, keep=keep) for one in ids))

    assert numbers(records) == [1, 2, 3, 4, 5, 4, 5]
    assert [(one.number, one.id) for one in await storage.read("log")] == [(4, "a"), (5, "d")]


@of_lasting_storages
async def test_logs_outlive_the_process(open_storage: Open) -> None:
    one = await open_storage()
    records = await fill(one, "log", 5, keep=Keep(count=3))
    await fill(one, "dropped", 1)
    await one.drop("dropped")
    await one.close()

    two = await open_storage()

    assert await two.logs() == ["log"]
    assert await two.read("log") == records[2:]
    assert await two.append("log", b"again", id="id-4") == records[3]
    with pytest.raises(Conflict):
        await two.append("log", b"", id="x", expected=3)
    assert (await two.append("log", b"", id="x", expected=5)).number == 6
