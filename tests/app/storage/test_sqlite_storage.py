"""What only storage in SQLite does: one file with the outbox, disks that fail, files of earlier versions."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from time import time

import pytest

from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.fanout.store import Batch, Entry
from app.storage.sqlite_file import FileInUse, SqliteFile
from app.storage.sqlite_schema import SCHEMA_VERSION
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.storage import Conflict, Keep, Record, StorageError
from tests.app.fanout.opened import Opened, actions, kept, new_entry

LARGE = b"x" * 100_000


@pytest.fixture
async def file(path: Path) -> AsyncIterator[SqliteFile]:
    file = SqliteFile(path, busy_seconds=0.01)
    await file.open()
    yield file
    await file.close()


@pytest.fixture
async def storage(file: SqliteFile) -> AsyncIterator[SqliteStorage]:
    storage = SqliteStorage(file)
    await storage.open()
    yield storage
    await storage.close()


def traced(file: SqliteFile) -> list[str]:
    """The statements that run from now on."""
    statements: list[str] = []
    file._thread.submit(lambda: file._connection.set_trace_callback(statements.append)).result()
    return statements


async def test_what_waits_shares_a_commit_with_the_outbox(file: SqliteFile, storage: SqliteStorage) -> None:
    outbox = Opened(SqliteStore(file))
    await outbox.open()
    statements = traced(file)

    await asyncio.gather(
        outbox.publish("lane", "1"),
        *(storage.append(f"log-{number % 5}", b"", id=str(number)) for number in range(100)),
        *(storage.write("table", {str(number): b""}) for number in range(100)),
    )
    await outbox.store.close()

    assert len([one for one in statements if one.startswith("COMMIT")]) <= 2
    assert len(statements) < 30


async def test_trouble_of_hubs_does_not_fail_the_outbox(file: SqliteFile, storage: SqliteStorage) -> None:
    outbox = Opened(SqliteStore(file))
    await outbox.open()
    await storage.append("log", b"", id="1")
    await file.read(
        lambda connection: connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON records WHEN new.id = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END"
        ).fetchall()
    )

    good, bad, rival, entries = await asyncio.gather(
        storage.append("log", b"", id="2"),
        storage.append("log", b"", id="bad"),
        storage.append("log", b"", id="3", expected=1),
        outbox.publish("lane", "1"),
        return_exceptions=True,
    )
    await outbox.store.close()

    assert isinstance(good, Record)
    assert isinstance(bad, StorageError)
    assert isinstance(rival, Conflict)
    assert isinstance(entries, list)
    assert [one.id for one in await storage.read("log")] == ["1", "2"]


async def test_with_a_full_disk_nothing_is_kept_by_halves(file: SqliteFile, storage: SqliteStorage) -> None:
    await storage.append("log", b"first", id="1")
    pages = await file.read(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    await file.read(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone())

    for call in (
        storage.append("log", LARGE, id="2"),
        storage.append("new log", LARGE, id="1"),
        storage.write("table", {"small": b"", "large": LARGE}),
    ):
        with pytest.raises(StorageError, match=r"upstream\.db cannot be used: database or disk is full"):
            await call
    assert await storage.logs() == ["log"]
    assert [one.body for one in await storage.read("log")] == [b"first"]
    assert (await storage.tables(), await storage.rows("table")) == ([], {})

    await file.read(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    assert (await storage.append("log", LARGE, id="2")).number == 2
    assert await storage.write("table", {"small": b"", "large": LARGE}) == 2


async def test_while_the_file_is_locked_writes_fail_and_reads_do_not(
    file: SqliteFile, storage: SqliteStorage, path: Path
) -> None:
    await storage.append("log", b"", id="1")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked"):
            await storage.append("log", b"", id="2")
        with pytest.raises(StorageError, match="database is locked"):
            await storage.drop("log")
        assert len(await storage.read("log")) == 1

    assert (await storage.append("log", b"", id="2")).number == 2


async def test_a_value_sqlite_cannot_hold_fails_alone(file: SqliteFile, storage: SqliteStorage) -> None:
    await file.read(lambda connection: connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 50_000))

    outcomes = await asyncio.gather(
        *(storage.append("log", b"x" * size, id=str(size)) for size in (1, 2, 100_000, 3)), return_exceptions=True
    )

    assert [isinstance(one, Record) for one in outcomes] == [True, True, False, True]
    assert [one.number for one in await storage.read("log")] == [1, 2, 3]


async def test_a_file_serves_one_process(path: Path, storage: SqliteStorage) -> None:
    with pytest.raises(FileInUse, match=r"upstream\.db is used by another process.*STORE=redis://"):
        await SqliteStorage(SqliteFile(path)).open()

    assert await storage.logs() == []


async def test_a_closed_storage_says_so(path: Path) -> None:
    storage = SqliteStorage(SqliteFile(path))
    with pytest.raises(StorageError, match="closed"):
        await storage.append("log", b"", id="1")
    await storage.open()
    await storage.close()
    await storage.close()

    with pytest.raises(StorageError, match="closed"):
        await storage.rows("table")


async def test_a_long_log_costs_no_more_than_a_short_one(file: SqliteFile, storage: SqliteStorage) -> None:
    """Counted in the steps of SQLite's machine, as times are for the machine to say."""
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    async def cost(log: str, number: int) -> int:
        before = steps
        await storage.append(log, b"", id=f"{log}{number}", keep=Keep(count=5_000, seconds=1_000))
        await storage.newest(log, limit=5)
        await storage.write(log, {"0": b"again", "1": None})
        return steps - before

    for log, size in (("short", 50), ("long", 5_000)):
        await asyncio.gather(*(storage.append(log, b"", id=str(number)) for number in range(size)))
        await storage.write(log, {str(number): b"" for number in range(size)})
    await file.read(lambda connection: connection.set_progress_handler(count, 1))

    assert await cost("long", 1) < 2 * await cost("short", 1)


