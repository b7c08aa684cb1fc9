"""OpenTelemetry traces from the webhook to the send.

FastAPI's built-in telemetry makes the span of the request; here it learns which event it was, an action carries the
trace with it through the outbox, and the send becomes a span of the same trace, in whichever process it happens.
Handlers find the request's span as the current one.
"""

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.fanout.delivery import Sender, SendFailed
from app.models.actions import Action
from app.upstream.webhook import Observation, Observe

_PROPAGATOR = TraceContextTextMapPropagator()


def traced(observe: Observe) -> Observe:
    """Tells the request's span what `observe` hears."""

    def both(seen: Observation) -> None:
        observe(seen)
        span = trace.get_current_span()
        if span.is_recording():
            found = {
                "webpubsub.hub": seen.hub,
                "webpubsub.event": seen.kind.lower(),
                "webpubsub.connection_id": seen.connection_id,
                "webpubsub.outcome": seen.outcome,
            }
            # Of a refused delivery nothing is known, only claimed.
            span.set_attributes({name: value for name, value in found.items() if value})

    return both


def current_trace() -> str | None:
    """The `traceparent` of the current span."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


class TracedSender:
    """A sender whose sends are spans of the trace that the action carries."""

    def __init__(self, sender: Sender, provider: trace.TracerProvider | None = None) -> None:
        self._sender = sender
        self._tracer = trace.get_tracer("webpubsub.fanout", tracer_provider=provider)

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        cause = _PROPAGATOR.extract({"traceparent": action.traceparent} if action.traceparent else {})
        with self._tracer.start_as_current_span(
            f"send {action.action_name}",
            context=cause,
            kind=trace.SpanKind.CLIENT,
            attributes={"webpubsub.hub": hub, "webpubsub.waited_seconds": round(waited_seconds, 3)},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                ours = action.model_copy(update={"traceparent": current_trace() or action.traceparent})
                await self._sender.send(hub, ours, waited_seconds=waited_seconds)
            except SendFailed as failure:
                span.set_attribute("error.type", str(failure.status or "no answer"))
                span.set_status(trace.StatusCode.ERROR, failure.reason)
                raise
            except Exception as error:
                # Its text may hold a message's.
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(trace.StatusCode.ERROR)
                raise
