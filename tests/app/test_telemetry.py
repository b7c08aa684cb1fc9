"""Traces: one from the webhook to the send, in whichever process that happens, and nothing in it that is not ours."""

import base64
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, SpanKind, StatusCode
from pydantic_core import from_json
from starlette.types import ASGIApp, Receive, Scope, Send

from app.fanout.delivery import SendFailed
from app.main import create_app
from app.models.actions import Action, SendToAll
from app.models.events import ConnectedEvent, UserEvent
from app.services import Services
from app.telemetry import TracedSender
from app.upstream.errors import Rejected
from app.upstream.hub import Hub
from app.upstream.publisher import Publisher
from app.upstream.testing import RecordingPublisher
from tests.app.clients.conftest import DataPlane, data_plane, unused_address
from tests.app.conformance import Case, check, request_for, settings_for
from tests.app.conftest import KEY, ORIGIN, event, settings

__all__ = ["data_plane", "unused_address"]

CASES: list[Case] = from_json((Path(__file__).parent.parent / "wire" / "upstream-cases.json").read_bytes())
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class TalkHub(Hub):
    name = "chat"
    current: list[SpanContext]

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def on_connected(self, event: ConnectedEvent) -> None:
        await self._publisher.send_to_all(f"{event.connection_id} is here")

    async def on_user_event(self, event: UserEvent) -> None:
        self.current.append(trace.get_current_span().get_span_context())
        if event.text.startswith("boom"):
            raise RuntimeError(event.text)
        if event.text.startswith("deny"):
            raise Rejected(event.text, status=400)
        await self._publisher.send_to_all(event.text)


