"""What hubs keep, in the file of the outbox."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from time import time

from app.storage import sqlite_logs, sqlite_tables
from app.storage.sqlite_file import SqliteFile
from app.storage.sqlite_logs import Append, append_all, drop_all
from app.storage.sqlite_tables import Write, write_all
from app.upstream.listeners import Listeners
from app.upstream.storage import KEEP, Keep, Record, check_names


class SqliteStorage:
    """A `Storage` for one process. Calls that wait at the same time share a transaction, with the outbox's commits."""

    def __init__(self, file: SqliteFile, clock: Callable[[], float] = time) -> None:
        self._file = file
        self._clock = clock
        self._listeners = Listeners()
        self._is_open = False

    async def open(self) -> None:
        await self._file.open()
        self._is_open = True

    async def close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._file.close()

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        check_names(log, id)
        return await self._file.write(append_all, Append(log, id, body, self._clock(), expected, keep))

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._read(log, after, None, limit, keep)

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._read(log, 0, limit, limit, keep)

    async def _read(self, log: str, after: int, newest: int | None, limit: int, keep: Keep) -> list[Record]:
        check_names(log)
        now = self._clock()

        def look(connection: sqlite3.Connection) -> list[Record]:
            return sqlite_logs.read(connection, log, after=after, newest=newest, limit=limit, keep=keep, now=now)

        return await self._file.read(look)

    async def logs(self, prefix: str = "") -> list[str]:
        return await self._file.read(_names, "SELECT name FROM logs", prefix)

    async def drop(self, log: str) -> None:
        check_names(log)
        await self._file.write(drop_all, log)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        check_names(table, *rows)
        return await self._file.write(write_all, Write(table, dict(rows)))

    async def rows(self, table: str) -> dict[str, bytes]:
        check_names(table)
        return await self._file.read(sqlite_tables.rows, table)

    async def tables(self, prefix: str = "") -> list[str]:
        return await self._file.read(_names, "SELECT name FROM tables", prefix)

    async def announce(self, topic: str, body: bytes) -> None:
        check_names(topic)
        self._listeners.tell(topic, body)

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        check_names(topic)
        return self._listeners.listen(topic)


def _names(connection: sqlite3.Connection, query: str, prefix: str) -> list[str]:
    # SQLite compares text by its bytes, which is Python's order; no text has a byte as high as the last one here.
    bounds = (prefix, prefix.encode() + b"\xff")
    found = connection.execute(f"{query} WHERE name >= ? AND name < CAST(? AS TEXT) ORDER BY name", bounds)
    return [name for (name,) in found.fetchall()]
