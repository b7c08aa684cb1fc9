"""Sliding windows in this process: as exact as those in Redis, and as cheap with many keys as with one."""

from collections import OrderedDict
from collections.abc import Callable
from math import floor
from time import time
from typing import NamedTuple

from app.upstream.policy import Limit

MOST_KEYS = 100_000
SHORTEST_WAIT = 0.001


class _Window(NamedTuple):
    number: int
    """Since 1970, counted in windows of so many seconds."""
    seconds: int
    admitted: int
    before: int
    """How many the window before this one had."""


class Windows:
    """What was admitted in the window before counts in proportion. Past `most_keys` the longest unused is forgotten."""

    def __init__(self, clock: Callable[[], float] = time, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._most_keys = most_keys
        self._windows: OrderedDict[tuple[str, ...], _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, limit: Limit, *key: str) -> float | None:
        """Counts one for `key`. `None` where that was within the limit, else the seconds until it will be again."""
        now = self._clock()
        number = int(now // limit.seconds)
        name = (str(limit.count), str(limit.seconds), *key)
        last = self._windows.pop(name, None)
        count = before = 0
        if last is not None and last.number == number:
            count, before = last.admitted, last.before
        elif last is not None and last.number == number - 1:
            before = last.admitted
        left = (number + 1) * limit.seconds - now
        is_admitted = count < limit.count and floor(before * left / limit.seconds) < limit.count - count
        self._windows[name] = _Window(number, limit.seconds, count + is_admitted, before)
        self._forget(now)
        if is_admitted:
            return None
        # In this window, once few enough of the one before count; else with the next.
        wait = left if count >= limit.count else left - limit.seconds * (limit.count - count) / before
        return max(wait, SHORTEST_WAIT)

    def _forget(self, now: float) -> None:
        """At most two a call, so that none is dear; one more comes with each call at most."""
        for _ in range(2):
            oldest = next(iter(self._windows.values()))
            if (oldest.number + 2) * oldest.seconds > now and len(self._windows) <= self._most_keys:
                return
            self._windows.popitem(last=False)
