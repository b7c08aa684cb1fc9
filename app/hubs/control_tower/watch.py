"""What goes on beside the events: each replica hands on the positions it hears, and one of them leads."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.hubs.control_tower.alerts import Alerts
from app.hubs.control_tower.changes import Changes
from app.hubs.control_tower.fleet import Batch, Fleet
from app.hubs.control_tower.lead import Lead
from app.hubs.control_tower.leadership import Leadership
from app.hubs.control_tower.trails import Trails
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.storage import FellBehind, Storage, StorageError

log = structlog.get_logger(__name__)

SHOW_SECONDS = 0.5
WORK_SECONDS = 0.5
RENEW_SECONDS = 2.0
TRACK_SECONDS = 60.0

HEARD = "heard"
"""The topic on which replicas tell the leader what positions they heard."""


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
        self._is_stale = False
        """Changes may have been missed."""
        self.changes = Changes(storage, trails, self._miss)
        self._is_wanted = asyncio.Event()

    def begin(self) -> None:
        """There is something to watch. Until then nothing is asked of the store."""
        self._is_wanted.set()

    async def run(self) -> None:
        if not await self._storage.tables("of/"):
            await self._is_wanted.wait()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear_positions())
                tasks.create_task(self.changes.listen())
                tasks.create_task(_every(RENEW_SECONDS, self.renew))
                tasks.create_task(_every(SHOW_SECONDS, lambda: self.show(self._clock())))
                tasks.create_task(_every(WORK_SECONDS, lambda: self.work(self._clock())))
                tasks.create_task(_every(TRACK_SECONDS, self.track))
        finally:
            await self.resign()

    async def renew(self) -> None:
        """Leads where nobody does. To be called often: who is not heard of is replaced."""
        if not await self._leadership.renew():
            self.lead = None
        elif self.lead is None:
            log.info("control tower leads")
            self._is_stale = True
            self.lead = self._new_lead()

    async def show(self, now: float) -> None:
        """Hands on what was heard since the last time. `now` is Unix seconds."""
        batch = self._fleet.take()
        if self.lead is not None:
            await self.lead.show(batch, now)
        elif batch.events:
            await self._storage.announce(HEARD, batch.encode())

    async def work(self, now: float) -> None:
        """What the leader has to do. It may take its time: positions do not wait for it."""
        changed = self.changes.take()
        if (lead := self.lead) is None:
            return
        if self._is_stale:
            self._is_stale = False
            await lead.load(now)
        await lead.update(changed, now)
        await lead.work(now)

    async def track(self) -> None:
        """A point for each shipment that moves."""
        if self.lead is not None:
            await self.lead.track()

    async def resign(self) -> None:
        """Lets another replica lead."""
        self.lead = None
        try:
            await self._leadership.resign()
        except StorageError as error:
            log.warning("leadership not handed over", reason=str(error))

    async def _hear_positions(self) -> None:
        while True:
            async with self._storage.listen(HEARD) as batches:
                try:
                    async for body in batches:
                        if self.lead is not None:
                            self._fleet.merge(Batch.decode(body))
                except FellBehind:
                    log.warning("positions of other replicas missed")

    def _miss(self) -> None:
        self._is_stale = True


async def _every(seconds: float, do: Callable[[], Awaitable[None]]) -> None:
    while True:
        await do()
        await asyncio.sleep(seconds)