class Recorder:
    """What a tracer provider of the test's own was told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is kind]

    @property
    def text(self) -> str:
        """Everything that would be exported."""
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """The global provider for as long as the test runs: `set_tracer_provider` could never be undone."""
    recorder = Recorder()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", recorder.provider)
    yield recorder
    recorder.provider.shutdown()


class Upstream:
    def __init__(self, client: httpx.AsyncClient, services: Services) -> None:
        self._client = client
        self._services = services

    async def deliver(self, kind: str, name: str, body: str, path: str = "/eventhandler", **more: str) -> int:
        headers = event(kind, name, **more)
        return (await self._client.post(path, headers=headers, content=body)).status_code

    async def say(self, text: str, **more: str) -> int:
        return await self.deliver("user", "message", text, **more)

    async def settled(self) -> None:
        await self._services.followups.drain(10)
        assert self._services.fanout is not None
        await self._services.fanout.outbox.drain(10)


def app_for(endpoint: str, **changes: Any) -> FastAPI:
    TalkHub.current = []
    values = {
        "webpubsub_connection_string": f"Endpoint={endpoint};AccessKey={KEY}",
        "webpubsub_allowed_origins": ORIGIN,
        "hubs": "tests.app.test_telemetry:TalkHub",
        "shutdown_grace_seconds": 0,
        "telemetry": True,
    }
    return create_app(settings(**(values | changes)))


@asynccontextmanager
async def upstream(endpoint: str, **changes: Any) -> AsyncIterator[Upstream]:
    app = app_for(endpoint, **changes)
    async with app.state.services.open(), client_of(app) as client:
        yield Upstream(client, app.state.services)


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream")


def id_of(span: ReadableSpan) -> SpanContext:
    context = span.get_span_context()
    assert context is not None
    return context


def is_child(child: ReadableSpan, parent: SpanContext) -> bool:
    return child.parent is not None and (child.parent.trace_id, child.parent.span_id) == (
        parent.trace_id,
        parent.span_id,
    )


def ours(span: ReadableSpan) -> dict[str, Any]:
    return {name: value for name, value in (span.attributes or {}).items() if name.startswith("webpubsub.")}


@pytest.mark.parametrize(
    ("kind", "name", "body", "more", "known"),
    [
        ("user", "made-up", "hi", {}, ("chat", "user", "conn-1", "handled")),
        ("user", "message", "deny", {}, ("chat", "user", "conn-1", "rejected")),
        ("user", "message", "boom", {}, ("chat", "user", "conn-1", "failed")),
        ("sys", "connect", "{}", {"ce_eventName": "CONNECT"}, ("chat", "connect", "conn-1", "handled")),
        ("user", "message", "hi", {"ce_signature": "sha256=00"}, (None, None, None, "refused")),
    ],
)
async def test_the_span_of_a_delivery_tells_which_event_it_was(
    recorder: Recorder,
    data_plane: DataPlane,
    kind: str,
    name: str,
    body: str,
    more: dict[str, str],
    known: tuple[str | None, ...],
) -> None:
    async with upstream(data_plane.url) as running:
        await running.deliver(kind, name, body, path=f"/eventhandler/{name}", connection_id="conn-1", **more)

    (span,) = recorder.of(SpanKind.SERVER)
    names = ("webpubsub.hub", "webpubsub.event", "webpubsub.connection_id", "webpubsub.outcome")
    assert ours(span) == {name: value for name, value in zip(names, known, strict=True) if value is not None}
    assert span.name == "POST /eventhandler/{rest}"


async def test_a_redelivery_is_a_span_of_its_own_that_says_so(recorder: Recorder, data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        for _ in range(2):
            await running.say("hi", ce_id="1")
        await running.settled()

    first, again = recorder.of(SpanKind.SERVER)
    assert [ours(span)["webpubsub.outcome"] for span in (first, again)] == ["handled", "repeated"]
    (send,) = recorder.of(SpanKind.CLIENT)
    assert is_child(send, id_of(first))


async def test_a_send_is_a_child_of_the_delivery_that_caused_it(recorder: Recorder, data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        await running.say("hi", connection_id="a", traceparent=CALLER)
        await running.say("ho", connection_id="b")
        await running.settled()

    first, second = recorder.of(SpanKind.SERVER)
    assert f"{id_of(first).trace_id:032x}" == CALLER.split("-")[1]
    assert id_of(first).trace_id != id_of(second).trace_id
    sends = recorder.of(SpanKind.CLIENT)
    for delivery in (first, second):
        (send,) = (one for one in sends if is_child(one, id_of(delivery)))
        assert send.name == "send sendToAll"
        assert ours(send).keys() == {"webpubsub.hub", "webpubsub.waited_seconds"}
        assert ours(send)["webpubsub.hub"] == "chat"
        assert send.status.status_code is StatusCode.UNSET
    # Handlers find the request's span as the current one.
    assert [one.span_id for one in TalkHub.current] == [id_of(first).span_id, id_of(second).span_id]


async def test_what_follows_an_acknowledged_event_belongs_to_its_trace(
    recorder: Recorder, data_plane: DataPlane
) -> None:
    async with upstream(data_plane.url) as running:
        assert await running.deliver("sys", "connected", "{}") == 204
        await running.settled()

    (delivery,) = recorder.of(SpanKind.SERVER)
    (send,) = recorder.of(SpanKind.CLIENT)
    assert is_child(send, id_of(delivery))


async def test_a_restart_in_between_does_not_break_the_trace(
    monkeypatch: pytest.MonkeyPatch, recorder: Recorder, unused_address: str, data_plane: DataPlane, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/outbox.db"
    async with upstream(unused_address, store=store) as running:
        assert await running.say("kept") == 204
    (delivery,) = recorder.of(SpanKind.SERVER)

    later = Recorder()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", later.provider)
    async with upstream(data_plane.url, store=store) as running:
        await running.settled()

    assert [request.body for request in data_plane.requests] == [b"kept"]
    (send,) = later.spans
    assert is_child(send, id_of(delivery))


async def test_every_attempt_is_a_span_and_a_failed_one_says_why(recorder: Recorder, data_plane: DataPlane) -> None:
    data_plane.statuses = [503, 404]
    async with upstream(data_plane.url) as running:
        await running.say("hi")
        await running.settled()

    (delivery,) = recorder.of(SpanKind.SERVER)
    sends = recorder.of(SpanKind.CLIENT)
    assert [is_child(send, id_of(delivery)) for send in sends] == [True, True]
    assert [(send.attributes or {})["error.type"] for send in sends] == ["503", "404"]
    assert [send.status.status_code for send in sends] == [StatusCode.ERROR, StatusCode.ERROR]
    assert [send.status.description for send in sends] == ["the service answered 503", "the service answered 404"]


class BrokenSender:
    def __init__(self, error: Exception) -> None:
        self._error = error

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind", "description"),
    [
        (SendFailed("no connection in time"), "no answer", "no connection in time"),
        (ValueError("cannot encode 's3cr3t'"), "ValueError", None),
    ],
)
async def test_what_a_sender_raises_goes_on_and_is_named(error: Exception, kind: str, description: str | None) -> None:
    recorder = Recorder()
    sender = TracedSender(BrokenSender(error), recorder.provider)

    with pytest.raises(type(error)) as caught:
        await sender.send("chat", SendToAll.of("s3cr3t"), waited_seconds=0)

    assert caught.value is error
    (span,) = recorder.spans
    assert (span.attributes or {})["error.type"] == kind
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, description)
    assert span.parent is None  # the action carries no trace, so it begins one
    assert "s3cr3t" not in span.to_json()


async def test_no_body_token_or_query_is_in_a_trace(recorder: Recorder, data_plane: DataPlane) -> None:
    data_plane.statuses = [400]
    state = base64.b64encode(b'{"seat": "s3cr3t-state"}').decode()
    secrets = {"ce_connectionState": state, "Cookie": "session=s3cr3t-cookie", "Authorization": "Bearer s3cr3t-token"}
    path = "/eventhandler/message?code=s3cr3t-query&sig=s3cr3t-sig"
    async with upstream(data_plane.url) as running:
        for text in ("s3cr3t-body", "deny s3cr3t-body", "boom s3cr3t-body", "s3cr3t-body again"):
            await running.deliver("user", "message", text, path=path, **secrets)
        await running.deliver("sys", "connect", '{"query": {"access_token": ["s3cr3t-body"]}}', path=path, **secrets)
        await running.deliver("user", "message", "s3cr3t-body", path=path, ce_signature="sha256=s3cr3t")
        await running.settled()

    assert len(recorder.of(SpanKind.SERVER)) == 6
    assert len(recorder.of(SpanKind.CLIENT)) == 2
    for secret in ("s3cr3t", state, "sha256=", KEY, "Bearer", "url.query", "code="):
        assert secret not in recorder.text


async def test_negotiate_hears_its_query_and_the_trace_does_not(recorder: Recorder) -> None:
    async with client_of(app_for(f"https://{ORIGIN}")) as client:
        answer = (await client.get("/negotiate", params={"id": "s3cr3t-mia"})).json()

    claims = jwt.decode(answer["url"].partition("access_token=")[2], options={"verify_signature": False})
    assert claims["sub"] == "s3cr3t-mia"
    (span,) = recorder.spans
    assert span.name == "GET /negotiate"
    assert "s3cr3t" not in recorder.text


class Layer:
    """A middleware that notes what passes it."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._seen.append(scope["path"])
        await self._app(scope, receive, send)


