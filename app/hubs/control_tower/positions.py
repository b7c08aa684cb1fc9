"""The last position of each vehicle, in the store: a few large rows, as a store counts rows and not bytes."""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from zlib import crc32

from pydantic_core import from_json, to_json

from app.hubs.control_tower.fleet import Position
from app.upstream.storage import Storage

TABLE = "positions"
ROWS = 16


class Positions:
    """Every call may raise `StorageError`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def write(self, known: Iterable[Position], changed: Collection[str]) -> None:
        """`known` is all there is to know, `changed` names the vehicles that have come, moved or gone."""
        rows: dict[str, list[Position]] = {_row_of(name): [] for name in changed}
        for position in known:
            row = rows.get(_row_of(position.vehicle))
            if row is not None:
                row.append(position)
        if rows:
            await self._storage.write(TABLE, {name: to_json(some) for name, some in rows.items()})

    async def all(self) -> list[Position]:
        return list(chain.from_iterable(map(_read, (await self._storage.rows(TABLE)).values())))

    async def of(self, vehicles: Collection[str]) -> list[Position]:
        """Those that are known."""
        rows: Mapping[str, bytes] = await self._storage.rows(TABLE) if vehicles else {}
        found = chain.from_iterable(_read(rows.get(name, b"[]")) for name in {_row_of(one) for one in vehicles})
        return [one for one in found if one.vehicle in vehicles]


def _row_of(vehicle: str) -> str:
    return str(crc32(vehicle.encode()) % ROWS)


def _read(row: bytes) -> list[Position]:
    return [Position(*one) for one in from_json(row)]
