"""What the simulated parties read of the hub's answers (docs/control-tower.md)."""

from app.models.wire import WireModel


class ShipmentView(WireModel):
    id: str
    state: str
    origin: str
    destination: str
    customer: str | None = None
    cold: dict[str, float] | None = None


class Page(WireModel):
    """A page of a snapshot."""

    shipments: tuple[ShipmentView, ...]
    next: str | None


class Detail(WireModel):
    shipment: ShipmentView
    route: tuple[tuple[float, float], ...]


class Changed(WireModel):
    event: str
    shipment: ShipmentView


class Positions(WireModel):
    events: int
    rows: tuple[tuple[object, ...], ...]


class AlertView(WireModel):
    id: str
    cleared_at: float | None


class AlertTold(WireModel):
    alert: AlertView
