"""A short circuit: a backend that keeps failing is left alone for a while, so that nobody waits for it."""

from collections.abc import Callable
from time import monotonic


class Circuit:
    """Opens after `failures` in a row, or at once where the backend says how long it wants to be left alone.

    Afterwards one call is let through to see; until it is done, the others are still turned away.
    """

    def __init__(
        self,
        *,
        failures: int = 3,
        seconds: float = 15.0,
        max_seconds: float = 120.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._allowed = failures
        self._seconds = seconds
        self._max_seconds = max_seconds
        self._clock = clock
        self._failures = 0
        self._closed_at = 0.0

    def lets_through(self) -> bool:
        if self._failures < self._allowed:
            return True
        if self._clock() < self._closed_at:
            return False
        self._closed_at = self._clock() + self._seconds
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, retry_seconds: float | None = None) -> None:
        """Whether it opens the circuit is seen with the next call."""
        self._failures = self._allowed if retry_seconds is not None else self._failures + 1
        wait = self._seconds if retry_seconds is None else min(max(retry_seconds, 0.0), self._max_seconds)
        self._closed_at = self._clock() + wait
