"""Deliveries in the store, and the charts that a replica keeps of them."""

from pydantic import JsonValue

from app.hubs.control_tower.charts import HOUR, HOURS_SHOWN, Charts, Delivery
from app.hubs.control_tower.shipment import Shipment
from app.upstream.storage import Keep, Storage

LOG = "deliveries"
KEEP = Keep(count=200_000, seconds=HOURS_SHOWN * HOUR)
PAGE = 2_000


class Deliveries:
    """Every call that waits may raise `StorageError`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._charts = Charts()
        self.number = 0
        """Of the last one in the charts."""

    async def add(self, shipment: Shipment) -> None:
        """A shipment counts once, however often it is added."""
        at, plan = shipment.delivered_at, shipment.plan
        if at is None:
            raise ValueError(f"{shipment.id} is not delivered")
        behind = at - plan.arrive_at
        one = Delivery(shipment=shipment.id, at=at, behind=behind, is_late=behind > plan.limits.late_seconds)
        await self._storage.append(LOG, one.model_dump_json(by_alias=True).encode(), id=shipment.id, keep=KEEP)

    async def refresh(self) -> None:
        is_more = True
        while is_more:
            records = await self._storage.read(LOG, after=self.number, limit=PAGE, keep=KEEP)
            for record in records:
                if record.number > self.number:
                    self.number = record.number
                    self._charts.add(Delivery.model_validate_json(record.body))
            is_more = len(records) == PAGE

    def view(self, now: float) -> dict[str, JsonValue]:
        """As it goes over the wire."""
        return self._charts.view(now)
