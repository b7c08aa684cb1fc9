"""What waits to be written to one socket (spec/service.md 4.1, 8.6, 11)."""

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from localpubsub.protocol.messages import Frame
from localpubsub.protocol.sequences import BufferFull, Sequences

MESSAGE_LIMIT = 1000
BYTE_LIMIT = 16 * 1024 * 1024
CONTROL_LIMIT = 4096
"""Acks and pongs have room of their own: enough for a client that sends a lot before it reads."""


class Close(NamedTuple):
    code: int
    reason: str = ""


TOO_SLOW = Close(1008, "The client reads too slowly.")


class _Control(NamedTuple):
    """A frame that is not counted among the messages."""

    frame: Frame
    counted: bool


class _Expiring(NamedTuple):
    frame: Frame
    expires_at: float


# A message, most often as it is: a broadcast makes nothing for each of its receivers. `None` is the next of the
# sequences, if any is left.
_Entry = Frame | _Expiring | _Control | None


class Outbound:
    """A bounded queue. A client that reads too slowly is cut off; nobody ever waits for it.

    `wake` is called when there is something to do for the writer, once until it has taken everything. `abandoned` says
    that the connection goes on at another socket.
    """

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float] = monotonic) -> None:
        self._wake = wake
        self._clock = clock
        self._entries: deque[_Entry] = deque()
        self._sequences: Sequences | None = None
        self._messages = 0
        self._bytes = 0
        self._controls = 0
        self._control_bytes = 0
        self.closing: Close | None = None
        self.abandoned = False
        self.broken = False

    def put(self, frame: Frame, *, ttl_seconds: int = 0) -> None:
        """A message. Past 1,000 of them or 16 MiB the connection is closed with 1008 and what waits is dropped."""
        if self.closing is not None:
            return
        if self._sequences is not None:
            self._put_sequenced(self._sequences, frame, ttl_seconds)
            return
        size = self._bytes + len(frame.data)
        if self._messages >= MESSAGE_LIMIT or size > BYTE_LIMIT:
            self._cut(TOO_SLOW)
            return
        self._messages += 1
        self._bytes = size
        self._add(_Expiring(frame, self._clock() + ttl_seconds) if ttl_seconds else frame)

    def _add(self, entry: _Entry) -> None:
        entries = self._entries
        entries.append(entry)
        if len(entries) == 1:
            self._wake()

    def _put_sequenced(self, sequences: Sequences, frame: Frame, ttl_seconds: int) -> None:
        try:
            sequences.add(frame, self._clock(), ttl_seconds)
        except BufferFull:
            self._cut(Close(1008, "The reliable message buffer is full."))
            return
        self._add(None)

    def put_control(self, frame: Frame | None, *, counted: bool = True) -> None:
        """An ack, a pong, a system message: past 4,096 of them or 16 MiB the client is cut off. `None` is nothing.

        Without `counted` its bytes are no part of the 16 MiB: a session counts them, or it is the last word.
        """
        if frame is None or self.closing is not None:
            return
        if self._controls >= CONTROL_LIMIT or (counted and self._control_bytes > BYTE_LIMIT):
            self._cut(TOO_SLOW)
            return
        self._controls += 1
        if counted:
            self._control_bytes += len(frame.data)
        self._add(_Control(frame, counted))

    def draw_on(self, sequences: Sequences) -> None:
        """Messages go through `sequences` from now on; what is in there comes first, from the first unacknowledged."""
        self._sequences = sequences
        sequences.rewind()
        self._entries.extend([None] * len(sequences))
        self._wake()

    def close(self, close: Close) -> None:
        """After what waits was written. The first call counts."""
        if self.closing is None:
            self.closing = close
            self._wake()

    def _cut(self, close: Close) -> None:
        self._entries.clear()
        self.close(close)

    def break_off(self) -> None:
        """The socket is lost, as by a fault of the network. A reliable connection goes on without it."""
        self.broken = True
        self._wake()

    def abandon(self) -> None:
        """At once, and without a word: the connection has another socket."""
        self.abandoned = True
        self._cut(Close(1006))

    def take(self) -> Frame | None:
        """The next frame to write; those that are past their time are dropped. `None` when nothing waits."""
        entries = self._entries
        while entries:
            entry = entries.popleft()
            if isinstance(entry, Frame):
                self._messages -= 1
                self._bytes -= len(entry.data)
                return entry
            frame = self._unpacked(entry)
            if frame is not None:
                return frame
        return None

    def _unpacked(self, entry: _Expiring | _Control | None) -> Frame | None:
        if entry is None:
            return self._sequences.take(self._clock()) if self._sequences is not None else None
        if isinstance(entry, _Control):
            self._controls -= 1
            if entry.counted:
                self._control_bytes -= len(entry.frame.data)
            return entry.frame
        self._messages -= 1
        self._bytes -= len(entry.frame.data)
        return entry.frame if entry.expires_at > self._clock() else None

    def take_framed(self, size: int) -> list[bytes]:
        """As `take`: frames as they go over the wire, until they are that many bytes."""
        chunks: list[bytes] = []
        while size > 0 and (frame := self.take()) is not None:
            chunk = frame.framed
            chunks.append(chunk)
            size -= len(chunk)
        return chunks

    @property
    def is_waiting(self) -> bool:
        return bool(self._entries)
