"""A shipment, the entries of its trail, and which entry may follow. No clock, no I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, get_args

from pydantic import JsonValue

from app.hubs.control_tower.parties import MAY_TELL, TOWER, role_of
from app.hubs.control_tower.refusal import Refusal
from app.hubs.control_tower.requests import Plan
from app.models.wire import WireModel

State = Literal["created", "picked", "loaded", "departed", "delayed", "arrived", "delivered", "exception"]
EntryEvent = Literal[State, "resolved", "told"]
Event = Literal[EntryEvent, "position"]
Relation = Literal["tower", "origin", "destination", "customer", "transporter", "vehicle"]

STATES: tuple[State, ...] = get_args(State)
MOVING: frozenset[State] = frozenset({"departed", "delayed"})
VISIBLE: frozenset[State] = MOVING | {"arrived"}
"""Where the parties see the vehicle's position."""
MAX_ENTRIES = 5_000
"""After so many a trail takes only what brings the shipment to its end."""


class Entry(WireModel):
    """One line of a trail. Which of the optional members it has depends on the event."""

    event: EntryEvent
    by: str
    at: float
    plan: Plan | None = None
    vehicle: str | None = None
    seconds: int | None = None
    reason: str | None = None
    to: str | None = None
    message: str | None = None

    @property
    def fingerprint(self) -> bytes:
        """The same for the same content, whenever it was said."""
        return blake2b(self.model_dump_json(exclude={"at"}).encode(), digest_size=16).digest()


