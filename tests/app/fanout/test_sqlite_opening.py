"""Opening the SQLite store: where it may, where it may not, and what it says then."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from app.fanout.sqlite import SqliteStore
from app.fanout.store import Batch, NewEntry
from app.storage.sqlite_file import FileInUse, SqliteFile
from app.storage.sqlite_schema import SCHEMA_VERSION
from app.upstream.storage import StorageError
from tests.app.fanout.opened import PATIENCE, Open, Opened, actions, beside

GARBAGE = b"garbage" * 1000


async def refused(path: Path, match: str) -> None:
    with pytest.raises(StorageError, match=match):
        await Opened(SqliteStore(SqliteFile(path))).open()


def readable_by_others(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o077)


async def test_a_directory_that_is_missing_is_made(tmp_path: Path) -> None:
    path = tmp_path / "var" / "lib" / "outbox.db"
    one = Opened(SqliteStore(SqliteFile(path)))

    await one.open()
    await one.store.close()

    assert path.exists()


async def test_every_commit_is_on_the_disk_when_it_returns(open_store: Open) -> None:
    one = await open_store()
    store = one.store
    assert isinstance(store, SqliteStore)

    def pragma(name: str) -> object:
        return store._file._connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert store._file._thread.submit(pragma, "journal_mode").result(PATIENCE) == "wal"
    assert store._file._thread.submit(pragma, "synchronous").result(PATIENCE) == 2


async def test_a_second_store_on_the_file_is_refused_until_the_first_is_closed(path: Path) -> None:
    one = Opened(SqliteStore(SqliteFile(path)))
    await one.open()
    await one.publish("lane", "1")

    with pytest.raises(FileInUse, match=r"outbox\.db is used by another process.*STORE=redis://"):
        await Opened(SqliteStore(SqliteFile(path))).open()

    assert len(await one.publish("lane", "2")) == 1
    await one.store.close()
    two = Opened(SqliteStore(SqliteFile(path)))
    await two.open()
    await two.store.close()
    assert actions(two.entries) == ["1", "2"]


def garbage(path: Path) -> None:
    path.write_bytes(GARBAGE)


def garbage_in_the_lock(path: Path) -> None:
    path.with_name(f"{path.name}-owner").write_bytes(GARBAGE)


def a_directory(path: Path) -> None:
    path.mkdir()


def damage(path: Path) -> None:
    """The first page is whole."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (garbage, "file is not a database"),
        (garbage_in_the_lock, "file is not a database"),
        (a_directory, "unable to open database file"),
    ],
)
async def test_what_is_no_outbox_file_is_refused_by_its_name(
    path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    spoil(path)

    await refused(path, rf"the file outbox\.db cannot be used: {reason}")


def test_a_file_that_is_refused_is_left_as_it_is(path: Path) -> None:
    garbage(path)

    asyncio.run(refused(path, "not a database"))

    assert path.read_bytes() == GARBAGE


async def test_a_file_in_the_place_of_the_directory_is_refused(path: Path) -> None:
    garbage(path)

    await refused(path / "outbox.db", r"outbox\.db cannot be used")


async def test_a_damaged_file_is_refused(path: Path) -> None:
    one = Opened(SqliteStore(SqliteFile(path)))
    await one.open()
    await one.publish("lane", *("x" * 500 for _ in range(100)))
    await one.store.close()
    damage(path)

    await refused(path, "malformed")


async def test_a_file_of_a_newer_version_is_left_alone_and_not_held(path: Path, open_store: Open) -> None:
    one = Opened(SqliteStore(SqliteFile(path)))
    await one.open()
    await one.publish("lane", "1")
    await one.store.close()
    with beside(path) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    await refused(path, "written by a newer version")

    with beside(path) as other:
        assert other.execute("SELECT count(*) FROM outbox").fetchone() == (1,)
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    assert actions((await open_store()).entries) == ["1"]


async def test_nobody_else_reads_what_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(SqliteFile(tmp_path / "outbox.db"))
    await store.open(lambda _: None, lambda _: None)
    await store.commit(Batch(entries=[NewEntry("lane", "chat", 1.0, b"{}")]))

    found = {name: readable_by_others(tmp_path / name) for name in ("outbox.db", "outbox.db-wal", "outbox.db-shm")}
    await store.close()

    assert not any(found.values())
