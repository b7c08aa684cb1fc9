"""What the hub says, as it goes over the wire, and to whom."""

from collections.abc import Iterable

from pydantic import JsonValue

from app.hubs.control_tower.alerts import Alert
from app.hubs.control_tower.fleet import Position
from app.hubs.control_tower.parties import TOWER, role_of
from app.hubs.control_tower.shipment import Entry, Shipment
from app.hubs.control_tower.trails import Line

Wire = dict[str, JsonValue]


def accepted(request_id: str | None, shipment: str | None, number: int | None, state: str | None) -> Wire:
    return {"type": "accepted", "id": request_id, "shipment": shipment, "number": number, "state": state}


def error(request_id: str | None, code: str, message: str) -> Wire:
    return {"type": "error", "id": request_id, "code": code, "message": message}


def changed(message_id: str, shipment: Shipment, entry: Entry) -> Wire:
    return {
        "type": "shipment",
        "id": message_id,
        "event": entry.event,
        "by": entry.by,
        "at": entry.at,
        "reason": entry.reason,
        "shipment": shipment.summary(),
    }


def told(message_id: str, entry: Entry, shipment_id: str | None) -> Wire:
    return {
        "type": "message",
        "id": message_id,
        "from": entry.by,
        "to": entry.to,
        "shipment": shipment_id,
        "message": entry.message,
        "at": entry.at,
    }


def is_same(one: JsonValue, other: Wire) -> bool:
    """Whether two messages say the same, whenever they were said."""
    return isinstance(one, dict) and {**one, "at": None} == {**other, "at": None}


def positions(now: float, rows: Iterable[Position], *, events: int = 0) -> Wire:
    return {"type": "positions", "at": now, "events": events, "rows": [one.row for one in rows]}


def alert(one: Alert) -> Wire:
    return {"type": "alert", "alert": one.on_wire()}


def trail_line(line: Line) -> Wire:
    entry = line.entry
    return {
        "number": line.number,
        "event": entry.event,
        "by": entry.by,
        "at": entry.at,
        "reason": entry.reason,
        "message": entry.message,
        "to": entry.to,
    }


def audience(shipment: Shipment, *, by: str) -> tuple[str, ...]:
    """The groups that hear of a change. A vehicle is one connection, and has the answer to what it raised itself."""
    return (TOWER, *sorted(one for one in shipment.parties if one != by or role_of(one) != "vehicle"))


def alert_audience(one: Alert) -> tuple[str, ...]:
    return (TOWER, one.transporter)
