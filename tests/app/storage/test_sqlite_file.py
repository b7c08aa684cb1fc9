"""One file, its thread, its lock and its transactions."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from app.storage.sqlite_file import FileInUse, SqliteFile
from app.upstream.storage import StorageError
from tests.app.storage.conftest import PATIENCE


@pytest.fixture
async def file(path: Path) -> AsyncIterator[SqliteFile]:
    file = SqliteFile(path, busy_seconds=0.01)
    await file.open()
    await file.write(execute, "CREATE TABLE noted (word TEXT NOT NULL)")
    yield file
    await file.close()


def execute(connection: sqlite3.Connection, statements: Sequence[str]) -> list[None]:
    for statement in statements:
        connection.execute(statement)
    return [None] * len(statements)


def words(connection: sqlite3.Connection) -> list[str]:
    return [word for (word,) in connection.execute("SELECT word FROM noted ORDER BY rowid")]


class Notes:
    """Writes words, and remembers which it was given together."""

    def __init__(self) -> None:
        self.calls: list[list[str | None]] = []

    def write(self, connection: sqlite3.Connection, given: Sequence[str | None]) -> list[int | Exception]:
        self.calls.append(list(given))
        outcomes: list[int | Exception] = []
        for word in given:
            if word == "refused":
                outcomes.append(KeyError(word))
            else:
                connection.execute("INSERT INTO noted VALUES (?)", (word,))
                outcomes.append(len(word or ""))
        return outcomes


async def test_what_waits_is_written_together(file: SqliteFile) -> None:
    notes, others = Notes(), Notes()

    lengths = await asyncio.gather(
        *(file.write((notes, others)[number % 2].write, "x" * number) for number in range(10))
    )

    assert lengths == list(range(10))
    assert notes.calls == [[""], ["xx", "x" * 4, "x" * 6, "x" * 8]]
    assert others.calls == [["x" * number for number in (1, 3, 5, 7, 9)]]


async def test_who_is_refused_is_told_and_the_others_are_written(file: SqliteFile) -> None:
    notes = Notes()
    given = ["a", "refused", "b", "refused", "c"]

    outcomes = await asyncio.gather(*(file.write(notes.write, word) for word in given), return_exceptions=True)

    assert [type(one) for one in outcomes] == [int, KeyError, int, KeyError, int]
    assert await file.read(words) == ["a", "b", "c"]


async def test_one_that_fails_does_not_fail_the_others(file: SqliteFile) -> None:
    notes, other = Notes(), Notes()
    given = ["first", *"abcdefg", None, *"hij"]

    outcomes = await asyncio.gather(
        *(file.write(notes.write, word) for word in given), file.write(other.write, "other"), return_exceptions=True
    )

    failed = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [StorageError]
    assert outcomes.index(failed[0]) == given.index(None)
    assert "NOT NULL constraint failed" in str(failed[0])
    assert sorted(await file.read(words)) == sorted([word for word in given if word] + ["other"])


async def test_a_commit_that_fails_at_its_end_fails_those_who_caused_it(file: SqliteFile) -> None:
    for statement in (
        "PRAGMA foreign_keys = ON",
        "CREATE TABLE orphan (parent REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED)",
        "CREATE TABLE nobody (id INTEGER PRIMARY KEY)",
        "CREATE TRIGGER late AFTER INSERT ON noted WHEN new.word = 'late' BEGIN INSERT INTO orphan VALUES (1); END",
    ):
        await file.read(lambda connection, statement=statement: connection.execute(statement).fetchall())
    notes = Notes()

    outcomes = await asyncio.gather(
        *(file.write(notes.write, word) for word in ("a", "b", "late", "c")), return_exceptions=True
    )

    assert [isinstance(one, StorageError) for one in outcomes] == [False, False, True, False]
    assert await file.read(words) == ["a", "b", "c"]


async def test_while_another_program_writes_all_are_told_at_once(file: SqliteFile, path: Path) -> None:
    notes = Notes()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(*(file.write(notes.write, "x") for _ in range(50)), return_exceptions=True)

    assert all(isinstance(one, StorageError) and "database is locked" in str(one) for one in outcomes)
    assert len({id(one) for one in outcomes}) == 50
    assert notes.calls == []
    assert await file.write(notes.write, "free") == 4


async def test_what_nobody_waits_for_any_more_is_written_all_the_same(file: SqliteFile) -> None:
    notes = Notes()
    impatient = asyncio.create_task(file.write(notes.write, "a"))
    also = asyncio.create_task(file.write(notes.write, "b"))
    await asyncio.sleep(0)

    impatient.cancel()

    assert await also == 1
    assert impatient.cancelled()
    assert await file.read(words) == ["a", "b"]


async def test_it_is_open_until_the_last_of_its_users_closes_it(path: Path) -> None:
    file = SqliteFile(path)
    await file.open()
    await file.open()
    await file.close()
    await file.write(execute, "CREATE TABLE noted (word TEXT)")
    with pytest.raises(FileInUse):
        await SqliteFile(path).open()

    await file.close()

    with pytest.raises(StorageError, match="is closed"):
        await file.write(execute, "CREATE TABLE another (word TEXT)")
    with pytest.raises(StorageError, match="is closed"):
        await file.read(words)
    again = SqliteFile(path)
    await again.open()
    assert await again.read(words) == []
    await again.close()


async def test_who_waits_when_it_is_closed_is_told(path: Path) -> None:
    file = SqliteFile(path)
    await file.open()
    await file.write(execute, "CREATE TABLE noted (word TEXT NOT NULL)")
    notes = Notes()
    begun = asyncio.create_task(file.write(notes.write, "begun"))
    waits = asyncio.create_task(file.write(notes.write, "waits"))
    await asyncio.sleep(0)

    await file.close()

    assert await begun == 5
    with pytest.raises(StorageError, match="is closed"):
        async with asyncio.timeout(PATIENCE):
            await waits
