"""What a reliable connection has not heard its client confirm (spec/service.md 4.1, 8.6).

A message waits without a number until a socket takes it, so that one past its time leaves no gap. From then on it keeps
its number and its bytes until the client confirms it, through any number of sockets.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from localpubsub.protocol.messages import Frame

MESSAGE_LIMIT = 1000
BYTE_LIMIT = 16 * 1024 * 1024


class BufferFull(Exception):
    """There are 1,000 messages or 16 MiB that the client did not confirm. The connection is lost for good."""


class _Waiting(NamedTuple):
    frame: Frame
    expires_at: float | None


class Sequences:
    """`number` puts a sequence id into a frame. There is no clock in here: callers say what time it is."""

    def __init__(self, number: Callable[[Frame, int], Frame]) -> None:
        self._number = number
        self._waiting: deque[_Waiting] = deque()
        self._unacknowledged: deque[Frame] = deque()
        self._acknowledged = 0
        self._taken = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._unacknowledged) + len(self._waiting)

    def add(self, frame: Frame, now: float, ttl_seconds: int = 0) -> None:
        """Raises `BufferFull`."""
        if self._is_full(frame):
            self._forget_expired(now)
            if self._is_full(frame):
                raise BufferFull
        self._bytes += len(frame.data)
        self._waiting.append(_Waiting(frame, now + ttl_seconds if ttl_seconds else None))

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
            return self._unacknowledged[self._taken - 1]
        while self._waiting:
            frame, expires_at = self._waiting.popleft()
            self._bytes -= len(frame.data)
            if expires_at is None or expires_at > now:
                return self._issue(frame)
        return None

    def _issue(self, frame: Frame) -> Frame:
        numbered = self._number(frame, self._acknowledged + len(self._unacknowledged) + 1)
        self._unacknowledged.append(numbered)
        self._taken += 1
        self._bytes += len(numbered.data)
        return numbered

    def acknowledge(self, sequence_id: int) -> None:
        """Forgets everything up to that id. A late one is harmless, one never issued means all there are."""
        confirmed = min(sequence_id - self._acknowledged, len(self._unacknowledged))
        for _ in range(confirmed):
            self._bytes -= len(self._unacknowledged.popleft().data)
        if confirmed > 0:
            self._acknowledged += confirmed
            self._taken = max(0, self._taken - confirmed)

    def rewind(self) -> None:
        """There is a new socket: it gets all that is unacknowledged once more, first and in order."""
        self._taken = 0
