"""OpenTelemetry traces from the webhook to the send.

FastAPI's built-in telemetry makes the span of the request; here it learns which event it was, an action carries the
trace with it through the outbox, and the send becomes a span of the same trace, in whichever process it happens.
Handlers find the request's span as the current one.
"""

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.fanout.delivery import Sender
from app.models.actions import Action
from app.upstream.webhook import Observation, Observe

_PROPAGATOR = TraceContextTextMapPropagator()


def traced(observe: Observe) -> Observe:
    """Tells the request's span what `observe` hears."""

    def both(seen: Observation) -> None:
        observe(seen)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("webpubsub.hub", seen.hub)
            span.set_attribute("webpubsub.event", seen.kind)
            span.set_attribute("webpubsub.connection_id", seen.connection_id)
            span.set_attribute("webpubsub.outcome", seen.outcome)

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
        self._provider = provider

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        tracer = trace.get_tracer("webpubsub.fanout", tracer_provider=self._provider)
        cause = _PROPAGATOR.extract({"traceparent": action.traceparent} if action.traceparent else {})
        with tracer.start_as_current_span(
            f"send {action.action_name}",
            context=cause,
            kind=trace.SpanKind.CLIENT,
            attributes={"webpubsub.hub": hub, "webpubsub.waited_seconds": round(waited_seconds, 3)},
            record_exception=False,
        ):
            await self._sender.send(hub, action, waited_seconds=waited_seconds)
