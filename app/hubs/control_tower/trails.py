"""Trails in the store. What a replica remembers of them is only what it would read again."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic_core import from_json, to_json

from app.hubs.control_tower.parties import TOWER
from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.shipment import MAX_ENTRIES, Entry, Shipment, after, follow
from app.upstream.storage import Conflict, Keep, Record, Storage

KEEP = Keep(count=2 * MAX_ENTRIES)
PAGE = 500
ATTEMPTS = 8
AT_ONCE = 100
"""So many reads go out together: a store takes them in one go."""
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
        self.id = shipment_id
        self.number = 0
        self.shipment: Shipment | None = None
        self.fingerprints: dict[str, bytes] = {}
        """By record id."""

    def take(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.number > self.number:
                entry = Entry.model_validate_json(record.body)
                self.shipment = after(self.id, self.shipment, entry)
                self.fingerprints[record.id] = entry.fingerprint
                self.number = record.number

    def with_entry(self, entry: Entry, record_id: str) -> Shipment:
        """The shipment after it; the same as it is where the record is there already. Raises `Refusal`."""
        fingerprint = self.fingerprints.get(record_id)
        if self.shipment is None or fingerprint is None:
            return follow(self.id, self.shipment, entry)
        if fingerprint != entry.fingerprint:
            raise Refusal("id_reused", "this id was something else before")
        return self.shipment


class Trails:
    """Every call may raise `StorageError`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        self._epoch = 0
        """Goes up with everything that is forgotten."""

    def forget(self, shipment_id: str | None = None) -> None:
        """Somebody else changed that shipment, or, without an id, nobody knows which."""
        self._epoch += 1
        if shipment_id is None:
            self._remembered.clear()
        else:
            self._remembered.pop(shipment_id, None)

    async def current(self, shipment_id: str, *, trusts_memory: bool = False) -> Shipment | None:
        """As it is now. `trusts_memory` is for who was told of every change by others: it saves the reading."""
        known = self._remembered.get(shipment_id) if trusts_memory else None
        return (known or await self._read_on(shipment_id)).shipment

    async def all_current(self, shipment_ids: Sequence[str], *, trusts_memory: bool = False) -> list[Shipment]:
        """Those there are, in the same order."""
        found: list[Shipment | None] = []
        for first in range(0, len(shipment_ids), AT_ONCE):
            some = shipment_ids[first : first + AT_ONCE]
            found += await asyncio.gather(*(self.current(one, trusts_memory=trusts_memory) for one in some))
        return [one for one in found if one is not None]

    async def add(self, shipment_id: str, entry: Entry, record_id: str) -> Shipment:
        """The shipment with the entry. With the same `record_id` again it is the shipment as it is now.

        Raises `Refusal` where the entry may not follow.
        """
        known = self._remembered.get(shipment_id) or _Remembered(shipment_id)
        is_read, epoch = False, self._epoch
        for _ in range(ATTEMPTS):
            try:
                made = known.with_entry(entry, record_id)
            except Refusal:
                if is_read:
                    raise
            else:
                # What is remembered may be old; then the store does not take it.
                if made is known.shipment or await self._append(known, made, entry, record_id):
                    self._remember(known, epoch)
                    return made
            epoch = self._epoch
            known, is_read = await self._read_on(shipment_id), True
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
        parties = sorted(shipment.parties | {TOWER})
        await asyncio.gather(*(self._storage.write(_index(party), {shipment.id: body}) for party in parties))

    async def add_point(self, shipment_id: str, lat: float, lon: float, at: float) -> None:
        """A point of the track, at most one a minute."""
        await self._storage.append(_track(shipment_id), to_json([lat, lon, at]), id=str(int(at // 60)), keep=TRACK_KEEP)

    async def track(self, shipment_id: str) -> list[tuple[float, float, float]]:
        """Latitude, longitude and time of each point."""
        records = await self._storage.newest(_track(shipment_id), limit=TRACK_KEEP.count, keep=TRACK_KEEP)
        return [tuple(from_json(one.body)) for one in records]

    async def _append(self, known: _Remembered, made: Shipment, entry: Entry, record_id: str) -> bool:
        """Whether it is in the trail as it was decided."""
        body = entry.model_dump_json(by_alias=True, exclude_none=True).encode()
        try:
            record = await self._storage.append(_log(made.id), body, id=record_id, expected=made.number - 1, keep=KEEP)
        except Conflict:
            return False
        if record.number != made.number:
            return False  # another replica had this delivery before, and what came in between is not known here
        known.take([record])
        return record.body == body

    async def _read_on(self, shipment_id: str) -> _Remembered:
        known = self._remembered.get(shipment_id) or _Remembered(shipment_id)
        is_more, epoch = True, self._epoch
        while is_more:
            records = await self._storage.read(_log(shipment_id), after=known.number, limit=PAGE, keep=KEEP)
            known.take(records)
            is_more = len(records) == PAGE
        self._remember(known, epoch)
        return known

    def _remember(self, known: _Remembered, epoch: int) -> None:
        """Unless something was forgotten since `epoch`: it may have been this."""
        if known.shipment is None or epoch != self._epoch:
            return
        self._remembered[known.id] = known
        self._remembered.move_to_end(known.id)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)


def _log(shipment_id: str) -> str:
    return f"shipment/{shipment_id}"


def _track(shipment_id: str) -> str:
    return f"track/{shipment_id}"


def _index(party: str) -> str:
    return f"of/{party}"
