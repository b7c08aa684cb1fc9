"""What the log says of a delivery: identities and outcome, never a body, a state or a token."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from app.models.events import ConnectEvent, Event
from app.upstream.errors import Refused
from app.upstream.hub import Hub
from app.upstream.reply import Reply

log = structlog.get_logger("app.events")


class EventLog:
    """The line of every event. The first one decides which logger writes them all."""

    @cached_property
    def _log(self) -> FilteringBoundLogger:
        """Bound: what `get_logger` gives looks for its logger anew for every line."""
        bound: FilteringBoundLogger = log.bind()
        return bound

    def write(self, event: Event, reply: Reply, outcome: str, seconds: float) -> None:
        log, context = self._log, event.context
        fields: dict[str, Any] = {
            "type": context.type,
            "hub": context.hub,
            "connection_id": context.connection_id,
            "user_id": context.user_id,
            "outcome": outcome,
            "status": reply.status,
            "duration_ms": milliseconds(seconds),
        }
        if context.request_id:
            fields["request_id"] = context.request_id
        log.info("event", **fields)
        if isinstance(event, ConnectEvent) and event.query:
            log.debug("connect query", connection_id=context.connection_id, names=sorted(event.query))


def milliseconds(seconds: float) -> float:
    """To the microsecond; `round` takes four times as long."""
    return int(seconds * 1_000_000) / 1000


def log_failure(hub: Hub, event: Event, reason: str, error: Exception | None = None) -> None:
    log.error(
        "handler failed",
        hub=hub.name,
        event_name=event.context.event_name,
        connection_id=event.connection_id,
        reason=reason,
        exc_info=error,
    )


def log_refusal(headers: Mapping[bytes, bytes], refusal: Refused, answer: Reply, seconds: float) -> None:
    """What the request claims to be is unverified here, and cut short."""

    def claimed(name: bytes) -> str:
        return headers.get(name, b"").decode(errors="replace")[:256]

    log.warning(
        "event refused",
        type=claimed(b"ce-type"),
        hub=claimed(b"ce-hub"),
        connection_id=claimed(b"ce-connectionid"),
        user_id=claimed(b"ce-userid"),
        origin=claimed(b"webhook-request-origin"),
        outcome="refused",
        status=answer.status,
        reason=refusal.reason,
        duration_ms=milliseconds(seconds),
    )