VERSION_1 = """
CREATE TABLE outbox (id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB);
CREATE TABLE answers (id INTEGER PRIMARY KEY, key TEXT, expires_at REAL, reply TEXT);
CREATE TABLE dead (
  id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB, reason TEXT, died_at REAL,
  retry INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX dead_by_age ON dead (retry, died_at);
INSERT INTO outbox VALUES (3, 'chat/c1', 'chat', 1000.5, x'31'), (7, 'chat/c2', 'chat', 1001.5, x'32');
INSERT INTO dead VALUES (5, 'chat/c1', 'chat', 999.5, x'33', 'the service answered 400', 1002.5, 0);
PRAGMA user_version = 1;
"""


@pytest.fixture
def version_1(path: Path) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(VERSION_1)
        answer = (json.dumps(["chat", "c1", None, "1"]), time() + 60, json.dumps([204, "", []]))
        connection.execute("INSERT INTO answers (key, expires_at, reply) VALUES (?, ?, ?)", answer)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return found


async def test_a_file_of_version_1_keeps_its_outbox_and_takes_what_hubs_keep(version_1: Path) -> None:
    file = SqliteFile(version_1)
    storage, outbox = SqliteStorage(file), Opened(SqliteStore(file))
    await storage.open()
    await outbox.open()

    assert outbox.entries == [
        Entry(3, "chat/c1", "chat", 1000.5, b"1"),
        Entry(7, "chat/c2", "chat", 1001.5, b"2"),
    ]
    assert [answer.key for answer in outbox.answers] == [("chat", "c1", None, "1")]
    assert [entry.id for entry in await outbox.publish("chat/c3", "new")] == [8]
    assert (await storage.append("log", b"", id="1")).number == 1
    assert await storage.write("table", {"row": b""}) == 1
    await outbox.store.close()
    await storage.close()

    assert version(version_1) == SCHEMA_VERSION == 2
    letters = SqliteDeadLetters(version_1)
    assert [(letter.id, letter.reason) for letter in await letters.list(10)] == [(5, "the service answered 400")]
    await letters.close()


async def test_an_operator_may_come_before_the_new_version_does(version_1: Path) -> None:
    letters = SqliteDeadLetters(version_1)

    assert await letters.retry(None) == 1
    await letters.close()

    outbox = Opened(SqliteStore(SqliteFile(version_1)))
    await outbox.open()
    await outbox.store.close()
    assert actions(outbox.entries) == ["1", "2", "3"]


def break_half_way(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE tables (something TEXT)")


async def test_a_migration_that_fails_leaves_the_file_as_it_was(version_1: Path) -> None:
    with closing(sqlite3.connect(version_1)) as connection:
        break_half_way(connection)
    with pytest.raises(StorageError, match="table tables already exists"):
        await SqliteFile(version_1).open()
    assert version(version_1) == 1

    with closing(sqlite3.connect(version_1)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert names == {"outbox", "answers", "dead", "tables"}
        connection.execute("DROP TABLE tables")
    file = SqliteFile(version_1)
    await file.open()
    await file.close()
    assert version(version_1) == 2


async def test_the_outbox_and_its_answers_are_safe_with_what_hubs_keep_at_once(path: Path) -> None:
    file = SqliteFile(path)
    storage, outbox = SqliteStorage(file), Opened(SqliteStore(file))
    await storage.open()
    await outbox.open()
    answer = kept()

    await asyncio.gather(
        outbox.store.commit(Batch([new_entry("lane", "1")], [answer])),
        storage.append("log", b"body", id="1"),
    )
    await outbox.store.close()
    await storage.close()

    again = SqliteFile(path)
    storage, outbox = SqliteStorage(again), Opened(SqliteStore(again))
    await outbox.open()
    await storage.open()
    assert (actions(outbox.entries), outbox.answers) == (["1"], [answer])
    assert [one.body for one in await storage.read("log")] == [b"body"]
    await outbox.store.close()
    await storage.close()
