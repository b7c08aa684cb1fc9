"""Requests to event handlers, and REST calls, as somebody looks on (for the console)."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from urllib.parse import unquote, urlencode

from localpubsub.config import EventHandler
from localpubsub.edge.cloudevents import Response
from localpubsub.edge.rest_call import RestRequest
from localpubsub.edge.rest_errors import RestAnswer
from localpubsub.engine.masking import without_secrets
from localpubsub.engine.records import Body, CallContent, Record
from localpubsub.engine.trace import Trace
from localpubsub.engine.upstream import DeliveryFailed, UpstreamEvent

PREFIX = "/api/hubs/"

Ask = Callable[[EventHandler, UpstreamEvent, str, dict[str, str]], Awaitable[Response]]
AnswerCall = Callable[[RestRequest], Awaitable[RestAnswer]]


async def traced_event(
    trace: Trace, handler: EventHandler, event: UpstreamEvent, url: str, headers: dict[str, str], ask: Ask
) -> Response:
    """As `ask`. The request carries a trace context, which a call of the handler may bring back."""
    record = trace.event(handler, event, url, headers)
    failure = "given up"
    response: Response | None = None
    try:
        response = await ask(handler, event, url, {**headers, "traceparent": trace.traceparent(record)})
    except DeliveryFailed as failed:
        failure = str(failed)
        raise
    finally:
        if response is None:
            trace.failed(record, failure)
        else:
            trace.answered(record, response.status, response.headers.items(), response.body)
    return response


async def traced_call(trace: Trace, request: RestRequest, answer: AnswerCall) -> RestAnswer:
    """As `answer`."""
    record = _begin(trace, request)
    content = record.content

    async def read() -> bytes:
        body = await request.read()
        if isinstance(content, CallContent):
            content.body = Body.of(body, request.headers.get("Content-Type", ""))
        return body

    answered: RestAnswer | None = None
    try:
        answered = await answer(replace(request, read=read))
    finally:
        if answered is None:
            trace.called(record, 500, "It broke off.")
        else:
            trace.called(record, answered.status, _error(answered))
    return answered


def trace_refusal(trace: Trace, request: RestRequest, answer: RestAnswer) -> None:
    """A call that did not get as far as being read."""
    trace.called(_begin(trace, request), answer.status, _error(answer))


def _begin(trace: Trace, request: RestRequest) -> Record:
    hub, *segments = request.raw_path.removeprefix(PREFIX).split("/")
    named = {name: unquote(value) for name, value in zip(segments[::2], segments[1::2], strict=False)}
    query = urlencode(list(request.query.items()), errors="replace")
    path = f"{request.raw_path}?{query}" if query else request.raw_path
    short = unquote("/".join(segments))
    content = CallContent(request.method, path, short, without_secrets(request.headers.items()))
    traceparent = request.headers.get("traceparent", "")
    return trace.call(unquote(hub).lower(), named.get("connections"), named.get("users"), content, traceparent)


def _error(answer: RestAnswer) -> str | None:
    """What the service said against it."""
    if answer.status < 400:
        return None
    try:
        members = json.loads(answer.body or b"{}")
    except ValueError:
        return None
    return str(members.get("message") or "") or None
