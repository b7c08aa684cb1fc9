"""The hub: docs/control-tower.md, event by event."""

import asyncio
from collections.abc import Callable, Mapping
from time import time

from pydantic_core import from_json

from app.hubs.control_tower import messages
from app.hubs.control_tower.alerts import Alerts
from app.hubs.control_tower.deliveries import Deliveries
from app.hubs.control_tower.fleet import Fleet, Position
from app.hubs.control_tower.lead import ONLINE
from app.hubs.control_tower.parties import TOWER, group_of, is_party, name_of, role_of
from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.requests import (
    Acknowledge,
    Create,
    Delay,
    DetailRequest,
    Load,
    PositionReport,
    Request,
    Resolution,
    SnapshotRequest,
    Step,
    Tell,
    Trouble,
)
from app.hubs.control_tower.shipment import Entry, EntryEvent, check_tell
from app.hubs.control_tower.snapshot import Snapshots
from app.hubs.control_tower.trails import Trails
from app.hubs.control_tower.watch import Watch
from app.models.events import ConnectedEvent, ConnectEvent, DisconnectedEvent, UserEvent
from app.models.responses import ConnectResponse
from app.upstream.errors import Rejected
from app.upstream.history import History
from app.upstream.hub import Answer, Environment, Hub, on_event
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.storage import Storage

STEPS: Mapping[EntryEvent, type[Step]] = {
    "created": Create,
    "picked": Step,
    "loaded": Load,
    "departed": Step,
    "delayed": Delay,
    "arrived": Step,
    "delivered": Step,
    "exception": Trouble,
    "resolved": Resolution,
}