@pytest.mark.parametrize(("telemetry", "seen_of_hot"), [(False, []), (True, ["/eventhandler", "/negotiate"])])
async def test_only_for_telemetry_hot_paths_go_through_the_framework(
    recorder: Recorder, data_plane: DataPlane, telemetry: bool, seen_of_hot: list[str]
) -> None:
    app = app_for(data_plane.url, telemetry=telemetry)
    seen: list[str] = []
    app.add_middleware(Layer, seen=seen)
    async with app.state.services.open(), client_of(app) as client:
        assert (await client.post("/eventhandler", headers=event("user", "message"), content="hi")).status_code == 204
        assert (await client.get("/negotiate", params={"id": "mia"})).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        await app.state.services.fanout.outbox.drain(10)

    assert seen == [*seen_of_hot, "/healthz"]
    assert len(data_plane.requests) == 1
    assert bool(recorder.of(SpanKind.CLIENT)) is telemetry
    assert [ours(span) != {} for span in recorder.of(SpanKind.SERVER)] == [one == "/eventhandler" for one in seen]


async def test_telemetry_without_anywhere_to_export_to_is_harmless(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        assert await running.say("hi") == 204
        await running.settled()

    assert [request.body for request in data_plane.requests] == [b"hi"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
async def test_with_telemetry_the_contract_is_the_same(recorder: Recorder, case: Case) -> None:
    ours = settings_for(case["config"]).model_copy(update={"telemetry": True})
    app = create_app(ours, publisher_for=lambda hub: RecordingPublisher())
    async with client_of(app) as client:
        for _ in range(case["request"].get("repeat", 1)):
            check(case, await client.send(request_for(case)))
    await app.state.services.followups.drain(5)
    assert recorder.of(SpanKind.SERVER)


@pytest.mark.parametrize(
    "path",
    [
        "/eventhandler", "/eventhandler/", "/eventhandler/message", "/eventhandler/a/b", "/eventhandler//",
        "/negotiate", "/negotiate/", "/negotiate/chat", "/negotiate/a/b", "/eventhandlers", "/Negotiate", "//negotiate",
        "/openapi.json",
    ],
)  # fmt: skip
async def test_with_telemetry_every_path_and_method_is_answered_alike(recorder: Recorder, path: str) -> None:
    fast, traced = (client_of(app_for(f"https://{ORIGIN}", telemetry=on)) for on in (False, True))
    async with fast, traced:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"):
            answers = []
            for client in (fast, traced):
                url = httpx.URL("http://upstream", raw_path=path.encode())  # else httpx would tidy the path
                response = await client.request(method, url, headers={"webhook-request-origin": ORIGIN})
                answers.append((response.status_code, response.headers.multi_items(), response.content))

            assert answers[0] == answers[1], method
