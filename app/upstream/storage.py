"""What hubs keep between events: numbered logs, tables of rows, and announcements between replicas.

One store serves the outbox and this (`STORE`): a SQLite file for one process, Redis for several replicas, memory for
neither. Every call may raise `StorageError`; a handler that lets it pass is delivered again by the service.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from app.upstream.errors import UpstreamError


class StorageError(UpstreamError):
    """The store is down, full or locked. What was to be kept is not, or the store tells when asked again."""


class Conflict(UpstreamError):
    """Somebody else was first: the log is longer than expected. Read it again, decide again."""


class FellBehind(UpstreamError):
    """Announcements were missed: the listener took too long, or the store was away. Listen again, then read."""


class Record(NamedTuple):
    """`number` counts from 1 without gaps, in the order of the appends; `at` is Unix seconds."""

    number: int
    at: float
    id: str
    body: bytes


@dataclass(frozen=True)
class Keep:
    """How much of a log is kept: the newest `count` records, and none older than `seconds`.

    What is over is dropped with the next append, and never read.
    """

    count: int = 10_000
    seconds: float | None = None


KEEP = Keep()


def check_names(*names: str) -> None:
    """Raises `ValueError` for what no storage takes: NUL, half a surrogate pair."""
    for name in names:
        name.encode()
        if "\0" in name:
            raise ValueError("a name holds NUL")


class Storage(Protocol):
    """Names of logs, records, tables, rows and topics are any text without NUL; `ValueError` for others."""

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        """Returns when the record is safe. Repeatable: an `id` the log still holds gives the record it has.

        Raises `Conflict` where the last number is not `expected`; 0 is that of a log that has never been written.
        """

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        """Oldest first, from the first kept record whose number is above `after`."""

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        """The last `limit` records, oldest first."""

    async def logs(self, prefix: str = "") -> list[str]:
        """Names of the logs that have ever been written and were not dropped, sorted."""

    async def drop(self, log: str) -> None:
        """Forgets records and numbers."""

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        """Sets rows, takes away those that are `None`; all or nothing. Returns how many rows the table then has.

        Two writes to one table never see the same table: of two that add the first row, one is told 1.
        """

    async def rows(self, table: str) -> dict[str, bytes]:
        """The whole table; an empty one where there is none."""

    async def tables(self, prefix: str = "") -> list[str]:
        """Names of the tables that have a row, sorted."""

    async def announce(self, topic: str, body: bytes) -> None:
        """Tells the listeners of this moment, in every replica. It is not kept."""

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Announcements from now on, inside. The iterator raises `FellBehind` where it is not read in time."""


class ScopedStorage:
    """A part of another storage, under a prefix of its own: a hub's."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage = storage
        self._prefix = prefix

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        return await self._storage.append(self._prefix + log, body, id=id, expected=expected, keep=keep)

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._storage.read(self._prefix + log, after=after, limit=limit, keep=keep)

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._storage.newest(self._prefix + log, limit=limit, keep=keep)

    async def logs(self, prefix: str = "") -> list[str]:
        return [name.removeprefix(self._prefix) for name in await self._storage.logs(self._prefix + prefix)]

    async def drop(self, log: str) -> None:
        await self._storage.drop(self._prefix + log)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        return await self._storage.write(self._prefix + table, rows)

    async def rows(self, table: str) -> dict[str, bytes]:
        return await self._storage.rows(self._prefix + table)

    async def tables(self, prefix: str = "") -> list[str]:
        return [name.removeprefix(self._prefix) for name in await self._storage.tables(self._prefix + prefix)]

    async def announce(self, topic: str, body: bytes) -> None:
        await self._storage.announce(self._prefix + topic, body)

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._storage.listen(self._prefix + topic)