class ControlTowerHub(Hub):
    name = "tower"

    def __init__(
        self,
        publisher: Publisher,
        environment: Environment,
        storage: Storage,
        history: History,
        roster: Roster,
        clock: Callable[[], float] = time,
    ) -> None:
        self._publisher = publisher
        self._environment = environment
        self._storage = storage
        self._history = history
        self._roster = roster
        self._clock = clock
        self._trails = Trails(storage)
        self._alerts = Alerts(storage)
        self._deliveries = Deliveries(storage)
        self._fleet = Fleet()
        self.watch = Watch(storage, publisher, roster, self._trails, self._alerts, self._fleet, clock=clock)
        self._snapshots = Snapshots(storage, history, self._trails, self._alerts, self._deliveries, self.watch.changes)

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse:
        party = event.user_id or event.claim("sub") or self._named(event)
        if not party:
            raise Rejected("missing user id", status=401)
        if not is_party(party):
            raise Rejected("this user is no party", status=403)
        return ConnectResponse(user_id=party, groups=(group_of(party),), roles=())

    async def on_connected(self, event: ConnectedEvent) -> None:
        await self._note_online(event)

    async def on_disconnected(self, event: DisconnectedEvent) -> None:
        if _gets_positions(event.user_id):
            await self._roster.gone(event.connection_id)

    async def run(self) -> None:
        await self.watch.run()

    async def on_user_event(self, event: UserEvent) -> Answer:
        try:
            return await super().on_user_event(event)
        except Refusal as refusal:
            return messages.error(_request_id(event), refusal.code, refusal.message)

    @on_event("position")
    async def position(self, event: UserEvent) -> None:
        party = _party(event)
        if role_of(party) != "vehicle":
            raise Refusal("not_allowed", "only vehicles have positions")
        self._fleet.hear(Position.reported(name_of(party), PositionReport.read(event.data.body), self._clock()))
        self.watch.begin()

    @on_event(*STEPS)
    async def step(self, event: UserEvent) -> Answer:
        party, name = _party(event), _step_name(event)
        request = STEPS[name].read(event.data.body)
        shipment_id = request.shipment
        own = request.model_dump(include={"vehicle", "seconds", "reason"})
        plan = request.plan() if isinstance(request, Create) else None
        entry = Entry(event=name, by=party, at=self._clock(), plan=plan, **own)
        shipment = await self._trails.add(shipment_id, entry, _record_id(event, party, request))
        if name in ("created", "loaded", "delivered"):
            await self._trails.note(shipment)
        if name == "delivered":
            await self._deliveries.add(shipment)
        self.watch.begin()
        await self.watch.changes.tell(shipment_id)
        message = messages.changed(event.message_id(), shipment, entry)
        for group in messages.audience(shipment, by=party):
            await self._publisher.send_to_group(group, message)
        return messages.accepted(request.id, shipment_id, shipment.number, shipment.state)

    @on_event("tell")
    async def tell(self, event: UserEvent) -> Answer:
        party = _party(event)
        request = Tell.read(event.data.body)
        check_tell(party, request.to, request.shipment)
        entry = Entry(event="told", by=party, at=self._clock(), to=request.to, message=request.message)
        record_id = _record_id(event, party, request)
        number = state = None
        if request.shipment is not None:
            shipment = await self._trails.add(request.shipment, entry, record_id)
            number, state = shipment.number, shipment.state
        message = messages.told(record_id, entry, request.shipment)
        groups = sorted({group_of(party), group_of(request.to), TOWER})
        for line in await asyncio.gather(*(self._history.append(one, message, id=record_id) for one in groups)):
            if not messages.is_same(line.value, message):
                raise Refusal("id_reused", "this id was something else before")
        for group in groups:
            await self._publisher.send_to_group(group, message)
        return messages.accepted(request.id, request.shipment, number, state)

    @on_event("acknowledge")
    async def acknowledge(self, event: UserEvent) -> Answer:
        party = _party(event)
        if role_of(party) != TOWER:
            raise Refusal("not_allowed", "the tower acknowledges alerts")
        request = Acknowledge.read(event.data.body)
        alert = await self._alerts.acknowledge(request.alert, party, self._clock())
        for group in messages.alert_audience(alert):
            await self._publisher.send_to_group(group, messages.alert(alert))
        return messages.accepted(request.id, alert.shipment, alert.number, None)

    @on_event("snapshot")
    async def snapshot(self, event: UserEvent) -> Answer:
        party = _party(event)
        request = SnapshotRequest.read(event.data.body)
        await self._note_online(event)
        page = await self._snapshots.page(party, request.after, self._clock())
        return {"type": "snapshot", "id": request.id, **page}

    @on_event("shipment")
    async def shipment(self, event: UserEvent) -> Answer:
        party = _party(event)
        request = DetailRequest.read(event.data.body)
        detail = await self._snapshots.detail(party, request.shipment)
        return {"type": "detail", "id": request.id, **detail}

    @on_event("*")
    async def unknown(self, event: UserEvent) -> Answer:
        raise Refusal("unknown_event", f"there is no event {event.name[:64]}")

    def _named(self, event: ConnectEvent) -> str:
        """Lazy authentication, in development only: `?id=warehouse:WH1` or `?role=warehouse&id=WH1`."""
        if not (self._environment.development and self._environment.believes_query):
            return ""
        role, name = event.query_value("role"), (event.query_value("id") or "").strip()
        return f"{role}:{name}" if role else name

    async def _note_online(self, event: ConnectedEvent | UserEvent) -> None:
        if _gets_positions(event.user_id):
            await self._roster.joined(ONLINE, event.connection_id, event.user_id, at=self._clock())


def _party(event: UserEvent) -> str:
    """Who sent it. `on_connect` let nobody else in, unless the service was not told to ask."""
    if event.user_id is None or not is_party(event.user_id):
        raise Refusal("not_allowed", "this user is no party")
    return event.user_id


def _step_name(event: UserEvent) -> EntryEvent:
    return next(name for name in STEPS if name == event.name.lower())


def _record_id(event: UserEvent, party: str, request: Request) -> str:
    """What makes it the same event: the sender's own name for it, or else the delivery."""
    return event.message_id() if request.id is None else f"{party}/{request.id}"


def _request_id(event: UserEvent) -> str | None:
    """Of a request that may not be well formed."""
    try:
        value = from_json(event.data.body)
    except ValueError:
        return None
    request_id = value.get("id") if isinstance(value, dict) else None
    return request_id if isinstance(request_id, str) else None


def _gets_positions(user_id: str | None) -> bool:
    """Whether it gets those of its own vehicles: a vehicle knows where it is, and a tower gets all."""
    return user_id is not None and is_party(user_id) and role_of(user_id) not in (TOWER, "vehicle")
