"""One delivery from its headers to its reply, whatever the request or the hub does."""

import asyncio
import contextlib
from typing import Any

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.main import create_app
from app.models.events import ConnectedEvent, ConnectEvent, UserEvent
from app.services import Services
from app.upstream.errors import Overloaded
from app.upstream.hub import Answer, Hub, on_event
from app.upstream.signature import sign
from app.upstream.testing import RecordingPublisher
from app.upstream.webhook import Webhook
from tests.app.conftest import KEY, MakeClient, event, settings

Header = tuple[bytes, bytes]


class Restless(Hub):
    """Does what handlers should not, and remembers what it ran."""

    name = "chat"

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.began = asyncio.Event()
        self.gate = asyncio.Event()

    async def on_connect(self, event: ConnectEvent) -> None:
        raise Overloaded("the outbox is full", retry_after_seconds=7)

    async def on_connected(self, event: ConnectedEvent) -> None:
        self.ran.append(event.connection_id)
        await self.gate.wait()

    @on_event("wait")
    async def wait(self, event: UserEvent) -> str:
        self.ran.append(event.name)
        self.began.set()
        await self.gate.wait()
        return "done"

    @on_event("cancelled")
    async def cancelled(self, event: UserEvent) -> None:
        inner = asyncio.ensure_future(asyncio.Event().wait())
        inner.cancel()
        await inner

    @on_event("large")
    async def large(self, event: UserEvent) -> None:
        event.state["s3cr3t"] = "x" * 9000

    @on_event("busy")
    async def busy(self, event: UserEvent) -> None:
        raise Overloaded("the outbox is full", retry_after_seconds=7)

    @on_event("stubborn")
    async def stubborn(self, event: UserEvent) -> Answer:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return "anyway"


RESTLESS = ("tests.app.upstream.test_webhook:Restless",)


def services_of(client: httpx.AsyncClient) -> Services:
    services: Services = client._transport.app.state.services  # type: ignore[attr-defined]
    return services


def hub_of(client: httpx.AsyncClient) -> Restless:
    hub = services_of(client).hubs.get("chat")
    assert isinstance(hub, Restless)
    return hub


@pytest.fixture
def client(connect_to: MakeClient) -> httpx.AsyncClient:
    return connect_to(hubs=RESTLESS)


async def no_body(_: int) -> bytes:
    return b"x"


def lines(headers: dict[str, str]) -> list[Header]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def test_an_acknowledged_event_is_handled_once_however_often_it_comes(client: httpx.AsyncClient) -> None:
    hub = hub_of(client)
    hub.gate.set()

    for _ in range(3):
        answer = await client.post("/eventhandler", headers=event("sys", "connected", ce_id="1"), content=b"{}")
        assert answer.status_code == 204
    await services_of(client).followups.drain(5)

    assert hub.ran == ["conn-7f3a"]


async def test_an_acknowledgement_does_not_wait_for_the_handler(client: httpx.AsyncClient) -> None:
    answer = await client.post("/eventhandler", headers=event("sys", "connected"), content=b"{}")

    assert answer.status_code == 204
    hub_of(client).gate.set()
    await services_of(client).followups.drain(5)


async def test_with_too_much_waiting_the_service_is_asked_to_come_again(client: httpx.AsyncClient) -> None:
    followups = services_of(client).followups
    followups._limit = 1
    first = await client.post("/eventhandler", headers=event("sys", "connected", ce_id="1"), content=b"{}")
    refused = await client.post("/eventhandler", headers=event("sys", "connected", ce_id="2"), content=b"{}")
    hub_of(client).gate.set()
    await followups.drain(5)

    again = await client.post("/eventhandler", headers=event("sys", "connected", ce_id="2"), content=b"{}")
    await followups.drain(5)

    assert [first.status_code, refused.status_code, again.status_code] == [204, 503, 204]
    assert refused.headers["retry-after"] == "1"
    assert hub_of(client).ran == ["conn-7f3a", "conn-7f3a"]


async def test_a_hub_may_say_it_is_busy(client: httpx.AsyncClient) -> None:
    answer = await client.post("/eventhandler", headers=event("user", "busy"), content=b"x")

    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (503, "7", "busy, try again")


@pytest.mark.parametrize(("version", "code"), [(4, 3), (5, 136)])
async def test_a_device_is_told_in_its_own_terms_that_it_is_busy(
    client: httpx.AsyncClient, version: int, code: int
) -> None:
    headers = event("sys", "connect", connection_id="dev-9", ce_physicalConnectionId="ph-01")
    answer = await client.post("/eventhandler", headers=headers, json={"mqtt": {"protocolVersion": version}})

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json() == {"mqtt": {"code": code, "reason": "busy, try again"}}


