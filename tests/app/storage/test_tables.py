"""What every storage keeps to in its tables, whatever it is made of."""

import asyncio

import pytest

from app.upstream.storage import Storage
from tests.app.storage.conftest import Open
from tests.app.storage.test_logs import ODD_NAMES, of_lasting_storages


async def test_rows_are_set_and_taken_away(storage: Storage) -> None:
    assert await storage.rows("t") == {}
    assert await storage.write("t", {"a": b"1", "b": b"\x00\xff", "c": b""}) == 3
    assert await storage.write("t", {"a": b"2", "b": None, "d": b"4", "never there": None}) == 3
    assert await storage.rows("t") == {"a": b"2", "c": b"", "d": b"4"}


async def test_a_write_tells_how_many_rows_there_are(storage: Storage) -> None:
    assert await storage.write("t", {}) == 0
    assert await storage.write("t", {"a": None}) == 0
    assert await storage.write("t", {"a": b"1"}) == 1
    assert await storage.write("t", {"a": b"2"}) == 1
    assert await storage.write("t", {}) == 1
    assert await storage.write("t", {"a": None, "b": b"3"}) == 1
    assert await storage.write("t", {"b": None}) == 0


async def test_a_table_without_rows_is_none(storage: Storage) -> None:
    await storage.write("a", {"x": b"1"})
    await storage.write("b", {"x": b"1", "y": b"2"})
    await storage.write("c", {})
    await storage.write("d", {"x": None})
    await storage.write("b", {"x": None, "y": None})

    assert await storage.tables() == ["a"]
    assert await storage.rows("b") == {}
    assert await storage.write("b", {"z": b"3"}) == 1
    assert await storage.rows("b") == {"z": b"3"}
    assert await storage.tables() == ["a", "b"]


async def test_a_large_table_is_kept_whole(storage: Storage) -> None:
    rows = {f"row {number}": b"%d" % number for number in range(1_000)}

    assert await storage.write("t", dict(rows)) == 1_000
    assert await storage.rows("t") == rows
    assert await storage.write("t", dict.fromkeys(list(rows)[1:])) == 1
    assert await storage.rows("t") == {"row 0": b"0"}


async def test_every_name_is_a_table_and_a_row_of_its_own(storage: Storage) -> None:
    for name in ODD_NAMES:
        assert await storage.write(name, {row: name.encode() for row in ODD_NAMES}) == len(ODD_NAMES)

    assert await storage.tables() == sorted(ODD_NAMES)
    for name in ODD_NAMES:
        assert await storage.rows(name) == {row: name.encode() for row in ODD_NAMES}
        assert await storage.tables(name) == sorted(one for one in ODD_NAMES if one.startswith(name))
        assert await storage.write(name, {name: None}) == len(ODD_NAMES) - 1


async def test_tables_and_logs_do_not_meet(storage: Storage) -> None:
    await storage.write("name", {"row": b"1"})
    await storage.append("name", b"record", id="row")
    await storage.drop("name")

    assert await storage.rows("name") == {"row": b"1"}
    assert (await storage.logs(), await storage.tables()) == ([], ["name"])


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
async def test_what_is_no_name_is_refused(storage: Storage, name: str) -> None:
    for call in (storage.write(name, {"a": b""}), storage.write("t", {"a": b"", name: b""}), storage.rows(name)):
        with pytest.raises(ValueError):  # noqa: PT011 - of two kinds
            await call
    assert await storage.tables() == []


async def test_of_those_who_add_the_first_row_one_is_told_so(storage: Storage) -> None:
    sizes = await asyncio.gather(*(storage.write("t", {str(number): b""}) for number in range(100)))
    assert sorted(sizes) == list(range(1, 101))

    sizes = await asyncio.gather(*(storage.write("t", {str(number): None}) for number in range(100)))
    assert sorted(sizes) == list(range(100))
    assert await storage.tables() == []


async def test_concurrent_writes_to_one_row_are_done_one_after_the_other(storage: Storage) -> None:
    sizes = await asyncio.gather(
        *(storage.write("t", {"row": b"%d" % number if number % 2 else None}) for number in range(50))
    )

    assert sizes == [0, 1] * 25
    assert await storage.rows("t") == {"row": b"49"}


@of_lasting_storages
async def test_tables_outlive_the_process(open_storage: Open) -> None:
    one = await open_storage()
    await one.write("t", {"a": b"1", "b": b"2"})
    await one.write("gone", {"a": b"1"})
    await one.write("gone", {"a": None})
    await one.close()

    two = await open_storage()

    assert await two.tables() == ["t"]
    assert await two.write("t", {"c": b"3", "a": None}) == 2
    assert await two.rows("t") == {"b": b"2", "c": b"3"}
