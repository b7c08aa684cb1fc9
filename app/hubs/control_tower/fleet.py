"""Where the vehicles are. The last position of each, in memory; the store is told once a second."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from app.hubs.control_tower.requests import PositionReport

MAX_AHEAD_SECONDS = 5.0
"""A vehicle's clock that is further ahead is not believed."""


class Position(NamedTuple):
    """`vehicle` is its name, without the role. `at` is the vehicle's clock, `heard` ours."""

    vehicle: str
    lat: float
    lon: float
    speed: float | None
    heading: float | None
    temperature: float | None
    at: float
    heard: float

    @classmethod
    def reported(cls, vehicle: str, report: PositionReport, now: float) -> "Position":
        at = report.at if report.at is not None and report.at <= now + MAX_AHEAD_SECONDS else now
        return cls(vehicle, report.lat, report.lon, report.speed, report.heading, report.temperature, at, now)

    @property
    def row(self) -> list[JsonValue]:
        """As it goes over the wire."""
        return list(self[:7])


class Batch(NamedTuple):
    """What came in since the last one: how many events, and the newest position of each vehicle among them."""

    events: int
    positions: tuple[Position, ...]

    def encode(self) -> bytes:
        return to_json(self)

    @classmethod
    def decode(cls, body: bytes) -> "Batch":
        events, positions = from_json(body)
        return cls(events, tuple(Position(*one) for one in positions))


class Fleet:
    """What one replica heard, or was told by the others."""

    def __init__(self) -> None:
        self._last: dict[str, Position] = {}
        self._fresh: dict[str, Position] = {}
        self._events = 0

    def __iter__(self) -> Iterator[Position]:
        return iter(self._last.values())

    def get(self, vehicle: str) -> Position | None:
        return self._last.get(vehicle)

    def hear(self, position: Position) -> None:
        """One event. An older position than the one known changes nothing."""
        self._events += 1
        self._take(position)

    def merge(self, batch: Batch) -> None:
        """What another replica heard."""
        self._events += batch.events
        for position in batch.positions:
            self._take(position)

    def restore(self, positions: Iterable[Position]) -> None:
        """What an earlier run, or another replica, wrote. Nothing of it is news."""
        for position in positions:
            known = self._last.get(position.vehicle)
            if known is None or known.at < position.at:
                self._last[position.vehicle] = position

    def take(self) -> Batch:
        """What is new since the last call."""
        batch = Batch(self._events, tuple(self._fresh.values()))
        self._events, self._fresh = 0, {}
        return batch

    def forget(self, heard_before: float) -> list[str]:
        """Drops the vehicles that were not heard of since; their names."""
        gone = [name for name, one in self._last.items() if one.heard < heard_before]
        for name in gone:
            del self._last[name]
        return gone

    def _take(self, position: Position) -> None:
        known = self._last.get(position.vehicle)
        if known is None or known.at < position.at:
            self._last[position.vehicle] = self._fresh[position.vehicle] = position
