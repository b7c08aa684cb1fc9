"""Which event a REST call probably belongs to, where the call does not say."""

from collections.abc import Callable

PATIENCE = 1.0
"""Seconds an event stays under suspicion after its end: a handler may answer first and publish then."""
LIMIT = 1000


class Suspects:
    """By hub, the events in progress, and those that ended within the last second."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._timer = timer
        self._ends: dict[str, dict[int, float | None]] = {}

    def begin(self, hub: str, event: int) -> None:
        ends = self._ends.setdefault(hub, {})
        if len(ends) >= LIMIT:
            self._tidy(hub)
        if len(ends) >= LIMIT:
            del ends[next(iter(ends))]
        ends[event] = None

    def end(self, hub: str, event: int) -> None:
        ends = self._ends.get(hub, {})
        if event in ends:
            ends[event] = self._timer() + PATIENCE

    def only(self, hub: str) -> int | None:
        """The only one there is."""
        self._tidy(hub)
        ends = self._ends.get(hub, {})
        return next(iter(ends)) if len(ends) == 1 else None

    def clear(self) -> None:
        self._ends.clear()

    def _tidy(self, hub: str) -> None:
        ends = self._ends.get(hub, {})
        now = self._timer()
        for event in [event for event, end in ends.items() if end is not None and end < now]:
            del ends[event]
