"""What goes on beside the events: each replica hands on the positions it hears, and one of them leads."""

import asyncio
from collections.abc import Callable

import structlog

from app.hubs.control_tower.alerts import Alerts
from app.hubs.control_tower.fleet import Batch, Fleet
from app.hubs.control_tower.lead import Lead
from app.hubs.control_tower.leadership import Leadership
from app.hubs.control_tower.periods import Period
from app.hubs.control_tower.trails import Trails
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.storage import FellBehind, Storage, StorageError

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
RENEW_SECONDS = 2.0
TRACK_SECONDS = 60.0

HEARD = "heard"
"""The topic on which replicas tell the leader what positions they heard."""
CHANGED = "changed"
"""The topic that names shipments which changed."""


class Watch:
    """`fleet` is filled by the hub; all else comes from the store."""

    def __init__(
        self,
        storage: Storage,
        publisher: Publisher,
        roster: Roster,
        trails: Trails,
        alerts: Alerts,
        fleet: Fleet,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._storage = storage
        self._fleet = fleet
        self._clock = clock
        self._new_lead: Callable[[], Lead] = lambda: Lead(storage, publisher, roster, trails, alerts, fleet)
        self.lead: Lead | None = None
        """While this replica leads."""
        self._leadership = Leadership(storage)
        self._renewing = Period(RENEW_SECONDS)
        self._is_stale = False
        """Changes may have been missed."""
        self._changed: set[str] = set()
        self._is_wanted = asyncio.Event()

    def begin(self) -> None:
        """There is something to watch. Until then nothing is asked of the store."""
        self._is_wanted.set()

    async def change(self, shipment_id: str) -> None:
        """Tells every replica. May raise `StorageError`."""
        self._changed.add(shipment_id)
        self.begin()
        await self._storage.announce(CHANGED, shipment_id.encode())

    async def run(self) -> None:
        if not await self._storage.tables("of/"):
            await self._is_wanted.wait()
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._hear_positions(), self._hear_changes(), self._tick_on(), self._track_on()):
                    tasks.create_task(work)
        finally:
            await self.resign()

    async def tick(self, now: float) -> None:
        """One turn; `now` is Unix seconds. May raise `StorageError`."""
        if self._renewing.is_due(now):
            await self._renew(now)
        batch = self._fleet.take()
        if self.lead is None:
            self._changed.clear()
            if batch.events:
                await self._storage.announce(HEARD, batch.encode())
            return
        changed, self._changed = self._changed, set()
        if self._is_stale:
            self._is_stale = False
            await self.lead.load(now)
        await self.lead.update(sorted(changed), now)
        await self.lead.tick(batch, now)

    async def _renew(self, now: float) -> None:
        if not await self._leadership.renew():
            self.lead = None
        elif self.lead is None:
            log.info("control tower leads")
            self._is_stale = False
            lead = self._new_lead()
            await lead.load(now)
            self.lead = lead

    async def resign(self) -> None:
        """Lets another replica lead."""
        self.lead = None
        try:
            await self._leadership.resign()
        except StorageError as error:
            log.warning("leadership not handed over", reason=str(error))

    async def _tick_on(self) -> None:
        while True:
            await self.tick(self._clock())
            await asyncio.sleep(TICK_SECONDS)

    async def _track_on(self) -> None:
        while True:
            await asyncio.sleep(TRACK_SECONDS)
            if self.lead is not None:
                await self.lead.track()

    async def _hear_positions(self) -> None:
        while True:
            async with self._storage.listen(HEARD) as batches:
                try:
                    async for body in batches:
                        if self.lead is not None:
                            self._fleet.merge(Batch.decode(body))
                except FellBehind:
                    log.warning("positions of other replicas missed")

    async def _hear_changes(self) -> None:
        while True:
            async with self._storage.listen(CHANGED) as names:
                self._is_stale = True
                try:
                    async for name in names:
                        self._changed.add(name.decode())
                except FellBehind:
                    log.warning("changes of shipments missed")
