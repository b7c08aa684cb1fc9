"""What hubs keep, in the Redis that replicas share."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from time import time
from typing import Any

from app.storage.redis_announcements import Announcements
from app.storage.redis_connection import RedisConnection
from app.storage.redis_scripts import APPEND, DROP, READ, WRITE
from app.storage.redis_turns import Turns
from app.upstream.storage import KEEP, Conflict, Keep, Record, check_names


class RedisStorage:
    """A `Storage` for several replicas. The braces of the default prefix keep its keys in one slot of a cluster."""

    def __init__(self, url: str, *, prefix: str = "{webpubsub}", clock: Callable[[], float] = time) -> None:
        self._prefix = prefix
        self._clock = clock
        self._connection = RedisConnection(url)
        self._turns = Turns(self._connection)
        self._announcements = Announcements(self._connection, prefix)

    async def open(self) -> None:
        """Raises `StorageError` where Redis cannot be used."""
        try:
            await self._announcements.open()
        except BaseException:
            await self._connection.close()
            raise
        self._turns.open()

    async def close(self) -> None:
        await self._turns.close()
        await self._announcements.close()
        await self._connection.close()

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        check_names(log, id)
        at = self._clock()
        outcome, found = await self._run(
            APPEND,
            [*self._log(log), f"{self._prefix}:logs"],
            log,
            id,
            repr(at),
            body,
            "" if expected is None else expected,
            keep.count,
            _oldest(keep, at),
        )
        if outcome == b"conflict":
            raise Conflict(f"the log has {found} records, not {expected}")
        return _record(found) if outcome == b"known" else Record(found, at, id, body)

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._read(log, after, "", limit, keep)

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        return await self._read(log, 0, limit, limit, keep)

    async def _read(self, log: str, after: int, newest: int | str, limit: int, keep: Keep) -> list[Record]:
        check_names(log)
        oldest = _oldest(keep, self._clock())
        found = await self._run(READ, self._log(log), after, newest, limit, keep.count, oldest)
        return [_record(one) for one in found]

    async def logs(self, prefix: str = "") -> list[str]:
        return await self._names("logs", prefix)

    async def drop(self, log: str) -> None:
        check_names(log)
        await self._run(DROP, [*self._log(log), f"{self._prefix}:logs"], log)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        check_names(table, *rows)
        kept = {name: value for name, value in rows.items() if value is not None}
        pairs = [part for pair in kept.items() for part in pair]
        gone = [name for name, value in rows.items() if value is None]
        keys = [self._table(table), f"{self._prefix}:tables"]
        return int(await self._run(WRITE, keys, table, len(kept), *pairs, *gone))

    async def rows(self, table: str) -> dict[str, bytes]:
        check_names(table)
        found: dict[bytes, bytes] = await self._turns.ask("HGETALL", self._table(table))
        return {name.decode(): value for name, value in found.items()}

    async def tables(self, prefix: str = "") -> list[str]:
        return await self._names("tables", prefix)

    async def announce(self, topic: str, body: bytes) -> None:
        check_names(topic)
        await self._turns.ask(*self._announcements.announcement(topic, body))

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        check_names(topic)
        return self._announcements.listen(topic)

    def _log(self, name: str) -> list[str]:
        return [f"{self._prefix}:log:{name}", f"{self._prefix}:log-ids:{name}"]

    def _table(self, name: str) -> str:
        return f"{self._prefix}:table:{name}"

    async def _run(self, script: str, keys: Sequence[str], *arguments: str | bytes | int) -> Any:
        return await self._turns.ask("EVAL", script, len(keys), *keys, *arguments)

    async def _names(self, of: str, prefix: str) -> list[str]:
        # Redis compares names by their bytes, which is Python's order; none has a byte as high as the last one here.
        start = prefix.encode()
        found = await self._turns.ask("ZRANGEBYLEX", f"{self._prefix}:{of}", b"[" + start, b"(" + start + b"\xff")
        return [name.decode() for name in found]


def _oldest(keep: Keep, now: float) -> str:
    return "" if keep.seconds is None else repr(now - keep.seconds)


def _record(entry: tuple[bytes, Sequence[bytes]]) -> Record:
    number, (_, at, _, record_id, _, body) = entry
    return Record(int(number.partition(b"-")[0]), float(at), record_id.decode(), body)
