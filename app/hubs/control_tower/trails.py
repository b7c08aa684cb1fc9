"""Trails in the store. What a replica remembers of them is only what it would read again."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from pydantic_core import from_json, to_json

from app.hubs.control_tower.parties import TOWER
from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.shipment import MAX_ENTRIES, Entry, Shipment, after, follow
from app.upstream.storage import Conflict, Keep, Record, Storage

KEEP = Keep(count=2 * MAX_ENTRIES)
PAGE = 500
ATTEMPTS = 8
REMEMBERED = 20_000
"""So many shipments a replica remembers."""
SHOWN_SECONDS = 24 * 3600
"""A delivered shipment is listed for so long."""

TRACK_KEEP = Keep(count=2_000)


class Line(NamedTuple):
    """An entry and its number in the trail."""

    number: int
    entry: Entry


class _Remembered:
    """What was read of a trail. Taking a record twice changes nothing, so readers need no lock."""

    def __init__(self, shipment_id: str) -> None:
        self._id = shipment_id
        self.number = 0
        self.shipment: Shipment | None = None
        self.fingerprints: dict[str, bytes] = {}
        """By record id."""

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.number > self.number:
                entry = Entry.model_validate_json(record.body)
                self.shipment = after(self._id, self.shipment, entry)
                self.fingerprints[record.id] = entry.fingerprint
                self.number = record.number


class Trails:
    """Every call may raise `StorageError`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    async def current(self, shipment_id: str) -> Shipment | None:
        return (await self._read_on(shipment_id)).shipment

    async def add(self, shipment_id: str, entry: Entry, record_id: str) -> Shipment:
        """The shipment with the entry. With the same `record_id` again it is the shipment as it is now.

        Raises `Refusal` where the entry may not follow.
        """
        for _ in range(ATTEMPTS):
            known = await self._read_on(shipment_id)
            fingerprint = known.fingerprints.get(record_id)
            if known.shipment is not None and fingerprint is not None:
                if fingerprint != entry.fingerprint:
                    raise Refusal("id_reused", "this id was something else before")
                return known.shipment
            made = follow(shipment_id, known.shipment, entry)
            body = entry.model_dump_json(by_alias=True, exclude_none=True).encode()
            try:
                record = await self._storage.append(
                    _log(shipment_id), body, id=record_id, expected=made.number - 1, keep=KEEP
                )
            except Conflict:
                continue
            known.take([record])
            return made
        raise Refusal("busy", f"{shipment_id} changes too fast; try again")

    async def lines(self, shipment_id: str) -> list[Line]:
        found: list[Line] = []
        while records := await self._storage.read(
            _log(shipment_id), after=found[-1].number if found else 0, limit=PAGE, keep=KEEP
        ):
            found += [Line(one.number, Entry.model_validate_json(one.body)) for one in records]
        return found

    async def listed(self, party: str, now: float) -> dict[str, float | None]:
        """When each shipment a party sees was delivered, by sorted id; not those long delivered. `TOWER` sees all."""
        rows = await self._storage.rows(_index(party))
        found = {one: from_json(body) if body else None for one, body in sorted(rows.items())}
        over = [one for one, at in found.items() if at is not None and at < now - SHOWN_SECONDS]
        if over:
            await self._storage.write(_index(party), dict.fromkeys(over))
        return {one: at for one, at in found.items() if one not in over}

    async def note(self, shipment: Shipment) -> None:
        """Keeps the lists of its parties right. Repeatable; wanted after `created`, `loaded` and `delivered`."""
        body = b"" if shipment.delivered_at is None else to_json(shipment.delivered_at)
        for party in sorted(shipment.parties | {TOWER}):
            await self._storage.write(_index(party), {shipment.id: body})

    async def add_point(self, shipment_id: str, lat: float, lon: float, at: float) -> None:
        """A point of the track, at most one a minute."""
        await self._storage.append(_track(shipment_id), to_json([lat, lon, at]), id=str(int(at // 60)), keep=TRACK_KEEP)

    async def track(self, shipment_id: str) -> list[tuple[float, float, float]]:
        """Latitude, longitude and time of each point."""
        records = await self._storage.newest(_track(shipment_id), limit=TRACK_KEEP.count, keep=TRACK_KEEP)
        return [tuple(from_json(one.body)) for one in records]

    async def _read_on(self, shipment_id: str) -> _Remembered:
        known = self._remembered.get(shipment_id) or _Remembered(shipment_id)
        is_more = True
        while is_more:
            records = await self._storage.read(_log(shipment_id), after=known.number, limit=PAGE, keep=KEEP)
            known.take(records)
            is_more = len(records) == PAGE
        if known.number:
            self._remembered[shipment_id] = known
            self._remembered.move_to_end(shipment_id)
            if len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return known


def _log(shipment_id: str) -> str:
    return f"shipment/{shipment_id}"


def _track(shipment_id: str) -> str:
    return f"track/{shipment_id}"


def _index(party: str) -> str:
    return f"of/{party}"
