"""The event handler without a web framework: a request in, a `Reply` out.

The order of checks is the contract (spec/upstream.md 12): hub, headers, authenticity, type, content type, size, JSON,
then the hub. Nothing of the body is read before the caller is known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter
from typing import NamedTuple

from app.models.actions import Action
from app.models.events import Event, UserEvent
from app.upstream.authentication import Authentication
from app.upstream.cloudevents import (
    STRUCTURED_MODE,
    Headers,
    Lines,
    decode_context,
    kind_of,
    read_headers,
)
from app.upstream.deadlines import Deadlines, is_cancelling
from app.upstream.dispatch import Followup, Outcome, actions_in, dispatch, encode_failure, encode_rejection
from app.upstream.errors import (
    BodyTooLarge,
    HandlerError,
    HeadersTooLarge,
    MalformedEvent,
    NotAuthentic,
    NotFound,
    Overloaded,
    Refused,
    Rejected,
    UnknownEventType,
    UnsupportedMedia,
    WrongCaller,
)
from app.upstream.event_log import EventLog, log, log_failure, log_refusal
from app.upstream.followups import Followups
from app.upstream.gate import UNKNOWN, Caller, Gate
from app.upstream.hub import Hub
from app.upstream.idempotency import IdempotencyWindow, Key, key_of
from app.upstream.outbox import Outbox
from app.upstream.publisher import EventScope, event_scope
from app.upstream.registry import HubRegistry
from app.upstream.reply import NO_CONTENT, Reply, text
from app.upstream.storage import StorageError

ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the whole body; raises `BodyTooLarge` past the given number of bytes."""

MEGABYTE = 1024 * 1024
MAX_LENGTH_DIGITS = 18
OUTAGE_LOG_SECONDS = 10.0
"""An outage of the store fails every event; the log is told so often."""


class Observation(NamedTuple):
    """One delivery, for metrics and traces. `kind` is the event's name, or `user` for the names clients make up."""

    hub: str
    kind: str
    connection_id: str
    outcome: str
    seconds: float


Observe = Callable[[Observation], None]


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int = 2 * MEGABYTE
    max_header_bytes: int = 64 * 1024
    handler_seconds: float = 30
    strict: bool = False
    ignore_unknown_events: bool = False


