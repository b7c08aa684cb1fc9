"""The default store: one SQLite file for one process.

Commits run in a thread of the store's own and are on the disk when they return (WAL, synchronous=FULL); the outbox
gathers what arrives meanwhile into the next one. A whole batch is one statement a table, so that the thread asks for
the interpreter's lock a handful of times a commit, not once a row.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from time import time
from typing import TypeVar

from pydantic_core import to_json

from app.fanout.answers import decode_key, decode_reply, encode_key, encode_reply
from app.fanout.store import Accept, Batch, DeadLetter, Entry, EntryId, KeptAnswer, Remember, StoreError, StoreInUse
from app.upstream.idempotency import Key
from app.upstream.reply import Reply

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB);
CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY, key TEXT, expires_at REAL, reply TEXT);
CREATE TABLE IF NOT EXISTS dead (
  id INTEGER PRIMARY KEY, lane TEXT, hub TEXT, accepted_at REAL, action BLOB, reason TEXT, died_at REAL,
  retry INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS dead_by_age ON dead (retry, died_at);
"""
LOOK_FOR_RETRIES_SECONDS = 1.0
ROWS_AT_ONCE = 64
"""Each number of rows is a statement of its own, and SQLite keeps them prepared."""

_Result = TypeVar("_Result")


