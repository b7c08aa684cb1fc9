"""The work of the replica that leads: positions to those who watch and to the store, alerts, charts, tracks."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence

import structlog

from app.hubs.control_tower import messages
from app.hubs.control_tower.alerts import Alert, AlertEntry, Alerts
from app.hubs.control_tower.board import Board, Watched
from app.hubs.control_tower.deliveries import Deliveries
from app.hubs.control_tower.fleet import Batch, Fleet, Position
from app.hubs.control_tower.parties import TOWER, name_of
from app.hubs.control_tower.periods import Period
from app.hubs.control_tower.positions import Positions
from app.hubs.control_tower.rules import KINDS, Kind, Latch, Measure, is_over, measures, step
from app.hubs.control_tower.shipment import Shipment, is_tracked
from app.hubs.control_tower.trails import Trails
from app.upstream.errors import Overloaded
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.storage import Storage, StorageError

log = structlog.get_logger(__name__)

STORE_SECONDS = 1.0
LOOK_SECONDS = 1.0
PARTY_SECONDS = 2.0
CHART_SECONDS = 2.0
FORGET_SECONDS = 3_600.0
WARN_SECONDS = 10.0
SAID_AGAIN_SECONDS = 60.0
LONG_SILENT_SECONDS = 24 * 3_600.0

POSITION_TTL_SECONDS = 5
"""Newer ones follow, so old ones need not queue."""
ROWS_PER_MESSAGE = 5_000
SLICE = 50
"""So many shipments are looked at, or points written, before others have their turn."""

ONLINE = "online"
"""The roster of parties that get positions."""


class Lead:
    """Built when a replica begins to lead, thrown away when it no longer does. Every call may raise `StorageError`."""

    def __init__(
        self,
        storage: Storage,
        publisher: Publisher,
        roster: Roster,
        trails: Trails,
        alerts: Alerts,
        fleet: Fleet,
    ) -> None:
        self._positions = Positions(storage)
        self._publisher = publisher
        self._in_order = publisher.in_lane("positions")
        self._roster = roster
        self._trails = trails
        self._alerts = alerts
        self._fleet = fleet
        self._deliveries = Deliveries(storage)
        self._board = Board()
        self._unsent: deque[tuple[str, messages.Wire]] = deque()
        self._unstored: set[str] = set()
        self._unshown: dict[str, Position] = {}
        self._charted = 0
        self._storing = Period(STORE_SECONDS)
        self._looking = Period(LOOK_SECONDS)
        self._showing = Period(PARTY_SECONDS)
        self._charting = Period(CHART_SECONDS)
        self._forgetting = Period(FORGET_SECONDS)
        self._warning = Period(WARN_SECONDS)

    async def show(self, batch: Batch, now: float) -> None:
        """What came in goes to the tower. Waits for the outbox and nothing else."""
        fresh = {one.vehicle: one for one in batch.positions}
        self._unstored |= fresh.keys()
        self._unshown |= fresh
        if batch.events:
            await self._show(TOWER, batch.positions, now, events=batch.events)

    async def load(self, now: float) -> None:
        """All that is under way, from the store. Again where changes were missed."""
        self._fleet.restore(await self._positions.all())
        await self._alerts.refresh()
        # A leader that died may have written these and not said them.
        for alert in self._alerts:
            if alert.cleared_at is None or alert.cleared_at > now - SAID_AGAIN_SECONDS:
                self._say(alert)
        listed = await self._trails.listed(TOWER, now)
        under_way = {one for one, delivered_at in listed.items() if delivered_at is None}
        # What was delivered while nobody looked has to go, and its alerts too.
        known = {one.shipment.id for one in self._board}
        alarmed = {alert.shipment for alert in self._alerts if alert.cleared_at is None}
        await self.update(under_way | known | alarmed, now)

    async def update(self, shipment_ids: Collection[str], now: float) -> None:
        """Those shipments have changed."""
        over: list[AlertEntry] = []
        # What others changed the trails have forgotten; the rest need not be read.
        for shipment in await self._trails.all_current(sorted(shipment_ids), trusts_memory=True):
            self._board.put(shipment)
            over += self._over(shipment, now)
        await self._change(over)

    async def work(self, now: float) -> None:
        """What is due is done."""
        if self._showing.is_due(now):
            await self._show_parties(now)
        if self._looking.is_due(now):
            await self._look(now)
        await self._send(now)
        if self._charting.is_due(now):
            await self._chart(now)
        if self._storing.is_due(now):
            await self._store()
        if self._forgetting.is_due(now):
            self._unstored.update(self._fleet.forget(now - LONG_SILENT_SECONDS))

    async def track(self) -> None:
        """A point for each shipment that moves."""
        points = []
        for one in self._board:
            position = self._position(one.shipment)
            if position is not None and is_tracked(one.shipment, one.shipment.vehicle or ""):
                points.append(self._trails.add_point(one.shipment.id, position.lat, position.lon, position.at))
        for first in range(0, len(points), SLICE):
            await asyncio.gather(*points[first : first + SLICE])

    async def _show_parties(self, now: float) -> None:
        fresh, self._unshown = self._unshown, {}
        for member in await self._roster.members(ONLINE) if fresh else ():
            names = self._board.vehicles_seen_by(member.user_id) & fresh.keys()
            await self._show(member.user_id, [fresh[name] for name in sorted(names)], now)

    async def _show(self, group: str, rows: Collection[Position], now: float, *, events: int = 0) -> None:
        rows = tuple(rows)
        try:
            for first in range(0, len(rows), ROWS_PER_MESSAGE):
                message = messages.positions(now, rows[first : first + ROWS_PER_MESSAGE], events=events)
                await self._in_order.send_to_group(group, message, ttl_seconds=POSITION_TTL_SECONDS)
                events = 0
        except Overloaded as error:
            self._warn("positions not shown", error, now)

    async def _store(self) -> None:
        changed, self._unstored = self._unstored, set()
        try:
            await self._positions.write(self._fleet, changed)
        except StorageError:
            self._unstored |= changed
            raise

    async def _look(self, now: float) -> None:
        changes: list[AlertEntry] = []
        for number, one in enumerate(self._board):
            found = measures(one.shipment, one.line, self._position(one.shipment), now)
            changes += self._judge(one, found, now)
            if number % SLICE == SLICE - 1:
                await asyncio.sleep(0)
        await self._change(changes)

    def _judge(self, one: Watched, found: Mapping[Kind, Measure], now: float) -> Iterator[AlertEntry]:
        for kind, measure in found.items():
            alert = self._alerts.open(kind, one.shipment.id)
            # The log knows whether it is up; since when it should change, only we do.
            latch = one.latches.get(kind, Latch())._replace(is_up=alert is not None)
            after = step(latch, measure, now)
            if after.is_up == latch.is_up:
                one.latches[kind] = after
            elif alert is not None:
                yield _cleared(alert, now)
            else:
                yield _raised(one.shipment, kind, measure, now)

    def _over(self, shipment: Shipment, now: float) -> Iterator[AlertEntry]:
        for kind in KINDS:
            alert = self._alerts.open(kind, shipment.id)
            if alert is not None and is_over(shipment, kind):
                yield _cleared(alert, now)

    async def _change(self, entries: Sequence[AlertEntry]) -> None:
        for alert in await self._alerts.change(entries) if entries else ():
            self._say(alert)

    def _say(self, alert: Alert) -> None:
        message = messages.alert(alert)
        self._unsent.extend((group, message) for group in messages.alert_audience(alert))

    async def _send(self, now: float) -> None:
        try:
            while self._unsent:
                group, message = self._unsent[0]
                await self._publisher.send_to_group(group, message)
                self._unsent.popleft()
        except Overloaded as error:
            self._warn("alerts wait", error, now)

    async def _chart(self, now: float) -> None:
        await self._deliveries.refresh()
        if self._deliveries.number == self._charted:
            return
        try:
            await self._in_order.send_to_group(TOWER, self._deliveries.view(now), ttl_seconds=POSITION_TTL_SECONDS)
        except Overloaded:
            return  # the next turn tries again
        self._charted = self._deliveries.number

    def _warn(self, event: str, error: Overloaded, now: float) -> None:
        """Turns are many, and one line tells it."""
        if self._warning.is_due(now):
            log.warning(event, unsent_alerts=len(self._unsent), reason=str(error))

    def _position(self, shipment: Shipment) -> Position | None:
        return None if shipment.vehicle is None else self._fleet.get(name_of(shipment.vehicle))


def _cleared(alert: Alert, now: float) -> AlertEntry:
    return AlertEntry(event="cleared", alert=alert.id, at=now)


def _raised(shipment: Shipment, kind: Kind, measure: Measure, now: float) -> AlertEntry:
    return AlertEntry(
        event="raised",
        alert=f"{kind}/{shipment.id}/{int(now)}",
        at=now,
        kind=kind,
        shipment=shipment.id,
        vehicle=shipment.vehicle,
        transporter=shipment.plan.transporter,
        value=round(measure.shown, 1),
        limit=measure.limit,
    )