async def test_a_handler_that_awaits_what_was_cancelled_has_failed(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await client.post("/eventhandler", headers=event("user", "cancelled"), content=b"x")

    assert (answer.status_code, answer.text) == (500, "the event handler failed")
    assert [line["event"] for line in logs] == ["handler failed", "event"]


async def test_a_cancellation_from_outside_goes_through_and_the_redelivery_runs(client: httpx.AsyncClient) -> None:
    hub, webhook = hub_of(client), services_of(client).webhook
    headers = lines(event("user", "wait", ce_id="4"))
    first = asyncio.create_task(webhook.receive(headers, no_body))
    await hub.began.wait()
    twin = asyncio.create_task(webhook.receive(headers, no_body))

    first.cancel()
    hub.gate.set()
    reply = await twin

    assert first.cancelled()
    assert (reply.status, reply.body, hub.ran) == (200, b"done", ["wait", "wait"])


async def test_an_answer_given_late_is_still_an_answer(connect_to: MakeClient) -> None:
    client = connect_to(hubs=RESTLESS, handler_timeout_seconds=0.02)

    for number in range(2):
        headers = event("user", "stubborn", ce_id=str(number))
        assert (await client.post("/eventhandler", headers=headers, content=b"x")).text == "anyway"


async def test_a_state_that_is_too_large_fails_with_a_reason_and_no_value(client: httpx.AsyncClient) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await client.post("/eventhandler", headers=event("user", "large"), content=b"x")

    assert (answer.status_code, answer.text) == (500, "the event handler failed")
    assert "ce-connectionstate" not in answer.headers
    assert "at most 8192" in logs[0]["reason"]
    assert "xxx" not in str(logs)


async def test_a_caller_that_hangs_up_in_the_middle_of_a_body_gets_nothing_and_runs_nothing(
    client: httpx.AsyncClient,
) -> None:
    messages = iter(
        [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    )  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/eventhandler", "headers": lines(event("user", "wait"))}
    await client._transport.app(scope, receive, send)  # type: ignore[attr-defined]

    assert (sent, hub_of(client).ran) == ([], [])


async def test_an_event_that_is_ignored_is_logged_with_the_status_it_got(connect_to: MakeClient) -> None:
    with structlog.testing.capture_logs() as logs:
        await connect_to(ignore_unknown_events=True).post("/eventhandler", headers=event("sys", "paused"))

    assert [(line["event"], line["status"]) for line in logs] == [("event refused", 204)]


async def test_a_length_of_a_thousand_digits_is_too_large(client: httpx.AsyncClient) -> None:
    headers = event("user", "wait", Content_Length="9" * 5000)

    assert (await client.post("/eventhandler", headers=headers, content=b"x")).status_code == 413


@pytest.mark.parametrize(("version", "code"), [(4, 3), (5, 128)])
async def test_a_hub_that_breaks_tells_an_mqtt_client_in_its_own_terms(
    connect_to: MakeClient, version: int, code: int
) -> None:
    headers = event("sys", "connect", connection_id="dev-9", ce_physicalConnectionId="ph-01")
    body = {"mqtt": {"protocolVersion": version, "username": "boom"}}

    answer = await connect_to().post("/eventhandler", headers=headers, json=body)

    assert (answer.status_code, answer.json()) == (500, {"mqtt": {"code": code}})


def webhook() -> Webhook:
    found: Webhook = create_app(settings(), publisher_for=lambda _: RecordingPublisher()).state.services.webhook
    return found


names = st.sampled_from([name for name, _ in lines(event("user", "echo"))]) | st.sampled_from(
    [
        b"ce-id", b"ce-userid", b"ce-physicalconnectionid", b"ce-connectionstate", b"content-length", b"mqtt-a",
        b"x-webpubsub-metadata-", b"cookie", b"authorization",
    ]
)  # fmt: skip
values = st.binary(max_size=40) | st.sampled_from(
    [b"application/json", b"azure.webpubsub.sys.connect", b"connect", b"azure.webpubsub.gp.left", b"left", b"1", b""]
)
bodies = st.binary(max_size=60) | st.sampled_from(
    [b"{}", b'{"group":"g"}', b'{"mqtt":{"protocolVersion":null}}', b'{"query":{"mode":["deny403"]}}', b'{"claims":[]}']
)


@given(st.lists(st.tuples(names, values), max_size=5), st.booleans(), bodies)
async def test_no_request_makes_the_service_come_again(changes: list[Header], repeat: bool, body: bytes) -> None:
    headers = lines(event("user", "echo"))
    if repeat:
        headers += changes
    else:
        headers = list((dict(headers) | dict(changes)).items())
        headers.append((b"ce-signature", sign(KEY.encode(), dict(headers)[b"ce-connectionid"])))

    async def read(_: int) -> bytes:
        return body

    reply = await webhook().receive(headers, read)

    assert 200 <= reply.status < 500
    assert reply.status != 408
    assert not 300 <= reply.status < 400