@dataclass(frozen=True)
class Shipment:
    """What a trail comes to. `number` is that of its last entry."""

    id: str
    number: int
    state: State
    plan: Plan
    changed_at: float
    vehicle: str | None = None
    departed_at: float | None = None
    arrived_at: float | None = None
    delivered_at: float | None = None
    delay_seconds: int = 0
    reason: str | None = None
    before: tuple[State, str | None] | None = None
    """The state an exception interrupted, and its reason."""

    @cached_property
    def parties(self) -> frozenset[str]:
        plan = self.plan
        some = (plan.origin, plan.destination, plan.customer, plan.transporter, self.vehicle)
        return frozenset(one for one in some if one is not None)

    def is_seen_by(self, party: str) -> bool:
        return role_of(party) == TOWER or party in self.parties

    def relations(self, party: str) -> frozenset[Relation]:
        """What `party` is to this shipment; it may be more than one thing."""
        plan = self.plan
        named: Mapping[Relation, str | None] = {
            "origin": plan.origin,
            "destination": plan.destination,
            "customer": plan.customer,
            "transporter": plan.transporter,
            "vehicle": self.vehicle,
        }
        found: set[Relation] = {relation for relation, one in named.items() if one == party}
        return frozenset(found | {"tower"} if role_of(party) == TOWER else found)

    def summary(self) -> dict[str, JsonValue]:
        """As it goes over the wire."""
        plan = self.plan
        return {
            "id": self.id,
            "number": self.number,
            "state": self.state,
            "changedAt": self.changed_at,
            "origin": plan.origin,
            "destination": plan.destination,
            "customer": plan.customer,
            "transporter": plan.transporter,
            "vehicle": self.vehicle,
            "goods": plan.goods,
            "cold": plan.cold.model_dump() if plan.cold else None,
            "departAt": plan.depart_at,
            "arriveAt": plan.arrive_at,
            "departedAt": self.departed_at,
            "arrivedAt": self.arrived_at,
            "deliveredAt": self.delivered_at,
            "delaySeconds": self.delay_seconds,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Rule:
    """From which states an event is possible, and for whom."""

    sources: frozenset[State]
    by: frozenset[Relation]


_ANYBODY: frozenset[Relation] = frozenset(get_args(Relation))
_CARRIER: frozenset[Relation] = frozenset({"vehicle", "transporter"})

RULES: Mapping[Event, Rule] = {
    "picked": Rule(frozenset({"created"}), frozenset({"origin"})),
    "loaded": Rule(frozenset({"picked"}), frozenset({"origin"})),
    "departed": Rule(frozenset({"loaded"}), _CARRIER),
    "position": Rule(MOVING, frozenset({"vehicle"})),
    "delayed": Rule(MOVING, _CARRIER | {"tower"}),
    "arrived": Rule(MOVING, _CARRIER),
    "delivered": Rule(frozenset({"arrived"}), _CARRIER | {"destination"}),
    "exception": Rule(frozenset(STATES) - {"delivered", "exception"}, _ANYBODY),
    "resolved": Rule(frozenset({"exception"}), frozenset({"tower"})),
    "told": Rule(frozenset(STATES), _ANYBODY),
}


Effect = Callable[[Shipment, Entry], dict[str, Any]]


def _moved(state: State, at_member: str | None = None) -> Effect:
    def effect(_: Shipment, entry: Entry) -> dict[str, Any]:
        return {"state": state, "changed_at": entry.at} | ({at_member: entry.at} if at_member else {})

    return effect


def _resolved(shipment: Shipment, entry: Entry) -> dict[str, Any]:
    state, reason = shipment.before or (shipment.state, shipment.reason)
    return {"state": state, "reason": reason, "before": None, "changed_at": entry.at}


EFFECTS: Mapping[EntryEvent, Effect] = {
    "picked": _moved("picked"),
    "loaded": lambda _, entry: {"state": "loaded", "vehicle": entry.vehicle, "changed_at": entry.at},
    "departed": _moved("departed", "departed_at"),
    "delayed": lambda _, entry: {
        "state": "delayed",
        "delay_seconds": entry.seconds or 0,
        "reason": entry.reason,
        "changed_at": entry.at,
    },
    "arrived": lambda _, entry: {"state": "arrived", "arrived_at": entry.at, "reason": None, "changed_at": entry.at},
    "delivered": _moved("delivered", "delivered_at"),
    "exception": lambda shipment, entry: {
        "state": "exception",
        "before": (shipment.state, shipment.reason),
        "reason": entry.reason,
        "changed_at": entry.at,
    },
    "resolved": _resolved,
    "told": lambda *_: {},
}
"""What an entry changes, the number apart. Positions are no entries: there are too many of them for a trail."""


def follow(shipment_id: str, shipment: Shipment | None, entry: Entry) -> Shipment:
    """The shipment with one more entry. Raises `Refusal` where it may not follow."""
    if entry.event == "created":
        return _create(shipment_id, shipment, entry)
    if shipment is None or not shipment.is_seen_by(entry.by):
        raise Refusal("unknown_shipment", f"there is no shipment {shipment_id} for you")
    rule = RULES[entry.event]
    if not rule.by & shipment.relations(entry.by):
        raise Refusal("not_allowed", f"{entry.event} is raised by: {', '.join(sorted(rule.by))}")
    if shipment.state not in rule.sources:
        sources = " or ".join(state for state in STATES if state in rule.sources)
        raise Refusal("wrong_state", f"{shipment_id} is {shipment.state}; {entry.event} follows {sources}")
    if entry.event == "told":
        _check_told(shipment, entry)
    if shipment.number >= MAX_ENTRIES and entry.event not in ("departed", "arrived", "delivered"):
        raise Refusal("trail_full", f"{shipment_id} has {MAX_ENTRIES} entries")
    return after(shipment_id, shipment, entry)


def after(shipment_id: str, shipment: Shipment | None, entry: Entry) -> Shipment:
    """The shipment with an entry of its trail, which was allowed when it was made."""
    if entry.plan is not None:
        return Shipment(shipment_id, 1, "created", entry.plan, entry.at)
    if shipment is None:
        raise ValueError(f"the trail of {shipment_id} does not begin with its plan")
    changes = EFFECTS[entry.event](shipment, entry)
    return replace(shipment, number=shipment.number + 1, **changes)


def is_tracked(shipment: Shipment, vehicle: str) -> bool:
    """Whether the vehicle's positions are this shipment's."""
    rule = RULES["position"]
    return shipment.state in rule.sources and bool(rule.by & shipment.relations(vehicle))


def check_tell(by: str, to: str, shipment_id: str | None) -> None:
    """Raises `Refusal` where the two have nothing to say to each other."""
    roles = role_of(by), role_of(to)
    if roles[1] not in MAY_TELL[roles[0]]:
        raise Refusal("not_allowed", f"a {roles[0]} does not write to a {roles[1]}")
    if "customer" in roles and shipment_id is None:
        raise Refusal("not_allowed", "with a customer it is always about a shipment")


def _create(shipment_id: str, shipment: Shipment | None, entry: Entry) -> Shipment:
    made = after(shipment_id, None, entry)
    if not made.relations(entry.by) & {"tower", "origin"}:
        raise Refusal("not_allowed", "created is raised by the tower or the origin")
    if shipment is not None:
        raise Refusal("exists", f"there is a shipment {shipment_id} already")
    return made


def _check_told(shipment: Shipment, entry: Entry) -> None:
    to = entry.to or ""
    check_tell(entry.by, to, shipment.id)
    if not shipment.is_seen_by(to):
        raise Refusal("not_allowed", f"{to} is no party of {shipment.id}")