class SqliteStore:
    """A second process on the same file is refused by a lock that ends with the process that holds it."""

    shares_answers = False

    def __init__(self, path: Path, *, max_dead_letters: int = 10_000, busy_seconds: float = 0.5) -> None:
        self._path = path
        self._max_dead_letters = max_dead_letters
        self._busy_seconds = busy_seconds
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._opened: list[sqlite3.Connection] = []
        """The file and, last, the lock on it: let go in that order."""
        self._connection: sqlite3.Connection
        self._next_id = 1
        self._next_answer = 1
        self._unsent = 0
        self._accept: Accept | None = None
        self._retries: asyncio.Task[None] | None = None
        self._is_closed = False
        self._expiring: deque[tuple[float, int]] = deque()
        """Per commit: when its answers expire, and the id of the last."""

    async def open(self, accept: Accept, remember: Remember) -> None:
        self._accept = accept
        try:
            entries, answers = await self._run(self._open)
        except BaseException:
            await self.close()
            raise
        self._unsent = len(entries)
        remember(answers)
        accept(entries)
        self._retries = asyncio.create_task(self._look_for_retries())

    async def commit(self, batch: Batch) -> None:
        entries, removed = await self._run(self._commit, batch)
        self._unsent += len(entries) - removed
        if entries and self._accept is not None:
            self._accept(entries)

    def quiesce(self) -> None: ...

    async def close(self) -> None:
        if self._retries is not None:
            self._retries.cancel()
            await asyncio.gather(self._retries, return_exceptions=True)
            self._retries = None
        if not self._is_closed:
            self._is_closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
            self._thread.shutdown()

    def waiting(self) -> int:
        return self._unsent

    async def claim(self, key: Key) -> Reply | None:
        return None

    async def release(self, key: Key) -> None: ...

    async def _run(self, work: Callable[..., _Result], *arguments: object) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"the outbox file {self._path.name} cannot be used: {error}") from error

    async def _look_for_retries(self) -> None:
        """`webpubsub outbox retry` marks letters in the file; they become entries again here."""
        while True:
            await asyncio.sleep(LOOK_FOR_RETRIES_SECONDS)
            try:
                entries = await self._run(self._take_retried)
            except StoreError:
                continue  # the next commit will say it to those who wait for one
            self._unsent += len(entries)
            if entries and self._accept is not None:
                self._accept(entries)

    # What follows runs in the store's thread.

    def _open(self) -> tuple[list[Entry], list[KeptAnswer]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch(mode=0o600)  # messages are nobody else's business; SQLite's other files get the same mode
        self._opened.append(_lock(self._path))
        self._connection = _connect(self._path, self._busy_seconds)
        self._opened.insert(0, self._connection)
        with self._transaction() as connection:
            connection.execute("DELETE FROM answers WHERE expires_at < ?", (time(),))
            answers = connection.execute("SELECT key, reply, expires_at, id FROM answers ORDER BY id").fetchall()
            rows = connection.execute("SELECT id, lane, hub, accepted_at, action FROM outbox ORDER BY id").fetchall()
            self._next_id = connection.execute(
                "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM outbox), (SELECT coalesce(max(id), 0) FROM dead))"
            ).fetchone()[0]
        self._next_answer = answers[-1][3] + 1 if answers else 1
        self._expiring.extend((expires_at, number) for _, _, expires_at, number in answers)
        entries = [Entry(*row) for row in rows] + self._take_retried()
        return entries, [KeptAnswer(decode_key(key), decode_reply(reply), at) for key, reply, at, _ in answers]

    def _commit(self, batch: Batch) -> tuple[list[Entry], int]:
        """The new entries, and how many are gone."""
        entries = [Entry(number, *entry) for number, entry in enumerate(batch.entries, self._next_id)]
        answers = [
            (number, encode_key(one.key), one.expires_at, encode_reply(one.reply))
            for number, one in enumerate(batch.answers, self._next_answer)
        ]
        removed = 0
        with self._transaction() as connection:
            if not batch:
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")  # finds a full disk as well
            _insert(connection, "outbox (id, lane, hub, accepted_at, action)", entries)
            _insert(connection, "answers (id, key, expires_at, reply)", answers)
            if batch.dead:
                removed += self._bury(connection, batch.dead)
            if batch.finished:
                removed += connection.execute(
                    "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", (_json(batch.finished),)
                ).rowcount
            self._forget_answers(connection)
        # Only what is committed counts: the numbers of what failed are given again.
        self._next_id += len(entries)
        if answers:
            self._next_answer += len(answers)
            self._expiring.append((batch.answers[-1].expires_at, self._next_answer - 1))
        return entries, removed

    def _bury(self, connection: sqlite3.Connection, dead: Sequence[tuple[EntryId, str]]) -> int:
        letters = _json(dead)
        connection.execute(
            "INSERT OR REPLACE INTO dead (id, lane, hub, accepted_at, action, reason, died_at) "
            "SELECT o.id, o.lane, o.hub, o.accepted_at, o.action, d.value->>1, ? "
            "FROM json_each(?) d JOIN outbox o ON o.id = d.value->>0",
            (time(), letters),
        )
        connection.execute(
            "DELETE FROM dead WHERE id IN "
            "(SELECT id FROM dead WHERE retry = 0 ORDER BY died_at DESC, id DESC LIMIT -1 OFFSET ?)",
            (self._max_dead_letters,),
        )
        query = "DELETE FROM outbox WHERE id IN (SELECT value->>0 FROM json_each(?))"
        return connection.execute(query, (letters,)).rowcount

    def _forget_answers(self, connection: sqlite3.Connection) -> None:
        """Answers come in the order they expire in, so everything up to an id goes at once."""
        now, last = time(), None
        while self._expiring and self._expiring[0][0] < now:
            last = self._expiring.popleft()[1]
        if last is not None:
            connection.execute("DELETE FROM answers WHERE id <= ?", (last,))

    def _take_retried(self) -> list[Entry]:
        """Retried letters go to the end of their lanes."""
        letters = self._connection.execute(
            "SELECT lane, hub, accepted_at, action, id FROM dead WHERE retry = 1 ORDER BY id"
        ).fetchall()
        if not letters:
            return []
        entries = [Entry(number, *row[:4]) for number, row in enumerate(letters, self._next_id)]
        with self._transaction() as connection:
            connection.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", entries)
            connection.executemany("DELETE FROM dead WHERE id = ?", [row[4:] for row in letters])
        self._next_id += len(entries)
        return entries

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _close(self) -> None:
        for connection in self._opened:
            connection.close()
        self._opened.clear()


class SqliteDeadLetters:
    """Works on the file beside the process that owns it, or without one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: sqlite3.Connection | None = None

    async def list(self, limit: int) -> list[DeadLetter]:
        rows = self._execute(
            "SELECT id, hub, lane, accepted_at, died_at, reason, action FROM dead WHERE retry = 0 "
            "ORDER BY died_at DESC, id DESC LIMIT ?",
            (limit,),
        )
        return [DeadLetter(*row) for row in rows]

    async def retry(self, ids: Sequence[EntryId] | None) -> int:
        """Takes effect within a second where an upstream runs, else at its next start."""
        if ids is None:
            return self._execute("UPDATE dead SET retry = 1 WHERE retry = 0").rowcount
        statement = "UPDATE dead SET retry = 1 WHERE retry = 0 AND id IN (SELECT value FROM json_each(?))"
        return self._execute(statement, (_json(ids),)).rowcount

    async def drop(self, ids: Sequence[EntryId] | None) -> int:
        if ids is None:
            return self._execute("DELETE FROM dead WHERE retry = 0").rowcount
        statement = "DELETE FROM dead WHERE retry = 0 AND id IN (SELECT value FROM json_each(?))"
        return self._execute(statement, (_json(ids),)).rowcount

    async def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _execute(self, statement: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        try:
            if self._open is None:
                if not self._path.exists():
                    raise StoreError(f"there is no outbox file {self._path}")
                self._open = _connect(self._path, 5)
            return self._open.execute(statement, parameters)
        except sqlite3.Error as error:
            raise StoreError(f"the outbox file {self._path.name} cannot be used: {error}") from error


def _lock(path: Path) -> sqlite3.Connection:
    """A lock beside the file, held by an open transaction: it ends with the process, however that ends."""
    owner = sqlite3.connect(f"{path}-owner", timeout=0, isolation_level=None, check_same_thread=False)
    try:
        owner.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        owner.close()
        if "locked" not in str(error):
            raise
        raise StoreInUse(
            f"{path} is used by another process, and a SQLite outbox serves one: run one worker, or share the outbox "
            "between several with FANOUT_STORE=redis://..."
        ) from None
    return owner


def _connect(path: Path, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        version = _schema_version(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def _schema_version(connection: sqlite3.Connection, path: Path) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreError(f"{path} was written by a newer version of this program")
    return version


def _insert(connection: sqlite3.Connection, columns: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Many rows with one statement: the thread takes the interpreter's lock once, not once a row."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        places = ",".join([f"({','.join('?' * len(some[0]))})"] * len(some))
        connection.execute(f"INSERT INTO {columns} VALUES {places}", list(chain.from_iterable(some)))  # noqa: S608


def _json(value: object) -> str:
    return to_json(value).decode()
