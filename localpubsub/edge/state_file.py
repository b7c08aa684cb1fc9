"""The file that outlives the service, and what goes into it behind its back.

A thread of its own writes, `SAVE_SECONDS` after the last time and only what is new: nobody waits for the disk. What a
crash may cost is what happened since then. A stop writes everything.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from localpubsub.engine.service import Service
from localpubsub.engine.state import Changes, Key, Ledger, Saved, SavedConnection, SavedMessage, restore

log = logging.getLogger(__name__)

SAVE_SECONDS = 0.1
APPLICATION_ID = 0x6C707362
VERSION = 1
SCHEMA = """
CREATE TABLE connections (hub TEXT, id TEXT, record TEXT NOT NULL, PRIMARY KEY (hub, id)) WITHOUT ROWID;
CREATE TABLE messages (
  hub TEXT, id TEXT, serial INTEGER, number INTEGER NOT NULL, is_text INTEGER NOT NULL, data BLOB NOT NULL,
  expires_at REAL, PRIMARY KEY (hub, id, serial)
);
CREATE TABLE last_stop (is_clean INTEGER NOT NULL);
INSERT INTO last_stop VALUES (1);
"""

_Result = TypeVar("_Result")


class StateError(Exception):
    """The file cannot be used; the text says why, and what to do."""


class StateFile:
    """Every method blocks. While it is open no other process can use the file."""

    _connection: sqlite3.Connection | None = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> Saved:
        """Raises `StateError`."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.touch(mode=0o600)  # messages are nobody else's business; SQLite's other files get the same mode
            connection = self._connection = sqlite3.connect(
                self._path, timeout=0.5, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with self._transaction() as transaction:
                saved = _read(transaction)
                transaction.execute("UPDATE last_stop SET is_clean = 0")
        except OSError as error:
            raise StateError(f"cannot use the state file {self._path}: {error.strerror or error}") from error
        except sqlite3.OperationalError as error:
            reason = "another process uses it" if "locked" in str(error) else str(error)
            raise StateError(f"cannot use the state file {self._path}: {reason}") from error
        except (sqlite3.Error, TypeError, ValueError, KeyError) as error:
            raise self.broken(error) from error
        return saved

    def broken(self, error: Exception) -> StateError:
        return StateError(f"the state file {self._path} is broken; delete it, or name another one ({error})")

    def _check(self, connection: sqlite3.Connection) -> None:
        with self._transaction():  # nobody else gets between the question and the answer
            application, version, tables = (
                connection.execute(f"SELECT * FROM {query}").fetchone()[0]  # noqa: S608 - they are ours
                for query in ("pragma_application_id", "pragma_user_version", "(SELECT count(*) FROM sqlite_master)")
            )
            if not (application or version or tables):
                for statement in SCHEMA.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
                return
        if application != APPLICATION_ID:
            raise StateError(f"{self._path} is a database of something else; name another state file")
        if version != VERSION:
            raise StateError(
                f"the state file {self._path} has version {version}, and this service writes version {VERSION}; "
                "delete it, or name another one"
            )
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise self.broken(ValueError(damage))

    def write(self, changes: Changes, *, is_clean: bool = False) -> None:
        """All of it or nothing. Raises `sqlite3.Error`."""
        with self._transaction() as transaction:
            if changes.is_anew:
                transaction.execute("DELETE FROM connections")
                transaction.execute("DELETE FROM messages")
            transaction.executemany("DELETE FROM connections WHERE hub = ? AND id = ?", changes.gone)
            transaction.executemany("DELETE FROM messages WHERE hub = ? AND id = ?", changes.gone)
            transaction.executemany(
                "DELETE FROM messages WHERE hub = ? AND id = ? AND serial = ?",
                ((*key, serial) for key, serial in changes.confirmed),
            )
            transaction.executemany(
                "REPLACE INTO connections VALUES (?, ?, ?)",
                ((*one.key, json.dumps(vars(one))) for one in changes.connections),
            )
            transaction.executemany(
                "REPLACE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((*key, *message) for key, message in changes.messages),
            )
            transaction.execute("UPDATE last_stop SET is_clean = ?", (is_clean,))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        if connection is None:
            raise sqlite3.ProgrammingError("the state file is not open")
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _read(connection: sqlite3.Connection) -> Saved:
    records = connection.execute("SELECT record FROM connections")
    saved = Saved([SavedConnection(**json.loads(record)) for (record,) in records], {}, is_clean=False)
    rows = connection.execute("SELECT * FROM messages ORDER BY hub, id, serial")
    for hub, name, serial, number, is_text, data, expires_at in rows:
        message = SavedMessage(serial, number, bool(is_text), data, expires_at)
        saved.messages.setdefault(Key(hub, name), []).append(message)
    saved.is_clean = bool(connection.execute("SELECT is_clean FROM last_stop").fetchone()[0])
    return saved


class StateKeeper:
    """Brings the service to where it was, and keeps the file behind it."""

    def __init__(self, path: Path, service: Service, *, save_seconds: float = SAVE_SECONDS) -> None:
        self._service = service
        self._file = StateFile(path)
        self._ledger = Ledger(service)
        self._save_seconds = save_seconds
        self._thread = ThreadPoolExecutor(1, "state")
        self._stopping = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises `StateError`."""
        try:
            saved = await self._run(self._file.open)
            try:
                restore(self._service, saved)
            except (TypeError, ValueError, KeyError) as error:
                raise self._file.broken(error) from error
        except BaseException:
            await self._let_go()
            raise
        if saved.connections:
            log.info("%d connections of before may come back", len(saved.connections))
        self._saving = asyncio.create_task(self._save_again_and_again())

    async def save(self) -> None:
        """What has happened until now is in the file afterwards, or the log says why not."""
        await self._write(self._ledger.changes())

    async def close(self) -> None:
        """Saves everything. Nobody may change the service any more."""
        self._stopping.set()
        if self._saving is not None:
            await self._saving
            await self._write(self._ledger.changes(), is_clean=True)
        await self._let_go()

    async def _save_again_and_again(self) -> None:
        while not self._stopping.is_set():
            if changes := self._ledger.changes():
                await self._write(changes)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._save_seconds)

    async def _write(self, changes: Changes, *, is_clean: bool = False) -> None:
        try:
            await self._run(lambda: self._file.write(changes, is_clean=is_clean))
        except sqlite3.Error as error:
            log.error("the state was not saved: %s", error)  # noqa: TRY400 - it is the disk's mistake
            self._ledger.start_over()

    async def _let_go(self) -> None:
        await self._run(self._file.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