class Webhook:
    def __init__(
        self,
        hubs: HubRegistry,
        authentication: Authentication,
        *,
        window: IdempotencyWindow,
        outbox: Outbox,
        followups: Followups,
        limits: Limits,
        gate: Gate | None = None,
    ) -> None:
        self._hubs = hubs
        self._authentication = authentication
        self._window = window
        self._outbox = outbox
        self._followups = followups
        self._limits = limits
        self._gate = gate
        self._deadlines = Deadlines(limits.handler_seconds)
        self._log = EventLog()
        self._outage_logged_at = float("-inf")
        self.observe: Observe = _nobody_looks

    @property
    def asks_callers(self) -> bool:
        """Whether it matters who calls; otherwise nobody need say."""
        return self._gate is not None

    def admit(self, caller: Caller) -> None:
        """Raises `WrongCaller` or `NotAuthentic`."""
        if self._gate is not None:
            self._gate.check(caller)

    def validate(self, headers: Lines, caller: Caller = UNKNOWN) -> Reply:
        """Abuse protection. Anonymous and cheap: the service asks every minute (spec/upstream.md 1)."""
        if self._gate is not None:
            try:
                self._gate.check_address(caller.address)
            except WrongCaller as refusal:
                log.warning("validation refused", reason=refusal.reason)
                return encode_refusal(refusal)
        asked = b",".join(value for name, value in headers if name == b"webhook-request-origin").decode("latin-1")
        allowed = self._authentication.origins.allowed(asked)
        if allowed is None:
            log.warning(
                "validation refused",
                origin=asked[:256],
                reason="no entry is the host of a configured endpoint or of WEBPUBSUB_ALLOWED_ORIGINS",
            )
            return text(400, "WebHook-Request-Origin is missing or not allowed here")
        log.debug("validation answered", origin=asked[:256])
        return Reply(200, b"", ((b"webhook-allowed-origin", allowed.encode()),))

    async def receive(self, lines: Lines, read_body: ReadBody, caller: Caller = UNKNOWN) -> Reply:
        """Answers one delivery: whatever happens becomes a status. Raises only what `read_body` raises."""
        started = perf_counter()
        try:
            self.admit(caller)
            headers = read_headers(lines)
            hub = self._find_hub(headers)
            event = await self.decode(headers, read_body)
        except Refused as refusal:
            ignored = self._limits.ignore_unknown_events and isinstance(refusal, UnknownEventType)
            answer = NO_CONTENT if ignored else encode_refusal(refusal)
            seconds = perf_counter() - started
            log_refusal(dict(lines), refusal, answer, seconds)
            self.observe(Observation("", "", "", "refused", seconds))
            return answer
        key = key_of(event.context)
        if key is None:
            reply, repeated = await self._run(hub, event, None), False
        else:
            try:
                reply, repeated = await self._window.once(key, self._run, hub, event, key)
            except Overloaded as refusal:
                reply, repeated = encode_overload(event, refusal), False
        outcome = "repeated" if repeated else _outcome(reply)
        seconds = perf_counter() - started
        self.observe(Observation(hub.name, _kind(event), event.context.connection_id, outcome, seconds))
        self._log.write(event, reply, outcome, seconds)
        return reply

    def _find_hub(self, headers: Headers) -> Hub:
        # A device may publish a CloudEvent of its own.
        is_structured = headers.get(b"content-type", b"").lstrip().lower().startswith(STRUCTURED_MODE)
        if is_structured and not headers.get(b"ce-physicalconnectionid"):
            raise UnsupportedMedia("only the binary content mode of CloudEvents is accepted")
        name = headers.get(b"ce-hub", b"").decode("latin-1")
        if not name:
            raise MalformedEvent("header ce-hub is required")
        hub = self._hubs.get(name)
        if hub is None:
            raise NotFound("this hub is not served here", "ce-hub names a hub that is not in HUBS")
        return hub

    async def decode(self, headers: Headers, read_body: ReadBody) -> Event:
        """A verified event. Raises `Refused`."""
        limits = self._limits
        if len(b"".join(headers.values())) > limits.max_header_bytes:
            raise HeadersTooLarge("the request headers are too large")
        context = decode_context(headers, strict=limits.strict)
        await self._authentication.check(
            origin=context.origin,
            connection_id=context.connection_id.encode(),
            signature=headers.get(b"ce-signature"),
            authorization=headers.get(b"authorization"),
        )
        kind = kind_of(context.type, context.event_name, headers.get(b"content-type", b""), context.is_mqtt)
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and (len(declared) > MAX_LENGTH_DIGITS or int(declared) > limits.max_body_bytes):
            raise BodyTooLarge("the body is too large")
        return kind.decode(context, kind.media, headers, await read_body(limits.max_body_bytes))

    async def _run(self, hub: Hub, event: Event, key: Key | None) -> Reply:
        """Runs the handler under its time limit, then stores what it published together with the answer.

        It is not cut short when the caller hangs up: the redelivery gets the answer.
        """
        scope = EventScope(hub.name, event.connection_id, event.context.traceparent)
        token = event_scope.set(scope)
        task = self._deadlines.begin()
        try:
            self._outbox.check_room()
            outcome = await dispatch(hub, event)
            self._deadlines.end(task)
            if outcome.reply.status < 500:  # else it will be delivered again, and published again
                await self._settle(hub, event, key, scope, outcome)
        except Overloaded as refusal:
            return encode_overload(event, refusal)
        except StorageError as error:
            self._log_outage(hub, event, error)
            return encode_overload(event, Overloaded(str(error)))
        except asyncio.CancelledError:
            is_late = self._deadlines.end(task)
            if not is_late and is_cancelling():
                raise
            late = f"no answer within {self._limits.handler_seconds:g} s"
            log_failure(hub, event, late if is_late else "it awaited something that was cancelled")
        except HandlerError as error:
            log_failure(hub, event, f"the answer cannot be sent: {error}")
        except Exception as error:  # noqa: BLE001 - the edge of a hub's code: whatever it raises is its own
            log_failure(hub, event, "it raised", error)
        else:
            return outcome.reply
        finally:
            scope.is_open = False
            event_scope.reset(token)
            self._deadlines.end(task)
        return encode_failure(event)

    def _log_outage(self, hub: Hub, event: Event, error: StorageError) -> None:
        if monotonic() >= self._outage_logged_at + OUTAGE_LOG_SECONDS:
            self._outage_logged_at = monotonic()
            log_failure(hub, event, str(error))

    async def _settle(self, hub: Hub, event: Event, key: Key | None, scope: EventScope, outcome: Outcome) -> None:
        """Stores the answer and what was published, then starts what was to follow."""
        reply, returned, followup = outcome
        if followup is not None:
            self._followups.check_room()
        if returned:
            scope.actions.extend((hub.name, action) for action in returned)
        scope.is_open = False
        if scope.actions or self._outbox.keeps_every_answer:
            await self._outbox.commit(scope.lane, scope.actions, key, reply)
        if followup is not None:
            self._followups.start((hub.name, event.connection_id), partial(self._follow_up, hub, followup, scope))

    async def _follow_up(self, hub: Hub, followup: Followup, scope: EventScope) -> None:
        """What the handler publishes now is stored at once: nothing will be delivered again."""
        event_scope.set(scope)
        actions: Sequence[Action] = actions_in(await followup())
        if actions:
            await self._outbox.commit(scope.lane, [(hub.name, action) for action in actions])


def encode_refusal(refusal: Refused) -> Reply:
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, NotAuthentic) and refusal.challenge:
        extra = ((b"www-authenticate", refusal.challenge.encode()),)
    if isinstance(refusal, Overloaded):
        extra = (_retry_after(refusal),)
    return text(refusal.status, refusal.public, extra)


def encode_overload(event: Event, refusal: Overloaded) -> Reply:
    """In the client's own terms: an MQTT client is told a code."""
    reply = encode_rejection(event, Rejected(refusal.public, status=refusal.status))
    return reply._replace(headers=(*reply.headers, _retry_after(refusal)))


def _retry_after(refusal: Overloaded) -> tuple[bytes, bytes]:
    return b"retry-after", str(refusal.retry_after_seconds).encode()


def _outcome(reply: Reply) -> str:
    if reply.status < 300:
        return "handled"
    return "failed" if reply.status >= 500 else "rejected"


def _kind(event: Event) -> str:
    return "user" if isinstance(event, UserEvent) else event.context.event_name


def _nobody_looks(_: Observation) -> None: ...
