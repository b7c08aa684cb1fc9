"""When somebody should look: what is measured on a shipment, and when that is an alert. No clock, no I/O."""

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from app.hubs.control_tower.fleet import Position
from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.requests import Cold
from app.hubs.control_tower.shipment import MOVING, Shipment

Kind = Literal["late", "off_route", "temperature", "silent"]
KINDS: tuple[Kind, ...] = get_args(Kind)

WELL_INSIDE = 0.5
"""So far inside its bounds, °C, a temperature has to be before it is well again; less where they are close."""


class Latch(NamedTuple):
    """Whether an alert is up, and since when the opposite has been the case."""

    is_up: bool = False
    since: float | None = None


class Measure(NamedTuple):
    """Up past `up_above` for `hold` seconds, down at `down_at` or less for as long.

    `shown` and `limit` are what people are told.
    """

    value: float
    up_above: float
    down_at: float
    hold: float
    shown: float
    limit: float


def step(latch: Latch, measure: Measure, now: float) -> Latch:
    """The latch after one more measurement. Between the two bounds nothing begins and nothing goes on."""
    wants_change = measure.value <= measure.down_at if latch.is_up else measure.value > measure.up_above
    if not wants_change:
        return latch._replace(since=None)
    since = now if latch.since is None else latch.since
    if now - since >= measure.hold:
        return Latch(not latch.is_up)
    return latch._replace(since=since)


def measures(shipment: Shipment, line: Line, position: Position | None, now: float) -> Mapping[Kind, Measure]:
    """What can be said of the shipment now; what cannot keeps its latch. `position` is the last of its vehicle."""
    found: dict[Kind, Measure] = {}
    limits = shipment.plan.limits
    is_moving = shipment.state in MOVING
    # A position from before the departure is of another journey.
    if position is not None and position.heard < (shipment.departed_at or now):
        position = None
    off, along = line.locate(position.lat, position.lon) if is_moving and position is not None else (None, 0.0)
    behind = seconds_behind(shipment, line.metres, along, now)
    hold = limits.hold_seconds
    if behind is not None:
        found["late"] = _half(behind, limits.late_seconds, hold)
    if off is not None:
        found["off_route"] = _half(off, limits.off_route_metres, hold)
    cold = shipment.plan.cold
    if is_moving and cold is not None and position is not None and position.temperature is not None:
        found["temperature"] = _warmth(position.temperature, cold, hold)
    if is_moving:
        heard = position.heard if position is not None else shipment.departed_at or now
        # The bound is itself the time it has to last.
        found["silent"] = _half(max(0.0, now - heard), limits.silent_seconds, 0)
    return found


def is_over(shipment: Shipment, kind: Kind) -> bool:
    """Whether there is nothing left to watch for."""
    return shipment.state == "delivered" or (shipment.state == "arrived" and kind != "late")


def _half(value: float, bound: float, hold: float) -> Measure:
    return Measure(value, bound, bound / 2, hold, value, bound)


def _warmth(warmth: float, cold: Cold, hold: float) -> Measure:
    bound = min(cold.min, cold.max, key=lambda one: abs(warmth - one))
    inside = min(WELL_INSIDE, (cold.max - cold.min) / 4)
    return Measure(max(cold.min - warmth, warmth - cold.max), 0, -inside, hold, warmth, bound)


def seconds_behind(shipment: Shipment, metres: float, along: float, now: float) -> float | None:
    """How late it will be, as far as one can tell; `None` where nothing can be said."""
    plan = shipment.plan
    match shipment.state:
        case "created" | "picked" | "loaded":
            return now - plan.depart_at
        case "departed" | "delayed":
            share_left = 1 - along / metres if metres else 0.0
            expected = now + share_left * (plan.arrive_at - plan.depart_at)
            return max(expected - plan.arrive_at, float(shipment.delay_seconds))
        case "arrived":
            return (shipment.arrived_at or now) - plan.arrive_at
        case _:
            return None
