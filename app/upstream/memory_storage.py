"""Storage that ends with the process: for development, and for the tests of hubs."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from time import time

from app.upstream.listeners import Listeners
from app.upstream.storage import KEEP, Conflict, Keep, Record, check_names


@dataclass
class _Log:
    last: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    """By number, oldest first."""
    numbers: dict[str, int] = field(default_factory=dict)
    """By id, of the records that are kept."""

    def kept(self, after: int, keep: Keep, now: float) -> Iterator[Record]:
        oldest = _oldest(keep, now)
        for number in range(max(after, self.last - keep.count, 0) + 1, self.last + 1):
            record = self.records.get(number)
            if record is not None and record.at >= oldest:
                yield record

    def trim(self, keep: Keep, now: float) -> None:
        oldest = _oldest(keep, now)
        while self.records:
            first = next(iter(self.records.values()))
            if first.number > self.last - keep.count and first.at >= oldest:
                return
            del self.numbers[self.records.pop(first.number).id]


def _oldest(keep: Keep, now: float) -> float:
    return -inf if keep.seconds is None else now - keep.seconds


class MemoryStorage:
    """A `Storage`. Nothing is ever unavailable."""

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._logs: dict[str, _Log] = {}
        self._tables: dict[str, dict[str, bytes]] = {}
        self._listeners = Listeners()

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        check_names(log, id)
        kept = self._logs.get(log) or _Log()
        if (number := kept.numbers.get(id)) is not None:
            return kept.records[number]
        if expected is not None and expected != kept.last:
            raise Conflict(f"the log has {kept.last} records, not {expected}")
        self._logs[log] = kept
        kept.last += 1
        record = Record(kept.last, self._clock(), id, body)
        kept.records[record.number] = record
        kept.numbers[id] = record.number
        kept.trim(keep, record.at)
        return record

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        check_names(log)
        kept = self._logs.get(log) or _Log()
        return list(islice(kept.kept(after, keep, self._clock()), limit))

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        check_names(log)
        kept = self._logs.get(log) or _Log()
        return list(kept.kept(kept.last - limit, keep, self._clock()))

    async def logs(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._logs if name.startswith(prefix))

    async def drop(self, log: str) -> None:
        check_names(log)
        self._logs.pop(log, None)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        check_names(table, *rows)
        held = self._tables.setdefault(table, {})
        for name, value in rows.items():
            if value is None:
                held.pop(name, None)
            else:
                held[name] = value
        if not held:
            del self._tables[table]
        return len(held)

    async def rows(self, table: str) -> dict[str, bytes]:
        check_names(table)
        return dict(self._tables.get(table, {}))

    async def tables(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._tables if name.startswith(prefix))

    async def announce(self, topic: str, body: bytes) -> None:
        check_names(topic)
        self._listeners.tell(topic, body)

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        check_names(topic)
        return self._listeners.listen(topic)
