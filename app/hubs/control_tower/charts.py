"""What is delivered, and how late: counted per minute and per hour as it happens."""

from bisect import bisect_right
from collections import defaultdict

from pydantic import JsonValue

from app.models.wire import WireModel

MINUTE, HOUR = 60, 3_600
MINUTES_SHOWN, HOURS_SHOWN = 60, 48
EDGES = (-1_800, -900, 0, 300, 900, 1_800, 3_600)
"""Of the lateness distribution, seconds behind the plan."""


class Delivery(WireModel):
    """`behind` is seconds behind the plan, negative ahead of it; `is_late` by the shipment's own limit."""

    shipment: str
    at: float
    behind: float
    is_late: bool


class _Hour:
    def __init__(self) -> None:
        self.late = 0
        self.lateness = [0] * (len(EDGES) + 1)


class Charts:
    """Each delivery is added once; what is too old to be shown is forgotten."""

    def __init__(self) -> None:
        self._minutes: defaultdict[int, int] = defaultdict(int)
        self._hours: defaultdict[int, _Hour] = defaultdict(_Hour)

    def add(self, delivery: Delivery) -> None:
        at = int(delivery.at)
        self._minutes[at - at % MINUTE] += 1
        hour = self._hours[at - at % HOUR]
        hour.late += delivery.is_late
        hour.lateness[bisect_right(EDGES, delivery.behind)] += 1

    def view(self, now: float) -> dict[str, JsonValue]:
        """As it goes over the wire."""
        self._forget(int(now))
        hours = sorted(self._hours.items())
        lateness = [sum(hour.lateness[place] for _, hour in hours) for place in range(len(EDGES) + 1)]
        return {
            "type": "charts",
            "delivered": sum(lateness),
            "late": sum(hour.late for _, hour in hours),
            "perMinute": [[at, count] for at, count in sorted(self._minutes.items())],
            "perHour": [[at, sum(hour.lateness)] for at, hour in hours],
            "lateness": [
                [start, end, count] for start, end, count in zip((None, *EDGES), (*EDGES, None), lateness, strict=True)
            ],
        }

    def _forget(self, now: int) -> None:
        for at in [at for at in self._minutes if at <= now - now % MINUTE - MINUTES_SHOWN * MINUTE]:
            del self._minutes[at]
        for at in [at for at in self._hours if at <= now - now % HOUR - HOURS_SHOWN * HOUR]:
            del self._hours[at]
