"""One SQLite file for one process: its thread, its lock, its transactions.

A commit is on the disk when it returns (WAL, synchronous=FULL). What is to be written while one runs goes into the next
together, whoever asks for it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic_core import to_json

from app.storage.sqlite_schema import check_version, migrate
from app.upstream.storage import StorageError

ROWS_AT_ONCE = 64
STATEMENTS_KEPT = 512
"""Each number of rows is a statement of its own, and SQLite keeps them prepared."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Apply = Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Result | Exception]]
"""Writes some items in a transaction. Gives an outcome for each: an exception is raised where that item came from.

It may be called again with the same items, where the transaction of the first call was undone.
"""


class FileInUse(StorageError):
    """Another process has the file, and it serves only one."""


class _Write(NamedTuple):
    apply: Apply[Any, Any]
    item: Any
    written: asyncio.Future[Any]


class SqliteFile:
    """A second process on the same file is refused by a lock that ends with the process that holds it.

    Several may share it: the first `open` opens, the last `close` closes.
    """

    def __init__(self, path: Path, *, busy_seconds: float = 0.5) -> None:
        self.path = path
        self._busy_seconds = busy_seconds
        self._users = 0
        self._thread = ThreadPoolExecutor(1, "store")
        self._opened: list[sqlite3.Connection] = []
        """The file and, last, the lock on it: let go in that order."""
        self._connection: sqlite3.Connection
        self._waiting: dict[Apply[Any, Any], list[_Write]] = {}
        self._is_writing = False

    async def open(self) -> None:
        """Raises `FileInUse`, and `StorageError` where it cannot be used."""
        self._users += 1
        if self._users > 1:
            return
        try:
            await self._run(self._open)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self._users -= 1
        if self._users:
            return
        for write in self._take_waiting():
            _settle(write, StorageError(f"{self.path.name} is closed"))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def read(self, look: Callable[..., Result], *arguments: object) -> Result:
        """What `look` finds. It gets the connection first, and runs between two transactions."""
        self._check_open()
        return await self._run(lambda: look(self._connection, *arguments))

    async def write(self, apply: Apply[Item, Result], item: Item) -> Result:
        """Returns when it is on the disk. Items that wait for the same `apply` are given to it together.

        One that fails does not fail the others. Raises `StorageError`, or the exception `apply` gives for the item.
        """
        self._check_open()
        written: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(apply, []).append(_Write(apply, item, written))
        if not self._is_writing:
            self._begin()
        return await written

    def _check_open(self) -> None:
        if not self._users:
            raise StorageError(f"{self.path.name} is closed")

    def _take_waiting(self) -> list[_Write]:
        """Those of one `apply` side by side, in the order they came."""
        waiting, self._waiting = self._waiting, {}
        return [write for group in waiting.values() for write in group]

    def _begin(self) -> None:
        writes = self._take_waiting()
        self._is_writing = True
        commit = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, writes)
        commit.add_done_callback(lambda done: self._ended(writes, done))

    def _ended(self, writes: list[_Write], commit: asyncio.Future[list[Any]]) -> None:
        self._is_writing = False
        error = commit.exception()
        for write, outcome in zip(writes, commit.result() if error is None else [error] * len(writes), strict=True):
            _settle(write, self._described(outcome) if isinstance(outcome, sqlite3.Error | OSError) else outcome)
        if self._waiting:
            self._begin()

    async def _run(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise self._described(error) from error

    def _described(self, error: Exception) -> StorageError:
        """Each failure its own: a traceback grows with every raise of the same exception."""
        return StorageError(f"the file {self.path.name} cannot be used: {error}")

    # What follows runs in the thread.

    def _open(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)  # messages are nobody else's business; SQLite's other files get the same mode
        self._opened.append(_lock(self.path))
        self._connection = connect(self.path, self._busy_seconds)
        self._opened.insert(0, self._connection)

    def _close(self) -> None:
        for connection in self._opened:
            connection.close()
        self._opened.clear()

    def _commit(self, writes: list[_Write]) -> list[Any]:
        """An outcome for each. Where it fails it is tried again by halves, so that one cannot fail the others."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            return [error] * len(writes)
        try:
            outcomes: list[Any] = []
            for apply, group in groupby(writes, attrgetter("apply")):
                outcomes += apply(connection, [write.item for write in group])
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - raised where the item came from
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if len(writes) == 1:
                return [error]
        else:
            return outcomes
        half = len(writes) // 2
        return self._commit(writes[:half]) + self._commit(writes[half:])


def _settle(write: _Write, outcome: Any) -> None:
    if write.written.done():
        return
    if isinstance(outcome, BaseException):
        write.written.set_exception(outcome)
    else:
        write.written.set_result(outcome)


def _lock(path: Path) -> sqlite3.Connection:
    """A lock beside the file, held by an open transaction: it ends with the process, however that ends."""
    owner = sqlite3.connect(f"{path}-owner", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        owner.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        owner.close()
        if "locked" not in str(error):
            raise
        raise FileInUse(
            f"{path} is used by another process, and a SQLite file serves one: run one worker, or share the store "
            "between several with STORE=redis://..."
        ) from None
    return owner


def connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A file that is not there is made. Raises `sqlite3.Error`, and `StorageError` for one of a newer program."""
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_KEPT
    )
    try:
        check_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def insert(connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Many rows with one statement: the thread takes the interpreter's lock once, not once a row.

    `into` is the statement up to its values.
    """
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        places = ",".join([f"({','.join('?' * len(some[0]))})"] * len(some))
        connection.execute(f"{into} VALUES {places}", list(chain.from_iterable(some)))


def as_json(value: object) -> str:
    """For `json_each`."""
    return to_json(value).decode()
