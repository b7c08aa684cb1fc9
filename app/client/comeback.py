"""Whether and when to connect again. Time is told, never asked (spec/service.md 3.6, 4.3)."""

from dataclasses import dataclass

from app.client.endings import Ending

WINDOW_SECONDS = 30
PAUSE_SECONDS = 1
# A service that accepts and then closes at once must not be called back at once for ever.
STABLE_SECONDS = 10
LONGEST_PAUSE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Again:
    """`recover` the connection, or start a new one."""

    after_seconds: float
    recover: bool


class Comeback:
    """Recovers for as long as the service keeps a lost connection; `anew` goes on with new ones after that."""

    def __init__(self, *, anew: bool) -> None:
        self._anew = anew
        self._has_worked = False
        self._works_since: float | None = None
        self._window_ends: float | None = None
        self._tries = 0

    def worked(self, now: float) -> None:
        """A frame arrived. An open socket alone proves nothing: a failed recovery is one that is closed at once."""
        self._has_worked = True
        self._window_ends = None
        if self._works_since is None:
            self._works_since = now

    def after(self, ending: Ending, now: float, *, recoverable: bool) -> Again | None:
        """`None` is the end. `now` is in seconds, of any clock that does not jump."""
        was_stable = self._works_since is not None and now - self._works_since >= STABLE_SECONDS
        self._works_since = None
        if was_stable:
            self._tries = 0
        if recoverable and not ending.ends_session:
            if self._window_ends is None:
                self._window_ends = now + WINDOW_SECONDS
            pause = 0 if was_stable else PAUSE_SECONDS
            if now + pause <= self._window_ends:
                return Again(pause, recover=True)
        self._window_ends = None
        if not self._anew or not self._has_worked or ending.is_final:
            return None
        pause = min(LONGEST_PAUSE_SECONDS, PAUSE_SECONDS * 2**self._tries)
        self._tries += 1
        return Again(pause, recover=False)
