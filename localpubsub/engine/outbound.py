"""What waits to be written to one socket (spec/service.md 8.6, 11)."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from localpubsub.protocol.messages import Frame

MESSAGE_LIMIT = 1000
BYTE_LIMIT = 16 * 1024 * 1024


class Close(NamedTuple):
    code: int
    reason: str = ""


class Outbound:
    """A bounded queue. A client that reads too slowly is cut off; nobody ever waits for it.

    `wake` is called whenever there is something to do for the writer.
    """

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float] = monotonic) -> None:
        self._wake = wake
        self._clock = clock
        self._frames: deque[tuple[Frame, float | None, bool]] = deque()
        self._messages = 0
        self._bytes = 0
        self.closing: Close | None = None

    def put(self, frame: Frame, *, ttl_seconds: int = 0) -> None:
        """A message. Past 1,000 of them or 16 MiB the connection is closed with 1008 and what waits is dropped."""
        if self.closing is not None:
            return
        if self._messages >= MESSAGE_LIMIT or self._bytes + len(frame.data) > BYTE_LIMIT:
            self._frames.clear()
            self.close(Close(1008, "The client reads too slowly."))
            return
        self._messages += 1
        self._bytes += len(frame.data)
        self._frames.append((frame, self._clock() + ttl_seconds if ttl_seconds else None, True))
        self._wake()

    def put_control(self, frame: Frame | None) -> None:
        """An ack, a pong, a system message: never refused, not counted. `None` is nothing."""
        if frame is not None and self.closing is None:
            self._frames.append((frame, None, False))
            self._wake()

    def close(self, close: Close) -> None:
        """After what waits was written. The first call counts."""
        if self.closing is None:
            self.closing = close
            self._wake()

    def take(self) -> Frame | None:
        """The next frame to write; those that are past their time are dropped. `None` when nothing waits."""
        while self._frames:
            frame, expires_at, is_message = self._frames.popleft()
            if is_message:
                self._messages -= 1
                self._bytes -= len(frame.data)
            if expires_at is None or expires_at > self._clock():
                return frame
        return None
