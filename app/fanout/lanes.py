"""Who may be sent next: one entry of a lane at a time, lanes independent of each other. No clock, no I/O.

Everything is a dictionary of atoms, a lane a chain of entry ids: a million waiting entries cost the garbage collector
nothing, and every step costs the same however many wait.
"""

from collections import deque
from collections.abc import Iterable
from heapq import heappop, heappush

from app.fanout.store import Entry, EntryId


class Lanes:
    def __init__(self) -> None:
        self._entries: dict[EntryId, tuple[EntryId, str, str, float, bytes]] = {}
        self._after: dict[EntryId, EntryId] = {}
        self._last: dict[str, EntryId] = {}
        self._ready: deque[EntryId] = deque()
        self._resting: list[tuple[float, int, EntryId]] = []
        self._rests = 0
        self.bytes = 0
        """Of the waiting actions."""

    def __len__(self) -> int:
        """How many entries are waiting, resting or being sent."""
        return len(self._entries)

    def add(self, entries: Iterable[Entry]) -> None:
        """Appends each to its lane; the only one of its lane may be taken at once."""
        for entry in entries:
            number, lane = entry.id, entry.lane
            self._entries[number] = entry[:]  # a plain tuple
            self.bytes += len(entry.action)
            before = self._last.get(lane)
            self._last[lane] = number
            if before is None:
                self._ready.append(number)
            else:
                self._after[before] = number

    def take(self) -> Entry | None:
        """The next entry to send; it stays the head of its lane until `finish` or `rest`."""
        return Entry(*self._entries[self._ready.popleft()]) if self._ready else None

    @property
    def ready(self) -> int:
        """How many may be taken now."""
        return len(self._ready)

    def finish(self, entry: Entry) -> None:
        """The entry is sent or given up; the next of its lane may be taken."""
        number = entry.id
        del self._entries[number]
        self.bytes -= len(entry.action)
        following = self._after.pop(number, None)
        if following is None:
            del self._last[entry.lane]
        else:
            self._ready.append(following)

    def rest(self, entry: Entry, until: float) -> None:
        """The entry is tried again at `until`; its lane waits behind it."""
        self._rests += 1  # ids of one store may not compare, and earlier rests go first
        heappush(self._resting, (until, self._rests, entry.id))

    def wake(self, now: float) -> None:
        """Makes those whose rest is over takeable again."""
        while self._resting and self._resting[0][0] <= now:
            self._ready.append(heappop(self._resting)[2])

    @property
    def next_wake(self) -> float | None:
        """When the next rest is over."""
        return self._resting[0][0] if self._resting else None

    def oldest(self) -> float | None:
        """When the longest waiting entry was accepted, Unix seconds. Looks at one entry."""
        first = next(iter(self._entries.values()), None)
        return None if first is None else first[3]
