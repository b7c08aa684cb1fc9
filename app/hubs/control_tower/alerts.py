"""Alerts as the store has them: raised and cleared by the replica that watches, acknowledged by towers."""

from collections.abc import Iterator, Sequence
from secrets import token_hex
from typing import Literal

from pydantic import JsonValue, TypeAdapter

from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.rules import Kind
from app.models.wire import WireModel
from app.upstream.storage import Conflict, Keep, Record, Storage

LOG = "alerts"
KEEP = Keep(count=20_000)
PAGE = 1_000
CLEARED_SHOWN = 200
"""So many alerts that are over are remembered."""


class AlertEntry(WireModel):
    """`raised` has the alert's facts, `acknowledged` who did it."""

    event: Literal["raised", "cleared", "acknowledged"]
    alert: str
    at: float
    kind: Kind | None = None
    shipment: str | None = None
    vehicle: str | None = None
    transporter: str | None = None
    value: float | None = None
    limit: float | None = None
    by: str | None = None


AlertEntries = TypeAdapter(list[AlertEntry])
"""The body of a record."""


class Alert(WireModel):
    """What the log comes to. `number` is that of the last record about it."""

    id: str
    number: int
    kind: Kind
    shipment: str
    vehicle: str | None
    transporter: str
    value: float
    limit: float
    raised_at: float
    cleared_at: float | None = None
    acknowledged_by: str | None = None
    acknowledged_at: float | None = None

    def on_wire(self) -> dict[str, JsonValue]:
        return self.model_dump(mode="json", by_alias=True)


class Alerts:
    """One replica's copy; `refresh` reads on from where it was. Every call that waits may raise `StorageError`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._number = 0
        self._alerts: dict[str, Alert] = {}
        self._open: dict[tuple[Kind, str], str] = {}

    def __iter__(self) -> Iterator[Alert]:
        return iter(self._alerts.values())

    def open(self, kind: Kind, shipment: str) -> Alert | None:
        alert_id = self._open.get((kind, shipment))
        return None if alert_id is None else self._alerts[alert_id]

    async def refresh(self) -> None:
        is_more = True
        while is_more:
            records = await self._storage.read(LOG, after=self._number, limit=PAGE, keep=KEEP)
            for record in records:
                self._take(record)
            is_more = len(records) == PAGE
        self._forget()

    async def change(self, entries: Sequence[AlertEntry]) -> list[Alert]:
        """Raises and clears, all in one record. None of it where another replica wrote meanwhile: decide again."""
        body = AlertEntries.dump_json(list(entries), by_alias=True, exclude_none=True)
        try:
            record = await self._storage.append(LOG, body, id=token_hex(8), expected=self._number, keep=KEEP)
        except Conflict:
            await self.refresh()
            return []
        self._take(record)
        changed = [self._alerts[one.alert] for one in entries]
        self._forget()
        return changed

    async def acknowledge(self, alert_id: str, by: str, at: float) -> Alert:
        """The first one counts. Raises `Refusal` where nobody knows the alert."""
        await self.refresh()
        alert = self._alerts.get(alert_id)
        if alert is None:
            raise Refusal("unknown_alert", f"there is no alert {alert_id}")
        if alert.acknowledged_by is not None:
            return alert
        entry = AlertEntry(event="acknowledged", alert=alert_id, at=at, by=by)
        # The id has no name in it: of two towers at the same moment the log keeps one.
        body = AlertEntries.dump_json([entry], by_alias=True, exclude_none=True)
        await self._storage.append(LOG, body, id=f"acknowledged/{alert_id}", keep=KEEP)
        await self.refresh()
        return self._alerts.get(alert_id, alert)

    def _take(self, record: Record) -> None:
        if record.number <= self._number:
            return
        self._number = record.number
        for entry in AlertEntries.validate_json(record.body):
            if entry.event == "raised":
                self._raised(entry, record.number)
            else:
                self._changed(entry, record.number)

    def _changed(self, entry: AlertEntry, number: int) -> None:
        alert = self._alerts.get(entry.alert)
        if alert is None:
            return  # its beginning is no longer kept
        if entry.event == "cleared":
            changes: dict[str, object] = {"cleared_at": entry.at}
            self._open.pop((alert.kind, alert.shipment), None)
        else:
            changes = {"acknowledged_by": entry.by, "acknowledged_at": entry.at}
        self._alerts[alert.id] = alert.model_copy(update={"number": number, **changes})

    def _raised(self, entry: AlertEntry, number: int) -> None:
        alert = Alert.model_validate(
            entry.model_dump(exclude={"event", "alert", "at", "by"})
            | {"id": entry.alert, "number": number, "raised_at": entry.at}
        )
        self._alerts[alert.id] = alert
        self._open[alert.kind, alert.shipment] = alert.id

    def _forget(self) -> None:
        over = [alert.id for alert in self._alerts.values() if alert.cleared_at is not None]
        for alert_id in over[: max(0, len(over) - CLEARED_SHOWN)]:
            del self._alerts[alert_id]
