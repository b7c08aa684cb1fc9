"""What happens, while somebody looks: the console's record of frames, events, calls and deliveries.

Those who have something to tell ask `on` first, so that it costs nothing when nobody looks. What is kept is bounded.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from secrets import token_hex
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from localpubsub.config import EventHandler
from localpubsub.engine.masking import without_secrets
from localpubsub.engine.records import (
    BODY_LIMIT,
    PREVIEW_CHARACTERS,
    Answered,
    Body,
    CallContent,
    CloseContent,
    Content,
    DeliveryContent,
    EventContent,
    FrameContent,
    OpenContent,
    Record,
)
from localpubsub.engine.suspects import Suspects
from localpubsub.engine.upstream import UpstreamEvent
from localpubsub.protocol.messages import Frame, Message

RECORD_LIMIT = 500
BYTE_LIMIT = 16 * 1024 * 1024

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{16})([0-9a-f]{16})-[0-9a-f]{16}-[0-9a-f]{2}")


class Party(Protocol):
    """What is told of a connection."""

    id: str
    hub: str
    user_id: str | None
    subprotocol: str | None

    @property
    def groups(self) -> Collection[str]: ...


class _Scope(NamedTuple):
    """What the running task does, as `trace` knows it: what caused it, and the frame whose ack is still to come."""

    trace: str = ""
    cause: int | None = None
    frame: Record | None = None


_NOTHING = _Scope()
_scope: ContextVar[_Scope] = ContextVar("trace_scope", default=_NOTHING)


class Trace:
    """The last 500 records, or as many as 16 MiB hold. Everything is told in the event loop."""

    def __init__(self, clock: Callable[[], float] = time.time, timer: Callable[[], float] = time.perf_counter) -> None:
        self.on = False
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._timer = timer
        self._viewers = 0
        self._records: dict[int, Record] = {}
        self._changed: dict[int, Record] = {}
        self._endings: WeakKeyDictionary[Party, int] = WeakKeyDictionary()
        self._bytes = 0
        self._last_id = 0
        self._floor = 0
        self._trace_prefix = token_hex(8)
        self._suspects = Suspects(timer)

    def look(self) -> None:
        """Somebody looks from now on, one more than before."""
        self._viewers += 1
        if not self.on:
            self._floor = self._last_id  # what tasks remember from before is out of date
            self.on = True

    def look_away(self) -> None:
        self._viewers -= 1
        if not self._viewers:
            self.on = False
            self._changed.clear()
            self.counts.clear()
            self._suspects.clear()

    @property
    def records(self) -> tuple[Record, ...]:
        return tuple(self._records.values())

    def record(self, record_id: int) -> Record | None:
        return self._records.get(record_id)

    def take_changed(self) -> tuple[Record, ...]:
        """Those that are new or different since the last call."""
        changed = tuple(self._changed.values())
        self._changed.clear()
        return changed

    def take_counts(self) -> Counter[str]:
        counts, self.counts = self.counts, Counter()
        return counts

    # What the service tells. None of it may be called while `on` is false, but for the ends of what began before.

    def opened(self, connection: Party) -> None:
        content = OpenContent(connection.subprotocol, tuple(connection.groups))
        self._follow(self._of(connection, content))

    def ending(self, connection: Party) -> None:
        """Whoever is at work now ends the connection: it is the cause of what `closed` tells."""
        cause = self._cause()
        if cause is not None:
            self._endings[connection] = cause

    def closed(self, connection: Party, farewell: Mapping[str, Any]) -> None:
        self._begin(self._endings.pop(connection, None))
        self._follow(self._of(connection, CloseContent(farewell)))

    def frame(self, connection: Party, summary: str, frame: Frame) -> None:
        """A client sent something. What follows in this task follows from it."""
        self.counts["frames"] += 1
        self._begin()
        record = self._of(connection, FrameContent(summary, Body.of(frame.data), frame.is_text))
        self._begin(record.id, record)

    def acked(self, ack_id: int, error: tuple[str, str] | None) -> None:
        """The frame that is at work now."""
        record = self._now().frame
        if record is not None and record.id > self._floor and isinstance(record.content, FrameContent):
            record.content.ack = {"id": ack_id, "success": error is None} | (
                {"error": {"name": error[0], "message": error[1]}} if error else {}
            )
            self._end(record)

    def delivery(self, hub: str, message: Message, receivers: Sequence[Party]) -> None:
        self.counts["deliveries"] += len(receivers)
        payload = message.payload
        data = Body.of(payload.data, payload.content_type, PREVIEW_CHARACTERS)
        content = DeliveryContent(message.group, len(receivers), payload.data_type, data, message.from_user_id)
        connection_id, user_id = (receivers[0].id, receivers[0].user_id) if len(receivers) == 1 else (None, None)
        self._add(hub, connection_id, user_id, content)

    def event(self, handler: EventHandler, event: UpstreamEvent, url: str, headers: Mapping[str, str]) -> Record:
        """A request to an event handler; `answered` or `failed` follows."""
        self.counts["events"] += 1
        body = Body.of(event.body, event.content_type)
        kept = event if len(event.body) <= BODY_LIMIT else None
        content = EventContent(handler, event.name, url, without_secrets(headers.items()), body, kept)
        record = self._add(event.hub, event.connection_id, event.user_id, content)
        self._suspects.begin(event.hub, record.id)
        self._follow(record)
        return record

    def answered(self, record: Record, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        kept = without_secrets(headers)
        content_type = next((value for name, value in kept if name.lower() == "content-type"), "")
        self._answer(record, Answered(status, kept, Body.of(body, content_type)))

    def failed(self, record: Record, reason: str) -> None:
        """No answer came, or none that could be used."""
        self._answer(record, Answered(error=reason))

    def _answer(self, record: Record, answer: Answered) -> None:
        self._suspects.end(record.hub, record.id)
        if isinstance(record.content, EventContent):
            record.content.answer = answer
        record.status = answer.status
        self._end(record)

    def call(
        self, hub: str, connection_id: str | None, user_id: str | None, content: CallContent, traceparent: str = ""
    ) -> Record:
        """A REST call begins; `called` follows. Which event caused it is known, or is guessed from the time."""
        self.counts["calls"] += 1
        self._begin()
        record = self._add(hub, connection_id, user_id, content)
        record.cause = self._traced(traceparent)
        if record.cause is None:
            record.cause = self._suspects.only(hub)
            record.exact = record.cause is None
        self._follow(record)
        return record

    def called(self, record: Record, status: int, error: str | None) -> None:
        if isinstance(record.content, CallContent):
            record.content.status, record.content.error = status, error
        record.status = status
        self._end(record)

    def traceparent(self, record: Record) -> str:
        """A W3C trace context that brings back what `record` caused."""
        return f"00-{self._trace_prefix}{record.id:016x}-{record.id:016x}-01"

    def again(self, record: Record) -> None:
        """What follows in this task repeats `record`."""
        self._follow(record)

    def _traced(self, traceparent: str) -> int | None:
        found = _TRACEPARENT.match(traceparent.strip().lower())
        if found is None or found[1] != self._trace_prefix:
            return None
        record_id = int(found[2], 16)
        return record_id if 0 < record_id <= self._last_id else None

    def _begin(self, cause: int | None = None, frame: Record | None = None) -> None:
        _scope.set(_Scope(self._trace_prefix, cause, frame))

    def _now(self) -> _Scope:
        """Not what another service in this process has left."""
        scope = _scope.get()
        return scope if scope.trace == self._trace_prefix else _NOTHING

    def _cause(self) -> int | None:
        cause = self._now().cause
        return cause if cause is not None and cause > self._floor else None

    def _follow(self, record: Record) -> None:
        self._begin(record.id, self._now().frame)

    def _of(self, connection: Party, content: Content) -> Record:
        return self._add(connection.hub, connection.id, connection.user_id, content)

    def _add(self, hub: str, connection_id: str | None, user_id: str | None, content: Content) -> Record:
        self._last_id += 1
        at, cause = self._clock(), self._cause()
        record = Record(self._last_id, int(at * 1000), self._timer(), hub, connection_id, user_id, content, cause)
        self._keep(record)
        return record

    def _end(self, record: Record) -> None:
        record.took_ms = round((self._timer() - record.began) * 1000, 3)
        if self.on:
            self._keep(record)

    def _keep(self, record: Record) -> None:
        """It is new, or has changed."""
        known = record.id in self._records
        self._bytes += record.content.size - (record.size if known else 0)
        record.size = record.content.size
        self._records[record.id] = self._changed[record.id] = record
        while len(self._records) > RECORD_LIMIT or (self._bytes > BYTE_LIMIT and len(self._records) > 1):
            oldest = next(iter(self._records))
            self._bytes -= self._records.pop(oldest).size
            self._changed.pop(oldest, None)
