"""The event handler without a web framework: a request in, a `Reply` out.

The order of checks is the contract (spec/upstream.md 12): hub, headers, authenticity, type, content type, size, JSON,
then the hub. Nothing of the body is read before the caller is known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import structlog

from app.models.events import ConnectEvent, ConnectionContext, Event
from app.upstream.authentication import Authentication
from app.upstream.cloudevents import (
    STRUCTURED_MODE,
    Headers,
    check_type,
    decode_context,
    decode_event,
    decode_headers,
    media_type,
    read_headers,
)
from app.upstream.dispatch import dispatch, encode_failure
from app.upstream.errors import (
    BodyTooLarge,
    HandlerError,
    HeadersTooLarge,
    MalformedEvent,
    NotAuthentic,
    NotFound,
    Overloaded,
    Refused,
    UnsupportedMedia,
)
from app.upstream.followups import Followups
from app.upstream.hub import Hub
from app.upstream.idempotency import IdempotencyWindow, key_of
from app.upstream.registry import HubRegistry
from app.upstream.reply import Reply, text

log = structlog.get_logger("app.events")

Lines = list[tuple[bytes, bytes]]
ReadBody = Callable[[int], Awaitable[bytes]]
"""Reads the whole body; raises `BodyTooLarge` past the given number of bytes."""

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    max_body_bytes: int = 2 * MEGABYTE
    max_header_bytes: int = 64 * 1024
    handler_seconds: float = 30
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and the request headers it came in."""

    context: ConnectionContext
    headers: Headers
    event: Event


class Webhook:
    def __init__(
        self,
        hubs: HubRegistry,
        authentication: Authentication,
        *,
        window: IdempotencyWindow,
        followups: Followups,
        limits: Limits,
    ) -> None:
        self._hubs = hubs
        self._authentication = authentication
        self._window = window
        self._followups = followups
        self._limits = limits

    def validate(self, headers: Lines) -> Reply:
        """Abuse protection. Anonymous and cheap: the service asks every minute (spec/upstream.md 1)."""
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

    async def receive(self, lines: Lines, read_body: ReadBody) -> Reply:
        """Answers one delivery. Never raises: whatever happens becomes a status."""
        started = perf_counter()
        try:
            headers = read_headers(lines)
            hub = self._find_hub(headers)
            delivery = await self.decode(lines, headers, read_body)
        except Refused as refusal:
            _log_refusal(dict(lines), refusal, started)
            return encode_refusal(refusal)
        reply, outcome = await self._answer(hub, delivery.event)
        _log_event(delivery, reply, outcome, started)
        return reply

    def _find_hub(self, headers: Mapping[bytes, bytes]) -> Hub:
        if headers.get(b"content-type", b"").strip().lower().startswith(STRUCTURED_MODE.encode()):
            raise UnsupportedMedia("only the binary content mode of CloudEvents is accepted")
        name = headers.get(b"ce-hub", b"").decode("latin-1")
        if not name:
            raise MalformedEvent("header ce-hub is required")
        hub = self._hubs.get(name)
        if hub is None:
            raise NotFound("this hub is not served here", "ce-hub names a hub that is not in HUBS")
        return hub

    async def decode(self, lines: Lines, raw: Mapping[bytes, bytes], read_body: ReadBody) -> Delivery:
        """A verified event. Raises `Refused`."""
        if sum([len(name) + len(value) for name, value in lines]) > self._limits.max_header_bytes:
            raise HeadersTooLarge("the request headers are too large")
        headers = decode_headers(raw)
        context = decode_context(headers, strict=self._limits.strict)
        await self._authentication.check(
            origin=context.origin,
            connection_id=raw[b"ce-connectionid"],
            signature=raw.get(b"ce-signature"),
            authorization=headers.get("authorization"),
        )
        check_type(context)
        media = media_type(context, headers.get("content-type"))
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limits.max_body_bytes:
            raise BodyTooLarge("the body is too large")
        body = await read_body(self._limits.max_body_bytes)
        return Delivery(context, headers, decode_event(context, media, headers, body))

    async def _answer(self, hub: Hub, event: Event) -> tuple[Reply, str]:
        key = key_of(event.context)
        if key is None:
            reply = await self._run(hub, event)
            return reply, _outcome(reply)
        reply, repeated = await self._window.once(key, partial(self._run, hub, event))
        return reply, "repeated" if repeated else _outcome(reply)

    async def _run(self, hub: Hub, event: Event) -> Reply:
        """One run of the hub. It is not cut short when the caller hangs up: the redelivery gets its answer."""
        limit = asyncio.timeout(self._limits.handler_seconds)
        try:
            async with limit:
                reply, followup = await dispatch(hub, event)
            if followup is not None:
                self._followups.start((hub.name, event.connection_id), followup)
        except Overloaded as refusal:
            return encode_refusal(refusal)
        except HandlerError as error:
            _log_failure(hub, event, f"the answer cannot be sent: {error}")
            return encode_failure(event)
        except Exception as error:  # noqa: BLE001 - the edge of a hub's code: whatever it raises is its own
            if limit.expired():
                _log_failure(hub, event, f"no answer within {self._limits.handler_seconds:g} s")
            else:
                _log_failure(hub, event, "it raised", error)
            return encode_failure(event)
        return reply


def encode_refusal(refusal: Refused) -> Reply:
    extra: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, NotAuthentic) and refusal.challenge:
        extra = ((b"www-authenticate", refusal.challenge.encode()),)
    if isinstance(refusal, Overloaded):
        extra = ((b"retry-after", str(refusal.retry_after_seconds).encode()),)
    return text(refusal.status, refusal.public, extra)


def _outcome(reply: Reply) -> str:
    if reply.status < 300:
        return "handled"
    return "failed" if reply.status >= 500 else "rejected"


def _log_event(delivery: Delivery, reply: Reply, outcome: str, started: float) -> None:
    context = delivery.context
    log.info(
        "event",
        type=context.type,
        hub=context.hub,
        connection_id=context.connection_id,
        user_id=context.user_id,
        outcome=outcome,
        status=reply.status,
        duration_ms=round((perf_counter() - started) * 1000, 3),
    )
    if isinstance(delivery.event, ConnectEvent) and delivery.event.query:
        log.debug("connect query", connection_id=context.connection_id, names=sorted(delivery.event.query))


def _log_failure(hub: Hub, event: Event, reason: str, error: Exception | None = None) -> None:
    log.error(
        "handler failed",
        hub=hub.name,
        event_name=event.context.event_name,
        connection_id=event.connection_id,
        reason=reason,
        exc_info=error,
    )


def _log_refusal(headers: Mapping[bytes, bytes], refusal: Refused, started: float) -> None:
    """What the request claims to be is unverified here, and cut short."""

    def claimed(name: bytes) -> str:
        return headers.get(name, b"").decode("latin-1")[:256]

    log.warning(
        "event refused",
        type=claimed(b"ce-type"),
        hub=claimed(b"ce-hub"),
        connection_id=claimed(b"ce-connectionid"),
        user_id=claimed(b"ce-userid"),
        origin=claimed(b"webhook-request-origin"),
        outcome="refused",
        status=refusal.status,
        reason=refusal.reason,
        duration_ms=round((perf_counter() - started) * 1000, 3),
    )
