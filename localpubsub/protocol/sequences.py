"""What a reliable connection has not heard its client confirm (spec/service.md 4.1, 8.6).

A message waits without a number until a socket takes it, so that one past its time leaves no gap. From then on it keeps
its number and its bytes until the client confirms it, through any number of sockets.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from localpubsub.protocol.messages import Frame

MESSAGE_LIMIT = 1000
BYTE_LIMIT = 16 * 1024 * 1024


class BufferFull(Exception):
    """There are 1,000 messages or 16 MiB that the client did not confirm. The connection is lost for good."""


class Kept(NamedTuple):
    """A message the client did not confirm. `serial` tells those of a connection apart.

    `number` is its sequence id, 0 while it waits for a socket; only then may it expire.
    """

    serial: int
    frame: Frame
    number: int = 0
    expires_at: float | None = None


class Sequences:
    """`number` puts a sequence id into a frame. There is no clock in here: callers say what time it is."""

    def __init__(self, number: Callable[[Frame, int], Frame]) -> None:
        self._number = number
        self._waiting: deque[Kept] = deque()
        self._unacknowledged: deque[Kept] = deque()
        self._serial = 0
        self._taken = 0
        self._bytes = 0
        self.last = 0
        """The last sequence id that was given away."""

    def __len__(self) -> int:
        return len(self._unacknowledged) + len(self._waiting)

    def add(self, frame: Frame, now: float, ttl_seconds: int = 0) -> None:
        """Raises `BufferFull`."""
        if self._is_full(frame):
            self._forget_expired(now)
            if self._is_full(frame):
                raise BufferFull
        self._bytes += len(frame.data)
        self._serial += 1
        self._waiting.append(Kept(self._serial, frame, expires_at=now + ttl_seconds if ttl_seconds else None))

    def _is_full(self, frame: Frame) -> bool:
        return len(self) >= MESSAGE_LIMIT or self._bytes + len(frame.data) > BYTE_LIMIT

    def _forget_expired(self, now: float) -> None:
        kept = [one for one in self._waiting if one.expires_at is None or one.expires_at > now]
        self._bytes -= sum(len(one.frame.data) for one in self._waiting) - sum(len(one.frame.data) for one in kept)
        self._waiting = deque(kept)

    def take(self, now: float) -> Frame | None:
        """The next frame for the socket; `None` when it has them all."""
        if self._taken < len(self._unacknowledged):
            self._taken += 1
            return self._unacknowledged[self._taken - 1].frame
        while self._waiting:
            waiting = self._waiting.popleft()
            self._bytes -= len(waiting.frame.data)
            if waiting.expires_at is None or waiting.expires_at > now:
                return self._issue(waiting)
        return None

    def _issue(self, waiting: Kept) -> Frame:
        self.last += 1
        numbered = self._number(waiting.frame, self.last)
        self._unacknowledged.append(Kept(waiting.serial, numbered, self.last))
        self._taken += 1
        self._bytes += len(numbered.data)
        return numbered

    def acknowledge(self, sequence_id: int) -> None:
        """Forgets everything up to that id. A late one is harmless, one never issued means all there are."""
        while self._unacknowledged and self._unacknowledged[0].number <= sequence_id:
            self._bytes -= len(self._unacknowledged.popleft().frame.data)
            self._taken = max(0, self._taken - 1)

    def rewind(self) -> None:
        """There is a new socket: it gets all that is unacknowledged once more, first and in order."""
        self._taken = 0

    @property
    def mark(self) -> tuple[int, int, int]:
        """Another one after every change."""
        return self._serial, self.last, len(self)

    def kept(self) -> tuple[Kept, ...]:
        """All that is not confirmed, in order."""
        return (*self._unacknowledged, *self._waiting)

    def restore(self, kept: Iterable[Kept], last: int) -> None:
        """What `kept` and `last` were, in sequences that are still empty."""
        for one in kept:
            self._serial = one.serial
            self._bytes += len(one.frame.data)
            (self._unacknowledged if one.number else self._waiting).append(one)
        self.last = last

    def skip(self, ids: int, now: float) -> None:
        """What waits gets the ids it would have got; those that follow it are never used."""
        while self._waiting:
            waiting = self._waiting.popleft()
            self._bytes -= len(waiting.frame.data)
            if waiting.expires_at is None or waiting.expires_at > now:
                self._issue(waiting)
            else:
                self.last += 1  # its client may have had it
        self.last += ids
