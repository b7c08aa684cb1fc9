"""Storage that ends with the process: for development, and for the tests of hubs."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from time import time

from app.upstream.listeners import Listeners
from app.upstream.storage import KEEP, Conflict, Keep, Record


@dataclass
class _Log:
    last: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    """By number, oldest first."""
    numbers: dict[str, int] = field(default_factory=dict)
    """By id, of the records that are kept."""

    def trim(self, keep: Keep) -> None:
        for number in [number for number, one in self.records.items() if not _counts(one, self.last, keep)]:
            del self.numbers[self.records.pop(number).id]


def _counts(record: Record, last: int, keep: Keep) -> bool:
    is_young = keep.seconds is None or record.at >= time() - keep.seconds
    return is_young and record.number > last - keep.count


class MemoryStorage:
    """A `Storage`. Nothing is ever unavailable."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._tables: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        self._listeners = Listeners()

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        kept = self._logs.get(log) or _Log()
        if (number := kept.numbers.get(id)) is not None:
            return kept.records[number]
        if expected is not None and expected != kept.last:
            raise Conflict(f"the log has {kept.last} records, not {expected}")
        self._logs[log] = kept
        kept.last += 1
        record = Record(kept.last, time(), id, body)
        kept.records[record.number] = record
        kept.numbers[id] = record.number
        kept.trim(keep)
        return record

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        kept = self._logs.get(log) or _Log()
        return [one for one in kept.records.values() if one.number > after and _counts(one, kept.last, keep)][:limit]

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        kept = self._logs.get(log) or _Log()
        return [
            one for one in kept.records.values() if one.number > kept.last - limit and _counts(one, kept.last, keep)
        ]

    async def logs(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._logs if name.startswith(prefix))

    async def drop(self, log: str) -> None:
        self._logs.pop(log, None)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        held = self._tables[table]
        for key, value in rows.items():
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        if not held:
            del self._tables[table]
        return len(held)

    async def rows(self, table: str) -> dict[str, bytes]:
        return dict(self._tables.get(table, {}))

    async def tables(self, prefix: str = "") -> list[str]:
        return sorted(name for name in self._tables if name.startswith(prefix))

    async def announce(self, topic: str, body: bytes) -> None:
        self._listeners.tell(topic, body)

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._listeners.listen(topic)
