"""The default store: a SQLite file for one process, which hubs' storage shares.

A whole batch is one statement a table, so that the file's thread asks for the interpreter's lock a handful of times a
commit, not once a row.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Sequence
from time import time

from app.fanout.answers import decode_key, decode_reply, encode_key, encode_reply
from app.fanout.store import Accept, Batch, Entry, EntryId, KeptAnswer, Remember
from app.storage.sqlite_file import SqliteFile, as_json, insert
from app.storage.sqlite_schema import SCHEMA_VERSION
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from app.upstream.storage import StorageError

LOOK_FOR_RETRIES_SECONDS = 1.0


class SqliteStore:
    """Numbers of entries and answers are given once in the life of a process, whether or not a commit succeeds."""

    shares_answers = False

    def __init__(self, file: SqliteFile, *, max_dead_letters: int = 10_000) -> None:
        self._file = file
        self._max_dead_letters = max_dead_letters
        self._next_id = 1
        self._next_answer = 1
        self._unsent = 0
        self._dead = 0
        self._accept: Accept | None = None
        self._retries: asyncio.Task[None] | None = None
        self._is_open = False
        self._expiring: deque[tuple[float, int]] = deque()
        """Per commit: when its answers expire, and the id of the last."""

    async def open(self, accept: Accept, remember: Remember) -> None:
        self._accept = accept
        await self._file.open()
        self._is_open = True
        try:
            entries, answers = await self._file.write(self._load, None)
            entries += await self._take_retried()
        except BaseException:
            await self.close()
            raise
        self._unsent = len(entries)
        remember(answers)
        accept(entries)
        self._retries = asyncio.create_task(self._look_for_retries())

    async def commit(self, batch: Batch) -> None:
        entries, removed = await self._file.write(self._commit, batch)
        self._unsent += len(entries) - removed
        self._dead += len(batch.dead)
        if entries and self._accept is not None:
            self._accept(entries)

    def quiesce(self) -> None: ...

    async def close(self) -> None:
        if self._retries is not None:
            self._retries.cancel()
            await asyncio.gather(self._retries, return_exceptions=True)
            self._retries = None
        if self._is_open:
            self._is_open = False
            await self._file.close()

    def waiting(self) -> int:
        return self._unsent

    def dead_letters(self) -> int:
        return self._dead

    async def claim(self, key: Key) -> Reply | None:
        return None

    async def release(self, key: Key) -> None: ...

    async def _look_for_retries(self) -> None:
        """`webpubsub outbox retry` marks letters in the file; they become entries again here."""
        while True:
            await asyncio.sleep(LOOK_FOR_RETRIES_SECONDS)
            try:
                entries = await self._take_retried()
            except StorageError:
                continue  # the next commit will say it to those who wait for one
            self._unsent += len(entries)
            if entries and self._accept is not None:
                self._accept(entries)

    async def _take_retried(self) -> list[Entry]:
        self._dead, is_retried = await self._file.read(_letters)
        return await self._file.write(self._retry, None) if is_retried else []

    # What follows runs in the file's thread.

    def _load(self, connection: sqlite3.Connection, _: Sequence[None]) -> list[tuple[list[Entry], list[KeptAnswer]]]:
        connection.execute("DELETE FROM answers WHERE expires_at < ?", (time(),))
        answers = connection.execute("SELECT key, reply, expires_at, id FROM answers ORDER BY id").fetchall()
        rows = connection.execute("SELECT id, lane, hub, accepted_at, action FROM outbox ORDER BY id").fetchall()
        self._next_id = connection.execute(
            "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM outbox), (SELECT coalesce(max(id), 0) FROM dead))"
        ).fetchone()[0]
        self._next_answer = answers[-1][3] + 1 if answers else 1
        self._expiring.extend((expires_at, number) for _, _, expires_at, number in answers)
        kept = [KeptAnswer(decode_key(key), decode_reply(reply), at) for key, reply, at, _ in answers]
        return [([Entry(*row) for row in rows], kept)]

    def _commit(self, connection: sqlite3.Connection, batches: Sequence[Batch]) -> list[tuple[list[Entry], int]]:
        """For each the new entries, and how many are gone."""
        return [self._write(connection, batch) for batch in batches]

    def _write(self, connection: sqlite3.Connection, batch: Batch) -> tuple[list[Entry], int]:
        entries = [Entry(number, *entry) for number, entry in enumerate(batch.entries, self._next_id)]
        self._next_id += len(entries)
        answers = [
            (number, encode_key(one.key), one.expires_at, encode_reply(one.reply))
            for number, one in enumerate(batch.answers, self._next_answer)
        ]
        if answers:
            self._next_answer += len(answers)
            self._expiring.append((batch.answers[-1].expires_at, self._next_answer - 1))
        removed = 0
        if not batch:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")  # finds a full disk as well
        insert(connection, "INSERT INTO outbox (id, lane, hub, accepted_at, action)", entries)
        insert(connection, "INSERT INTO answers (id, key, expires_at, reply)", answers)
        if batch.dead:
            removed += self._bury(connection, batch.dead)
        if batch.finished:
            removed += connection.execute(
                "DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", (as_json(batch.finished),)
            ).rowcount
        self._forget_answers(connection)
        return entries, removed

    def _bury(self, connection: sqlite3.Connection, dead: Sequence[tuple[EntryId, str]]) -> int:
        letters = as_json(dead)
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

    def _retry(self, connection: sqlite3.Connection, _: Sequence[None]) -> list[list[Entry]]:
        """Retried letters go to the end of their lanes."""
        letters = connection.execute(
            "SELECT lane, hub, accepted_at, action, id FROM dead WHERE retry = 1 ORDER BY id"
        ).fetchall()
        entries = [Entry(number, *row[:4]) for number, row in enumerate(letters, self._next_id)]
        self._next_id += len(entries)
        insert(connection, "INSERT INTO outbox (id, lane, hub, accepted_at, action)", entries)
        connection.executemany("DELETE FROM dead WHERE id = ?", [row[4:] for row in letters])
        return [entries]


def _letters(connection: sqlite3.Connection) -> tuple[int, bool]:
    """How many there are, and whether one of them is to be retried. An index holds all of it."""
    count, retried = connection.execute("SELECT count(*), coalesce(max(retry), 0) FROM dead").fetchone()
    return count, bool(retried)
