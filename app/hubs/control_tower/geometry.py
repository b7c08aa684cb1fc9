"""Where a place is along a planned line. Flat-earth arithmetic: good to a few percent over the length of a country."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import cos, hypot, radians
from typing import NamedTuple

METRES_PER_DEGREE = 111_195.0


class Located(NamedTuple):
    """Metres beside the line, and metres along it from its start."""

    off: float
    along: float


class Line:
    """A polyline of (latitude, longitude), at least two; may cross the date line."""

    def __init__(self, places: Sequence[tuple[float, float]]) -> None:
        self._origin = places[0]
        self._stretch = METRES_PER_DEGREE * cos(radians(sum(lat for lat, _ in places) / len(places)))
        points = [self._flat(lat, lon) for lat, lon in places]
        self._segments: list[tuple[float, float, float, float, float, float]] = []
        """Start, direction, squared length, and metres along the line before it."""
        self._ends: list[float] = []
        self.metres = 0.0
        for (x, y), (to_x, to_y) in pairwise(points):
            dx, dy = to_x - x, to_y - y
            self._segments.append((x, y, dx, dy, dx * dx + dy * dy, self.metres))
            self.metres += hypot(dx, dy)
            self._ends.append(self.metres)

    def locate(self, lat: float, lon: float) -> Located:
        """The nearest point of the line."""
        px, py = self._flat(lat, lon)
        nearest, along = float("inf"), 0.0
        for x, y, dx, dy, squared, before in self._segments:
            share = ((px - x) * dx + (py - y) * dy) / squared if squared else 0.0
            share = 0.0 if share < 0 else min(share, 1.0)
            off_x, off_y = px - x - share * dx, py - y - share * dy
            off = off_x * off_x + off_y * off_y
            if off < nearest:
                nearest, along = off, before + share * squared**0.5
        return Located(nearest**0.5, along)

    def at(self, along: float) -> tuple[float, float]:
        """The place so many metres from the start; the ends where that is beyond them."""
        along = min(max(along, 0.0), self.metres)
        x, y, dx, dy, squared, before = self._segments[min(bisect_left(self._ends, along), len(self._segments) - 1)]
        share = (along - before) / squared**0.5 if squared else 0.0
        return self._round(x + share * dx, y + share * dy)

    def _flat(self, lat: float, lon: float) -> tuple[float, float]:
        east = (lon - self._origin[1] + 180) % 360 - 180
        return east * self._stretch, (lat - self._origin[0]) * METRES_PER_DEGREE

    def _round(self, x: float, y: float) -> tuple[float, float]:
        lon = self._origin[1] + (x / self._stretch if self._stretch else 0.0)
        return self._origin[0] + y / METRES_PER_DEGREE, (lon + 180) % 360 - 180
