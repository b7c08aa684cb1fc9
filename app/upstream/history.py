"""The last messages of each room, with a number each, so that a reader sees a gap and asks for what is in it."""

from typing import NamedTuple

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from app.upstream.storage import Keep, Storage

KEEP_MESSAGES = Keep(count=1_000, seconds=30 * 24 * 3600)


class Line(NamedTuple):
    """`number` counts within the room from 1; `at` is Unix seconds."""

    number: int
    at: float
    value: JsonValue


class History:
    """A hub asks for one in its `__init__`. Bounded by count and by age (`KEEP_MESSAGES`).

    Every call may raise `StorageError`.
    """

    def __init__(self, storage: Storage, keep: Keep = KEEP_MESSAGES) -> None:
        self._storage = storage
        self._keep = keep

    async def append(self, room: str, value: JsonValue, *, id: str) -> Line:
        """Returns when it is safe. The same `id` again gives the first line: take `event.message_id()`."""
        record = await self._storage.append(_log(room), to_json(value), id=id, keep=self._keep)
        return Line(record.number, record.at, from_json(record.body))

    async def newest(self, room: str, limit: int = 50) -> list[Line]:
        """The last lines, oldest first."""
        records = await self._storage.newest(_log(room), limit=limit, keep=self._keep)
        return [Line(one.number, one.at, from_json(one.body)) for one in records]

    async def since(self, room: str, number: int, limit: int = 200) -> list[Line]:
        """What follows the line `number`, oldest first; what is no longer kept is left out."""
        records = await self._storage.read(_log(room), after=number, limit=limit, keep=self._keep)
        return [Line(one.number, one.at, from_json(one.body)) for one in records]


def _log(room: str) -> str:
    return f"history/{room}"
