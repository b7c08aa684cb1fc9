"""What is under way, as the replica that watches has it: shipments, their lines, who sees which vehicle. No I/O."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.parties import name_of
from app.hubs.control_tower.rules import Kind, Latch
from app.hubs.control_tower.shipment import VISIBLE, Shipment


@dataclass
class Watched:
    """A shipment that is not delivered."""

    shipment: Shipment
    line: Line
    latches: dict[Kind, Latch] = field(default_factory=dict)


class Board:
    def __init__(self) -> None:
        self._watched: dict[str, Watched] = {}
        self._vehicles: dict[str, frozenset[str]] | None = None

    def __iter__(self) -> Iterator[Watched]:
        """Stays what it was while the board changes."""
        return iter(tuple(self._watched.values()))

    def __contains__(self, shipment_id: str) -> bool:
        return shipment_id in self._watched

    def put(self, shipment: Shipment) -> None:
        """A shipment as it is now; an older version than the one known changes nothing."""
        known = self._watched.get(shipment.id)
        if known is not None and known.shipment.number > shipment.number:
            return
        self._vehicles = None
        if shipment.state == "delivered":
            self._watched.pop(shipment.id, None)
        elif known is None:
            self._watched[shipment.id] = Watched(shipment, Line(shipment.plan.route))
        else:
            known.shipment = shipment

    def clear(self) -> None:
        self._watched.clear()
        self._vehicles = None

    def vehicles_seen_by(self, party: str) -> frozenset[str]:
        """Names of the vehicles whose positions a party gets."""
        if self._vehicles is None:
            seen: defaultdict[str, set[str]] = defaultdict(set)
            for one in self._watched.values():
                shipment = one.shipment
                if shipment.state in VISIBLE and shipment.vehicle is not None:
                    for viewer in shipment.parties - {shipment.vehicle}:
                        seen[viewer].add(name_of(shipment.vehicle))
            self._vehicles = {viewer: frozenset(names) for viewer, names in seen.items()}
        return self._vehicles.get(party, frozenset())
