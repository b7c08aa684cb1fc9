"""One vehicle on its way, with or without a mishap. No clock, no I/O."""

from dataclasses import dataclass
from math import atan2, cos, degrees, radians
from random import Random
from typing import Literal

from pydantic import JsonValue

from app.hubs.control_tower.geometry import METRES_PER_DEGREE, Line

Mishap = Literal["none", "slow", "stray", "cooler", "silent", "breakdown"]

CRUISING_KMH = 80.0
STRAYS_BY_METRES = 9_000.0
COOLER_GAINS = 0.25
"""°C per second of a failing cooler, up to `COOLER_ENDS`."""
COOLER_ENDS = 14.0
WELL_COOLED = 5.0


@dataclass(frozen=True)
class Between:
    """A part of the way, as shares of it."""

    start: float
    end: float

    def __contains__(self, share: float) -> bool:
        return self.start <= share < self.end


SLOW = Between(0.15, 0.6)
SLOW_PACE = 0.4
STRAY = Between(0.35, 0.55)
COOLER = Between(0.25, 0.6)
SILENT = Between(0.4, 0.65)
BREAKDOWN_AT = 0.5


class Journey:
    """`speedup`: so many seconds on the road pass in one of ours."""

    def __init__(self, line: Line, mishap: Mishap, rng: Random, *, is_cold: bool, speedup: float) -> None:
        self._line = line
        self.mishap = mishap
        self._rng = rng
        self._is_cold = is_cold
        self._speedup = speedup
        self._along = 0.0
        self._speed = 0.0
        self._warmth = WELL_COOLED
        self._side = rng.choice((-1, 1))
        self.is_standing = False

    @property
    def share(self) -> float:
        """Of the way that lies behind."""
        return self._along / self._line.metres

    @property
    def has_arrived(self) -> bool:
        return self._along >= self._line.metres

    @property
    def is_silent(self) -> bool:
        return self.mishap == "silent" and self.share in SILENT

    @property
    def seconds_lost(self) -> float:
        """What a slow journey takes longer."""
        longer = (SLOW.end - SLOW.start) * (1 / SLOW_PACE - 1)
        return longer * self._line.metres / (CRUISING_KMH / 3.6) / self._speedup

    def advance(self, seconds: float) -> None:
        pace = 0.0 if self.is_standing else CRUISING_KMH * self._rng.uniform(0.97, 1.07)
        if self.mishap == "slow" and self.share in SLOW:
            pace *= SLOW_PACE
        self._speed = pace
        self._along = min(self._along + pace / 3.6 * seconds * self._speedup, self._line.metres)
        if self.mishap == "cooler" and self.share in COOLER:
            self._warmth = min(self._warmth + COOLER_GAINS * seconds, COOLER_ENDS)
        else:
            self._warmth += (WELL_COOLED - self._warmth) * min(1.0, 0.2 * seconds)

    def report(self, at: float) -> dict[str, JsonValue]:
        """The data of a `position`."""
        lat, lon = self._line.at(self._along)
        ahead_lat, ahead_lon = self._line.at(self._along + 500)
        north, east = ahead_lat - lat, (ahead_lon - lon) * cos(radians(lat))
        heading = degrees(atan2(east, north)) % 360
        if self.mishap == "stray" and self.share in STRAY:
            swing = self._side * STRAYS_BY_METRES / METRES_PER_DEGREE
            lat += swing * cos(radians(heading + 90))
            lon += swing * cos(radians(heading)) / cos(radians(lat))
        warmth = round(self._warmth + self._rng.uniform(-0.2, 0.2), 1) if self._is_cold else None
        return {
            "lat": round(lat, 5),
            "lon": round(lon, 5),
            "speed": round(self._speed, 1),
            "heading": round(heading),
            "temperature": warmth,
            "at": at,
        }
