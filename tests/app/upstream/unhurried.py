"""A store that takes its time, as one elsewhere does."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat

from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import KEEP, Keep, Record


class Unhurried(MemoryStorage):
    """Lets others run before each call is carried out: as often as `pauses` says, once where it says nothing more."""

    def __init__(self, pauses: Callable[[], Iterator[int]] = lambda: repeat(1)) -> None:
        super().__init__()
        self._pauses = pauses()

    async def append(self, log: str, body: bytes, *, id: str, expected: int | None = None, keep: Keep = KEEP) -> Record:
        await self._pause()
        return await super().append(log, body, id=id, expected=expected, keep=keep)

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        await self._pause()
        return await super().newest(log, limit=limit, keep=keep)

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        await self._pause()
        return await super().write(table, rows)

    async def rows(self, table: str) -> dict[str, bytes]:
        await self._pause()
        return await super().rows(table)

    async def announce(self, topic: str, body: bytes) -> None:
        await self._pause()
        await super().announce(topic, body)

    async def _pause(self) -> None:
        for _ in range(next(self._pauses, 1)):
            await asyncio.sleep(0)
