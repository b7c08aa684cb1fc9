"""What a party loads when it opens its page."""

from pydantic import JsonValue

from app.hubs.control_tower import messages
from app.hubs.control_tower.alerts import Alerts
from app.hubs.control_tower.changes import Changes
from app.hubs.control_tower.deliveries import Deliveries
from app.hubs.control_tower.fleet import Position
from app.hubs.control_tower.parties import TOWER, group_of, name_of, role_of
from app.hubs.control_tower.positions import Positions
from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.shipment import VISIBLE, Entry
from app.hubs.control_tower.trails import Trails
from app.upstream.history import History
from app.upstream.storage import Storage

PAGE = 200
MESSAGES = 100


class Snapshots:
    """Every call may raise `StorageError`."""

    def __init__(
        self,
        storage: Storage,
        history: History,
        trails: Trails,
        alerts: Alerts,
        deliveries: Deliveries,
        changes: Changes,
    ) -> None:
        self._positions = Positions(storage)
        self._history = history
        self._trails = trails
        self._alerts = alerts
        self._deliveries = deliveries
        self._changes = changes

    async def page(self, party: str, after: str | None, now: float) -> messages.Wire:
        """The shipments whose ids follow `after`; with the first page all the rest."""
        is_caught_up = await self._changes.catch_up()
        listed = await self._trails.listed(group_of(party), now)
        ids = [one for one in listed if after is None or one > after]
        shipments = await self._trails.all_current(ids[:PAGE], trusts_memory=is_caught_up)
        page: messages.Wire = {
            "me": party,
            "at": now,
            "next": ids[PAGE - 1] if len(ids) > PAGE else None,
            "shipments": [one.summary() for one in shipments],
            "positions": [],
            "alerts": [],
            "messages": [],
            "charts": None,
        }
        if after is None:
            under_way = [one for one, delivered_at in listed.items() if delivered_at is None]
            page["positions"] = [
                one.row for one in await self._positions_for(party, under_way, is_caught_up=is_caught_up)
            ]
            page["messages"] = [line.value for line in await self._history.newest(group_of(party), MESSAGES)]
            page["alerts"] = await self._alerts_of(party)
            page["charts"] = await self._charts_of(party, now)
        return page

    async def detail(self, party: str, shipment_id: str) -> messages.Wire:
        """All that is known of one shipment. Raises `Refusal` where it is not one of the party's."""
        shipment = await self._trails.current(shipment_id)
        if shipment is None or not shipment.is_seen_by(party):
            raise Refusal("unknown_shipment", f"there is no shipment {shipment_id} for you")
        lines = await self._trails.lines(shipment_id)
        track = await self._trails.track(shipment_id)
        return {
            "shipment": shipment.summary(),
            "route": [list(place) for place in shipment.plan.route],
            "limits": shipment.plan.limits.model_dump(by_alias=True),
            "trail": [messages.trail_line(one) for one in lines if _is_seen(one.entry, party)],
            "track": [list(point) for point in track],
        }

    async def _positions_for(self, party: str, under_way: list[str], *, is_caught_up: bool) -> list[Position]:
        if role_of(party) == TOWER:
            return await self._positions.all()
        if role_of(party) == "vehicle":
            return []
        seen = await self._trails.all_current(under_way, trusts_memory=is_caught_up)
        names = {name_of(one.vehicle) for one in seen if one.vehicle is not None and one.state in VISIBLE}
        return await self._positions.of(names)

    async def _alerts_of(self, party: str) -> list[JsonValue]:
        role = role_of(party)
        if role not in (TOWER, "transporter"):
            return []
        await self._alerts.refresh()
        return [alert.on_wire() for alert in self._alerts if role == TOWER or alert.transporter == party]

    async def _charts_of(self, party: str, now: float) -> messages.Wire | None:
        if role_of(party) != TOWER:
            return None
        await self._deliveries.refresh()
        return self._deliveries.view(now)


def _is_seen(entry: Entry, party: str) -> bool:
    """What was told is for the two it was between, and the tower."""
    return entry.event != "told" or role_of(party) == TOWER or party in (entry.by, entry.to)
