"""What an event handler hears, and what the service makes of its answers (spec/service.md 9)."""

import asyncio
import hmac
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, HubSettings
from localpubsub.edge.webhook import resolve
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    PRIMARY,
    SECONDARY,
    Received,
    RecordingUpstream,
    client_url,
    config,
    json_client,
)


async def test_a_user_event_has_every_header(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den", user="žofie") as client:
        await client.ask(type="event", event="roll", dataType="text", data="d20", ackId=1, metadata={"Trace": "t9"})

    event = (await upstream.wait_for("roll"))[0]
    signatures = [hmac.digest(key.encode(), client.id.encode(), "sha256").hex() for key in (PRIMARY, SECONDARY)]
    assert (event.path, event.body) == ("/eventhandler/roll", b"d20")
    assert event.headers["WebHook-Request-Origin"] == f"localhost:{service.port}"
    assert event.headers["ce-specversion"] == event.headers["ce-awpsversion"] == "1.0"
    assert event.headers["ce-type"] == "azure.webpubsub.user.roll"
    assert event.headers["ce-source"] == f"/hubs/den/client/{client.id}"
    assert event.headers["ce-id"] == "2"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event.headers["ce-time"])
    assert event.headers["ce-signature"] == ",".join(f"sha256={one}" for one in signatures)
    assert (event.headers["ce-connectionId"], event.headers["ce-hub"]) == (client.id, "den")
    assert event.headers["ce-eventName"] == "roll"
    assert event.headers["ce-userId"] == "žofie"
    assert event.headers["ce-subprotocol"] == "json.webpubsub.azure.v1"
    assert event.headers["x-webpubsub-metadata-trace"] == "t9"
    assert event.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "ce-connectionState" not in event.headers
    assert "Cookie" not in event.headers


async def test_a_json_event_goes_on_byte_for_byte(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        await client.socket.send_str('{"type":"event","event":"n","data": 1.10e1 ,"ackId":1}')
        await client.receive()

    assert (await upstream.wait_for("n"))[0].body == b"1.10e1"


async def test_state_and_cookies_come_back_with_later_events(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        response = web.Response(status=204)
        if received.event == "connect":
            response.set_cookie("affinity", "n1")
            response.headers["ce-connectionState"] = "eyJuIjoxfQ=="
        if received.event == "clear":
            response.headers["ce-connectionState"] = ""
        if received.event == "fail":
            response = web.Response(status=400, headers={"ce-connectionState": "eyJuIjoyfQ==", "Set-Cookie": "x=y"})
        return response

    upstream.answer = answer
    async with json_client(session, service, "den") as client:
        for number, name in enumerate(("fail", "clear", "after")):
            await client.ask(type="event", event=name, data=1, ackId=number)

    by_name = {one.event: one.headers for one in upstream.events}
    assert by_name["fail"]["ce-connectionState"] == by_name["clear"]["ce-connectionState"] == "eyJuIjoxfQ=="
    assert "ce-connectionState" not in by_name["after"]
    assert by_name["after"]["Cookie"] == "affinity=n1"


@pytest.mark.parametrize(("status", "tries"), [(500, 4), (503, 4), (408, 4), (429, 1), (400, 1), (302, 1)])
async def test_only_what_may_pass_is_tried_again(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, status: int, tries: int
) -> None:
    upstream.answer = lambda one: web.Response(status=status if one.event == "ask" else 204)
    async with json_client(session, service, "den") as client:
        ack = await client.ask(type="event", event="ask", data=1, ackId=1)

    asked = [one for one in upstream.events if one.event == "ask"]
    assert ack["success"] is False
    assert len(asked) == tries
    assert len({(one.headers["ce-id"], one.headers["x-ms-client-request-id"], one.body) for one in asked}) == 1


async def test_a_second_try_may_succeed(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    answers = iter([503, 200])
    upstream.answer = lambda one: web.Response(status=next(answers) if one.event == "ask" else 204)
    async with json_client(session, service, "den") as client:
        assert (await client.ask(type="event", event="ask", data=1, ackId=1))["success"] is True


async def test_an_upstream_that_does_not_answer_is_given_up(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    asked = asyncio.Event()

    async def never(received: Received) -> web.Response:
        if received.event == "ask":
            asked.set()
            await asyncio.Event().wait()
        return web.Response(status=204)

    upstream.answer = never
    async with (
        LocalPubSub(config(upstream, delivery_seconds=0.2)) as service,
        json_client(session, service, "den") as client,
    ):
        assert (await client.ask(type="event", event="ask", data=1, ackId=1))["success"] is False

    assert asked.is_set()


async def test_the_url_is_validated_once_before_the_first_event(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    for _ in range(3):
        async with json_client(session, service, "den"):
            pass

    first, *_ = upstream.requests
    validations = [one for one in upstream.requests if one.method == "OPTIONS"]
    assert first in validations
    assert len(validations) == 1
    assert first.path == "/eventhandler/validate"
    assert first.headers["WebHook-Request-Origin"] == f"localhost:{service.port}"
    assert first.headers["ce-awpsversion"] == "1.0"
    assert not {"ce-signature", "Authorization", "Cookie", "ce-hub", "ce-type"} & set(first.headers)


@pytest.mark.parametrize(
    ("options", "get", "works"),
    [
        ((200, ["*"]), None, True),
        ((204, ["LOCALHOST"]), None, True),
        ((200, ["other.example", "localhost"]), None, True),
        ((200, ["other.example"]), None, False),
        ((200, []), None, False),
        ((404, []), (200, ["*"]), True),
        ((405, []), (200, ["*"]), False),
        ((401, ["*"]), None, False),
    ],
)
async def test_events_go_only_where_validation_allows_it(
    session: aiohttp.ClientSession,
    options: tuple[int, list[str]],
    get: tuple[int, list[str]] | None,
    works: bool,
) -> None:
    posted: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        if request.method == "POST":
            posted.append(request.headers["ce-eventName"])
            return web.Response(status=204)
        status, allowed = options if request.method == "OPTIONS" else get or (500, [])
        response = web.Response(status=status)
        for value in allowed:
            response.headers.add("WebHook-Allowed-Origin", value)
        return response

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    handler = EventHandler(f"http://127.0.0.1:{runner.addresses[0][1]}/x?code=s3cr3t", (), "*")
    async with (
        LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(handler,))})) as service,
        json_client(session, service, "den") as client,
    ):
        ack = await client.ask(type="event", event="ask", data=1, ackId=1)
    await runner.cleanup()

    assert ack["success"] is works
    assert posted == (["ask"] if works else [])


@asynccontextmanager
async def served(handle: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """The URL of a server that answers everything with `handle`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/x"
    await runner.cleanup()


async def test_an_upstream_that_comes_up_later_is_found(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, unused_tcp_port: int
) -> None:
    handler = EventHandler(f"http://127.0.0.1:{unused_tcp_port}/eventhandler", (), "*")
    async with (
        LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(handler,))})) as service,
        json_client(session, service, "den") as client,
    ):
        before = await client.ask(type="event", event="ask", data=1, ackId=1)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", upstream.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
        async with asyncio.timeout(10):
            while not (after := await client.ask(type="event", event="ask", data=1, ackId=2))["success"]:
                pass
        await runner.cleanup()

    assert before["success"] is False
    assert after["success"] is True


def test_templates_are_filled_in_and_escaped() -> None:
    assert resolve("http://h/api/{HUB}/{Event}?code=x", "den", "a b/c") == "http://h/api/den/a%20b%2Fc?code=x"


async def test_each_event_goes_to_the_first_handler_that_takes_it(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    handlers = (
        EventHandler(f"{upstream.url}/first", ("connect",), "a"),
        EventHandler(f"{upstream.url}/second/{{hub}}/{{event}}", ("connect", "connected"), "*"),
    )
    upstream.answer = lambda one: web.Response(status=500 if one.event == "a" else 204)
    async with (
        LocalPubSub(config(hubs={"Den": HubSettings(event_handlers=handlers)})) as service,
        json_client(session, service, "den") as client,
    ):
        for number, name in enumerate("ab"):
            await client.ask(type="event", event=name, data=1, ackId=number)
        await upstream.wait_for("connected")

    assert {one.event: one.path for one in upstream.events} == {
        "connect": "/first",
        "connected": "/second/den/connected",
        "a": "/first",
        "b": "/second/den/b",
    }


async def test_a_handler_gets_the_token_it_requires_and_the_validation_does_not(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "localpubsub")
    upstream.answer = lambda _: web.Response(status=400)
    handler = EventHandler(f"{upstream.url}/x", (), "*", bearer_token="s3cr3t")
    async with (
        LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(handler,))})) as service,
        json_client(session, service, "den") as client,
    ):
        await client.ask(type="event", event="roll", data=1, ackId=1)

    validation, event = upstream.requests
    assert "Authorization" not in validation.headers
    assert event.headers["Authorization"] == "Bearer s3cr3t"
    assert "answered 400" in caplog.text
    assert "s3cr3t" not in caplog.text


async def test_connect_is_given_up_sooner(session: aiohttp.ClientSession, upstream: RecordingUpstream) -> None:
    async def never(received: Received) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    upstream.answer = never
    async with LocalPubSub(config(upstream, connect_seconds=0.1)) as service:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await asyncio.wait_for(session.ws_connect(client_url(service, "den")), 30)

    assert refused.value.status == 500


@pytest.mark.parametrize("status", [408, 500, 503])
async def test_a_connect_for_which_there_is_no_time_to_try_again_has_the_last_answer(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, status: int
) -> None:
    upstream.answer = lambda _: web.Response(status=status)
    async with LocalPubSub(config(upstream, connect_seconds=60, retry_delays=(0.01, 60))) as service:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await asyncio.wait_for(session.ws_connect(client_url(service, "den")), 30)

    assert refused.value.status == status
    assert len(upstream.events) == 2


async def test_a_user_event_comes_after_connected(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    answers = iter([503, 503])
    upstream.answer = lambda one: web.Response(status=next(answers, 204) if one.event == "connected" else 204)
    async with json_client(session, service, "den") as client:
        await client.ask(type="event", event="roll", data=1, ackId=1)

    assert [one.event for one in upstream.events[:5]] == ["connect", "connected", "connected", "connected", "roll"]


async def test_a_validation_that_takes_too_long_is_not_tried_again(
    session: aiohttp.ClientSession, upstream: RecordingUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        await asyncio.Event().wait()
        raise AssertionError

    async with (
        served(handle) as url,
        LocalPubSub(
            config(hubs={"den": HubSettings(event_handlers=(EventHandler(url, (), "*"),))}, validation_seconds=0.1)
        ) as service,
        json_client(session, service, "den") as client,
    ):
        ack = await client.ask(type="event", event="roll", data=1, ackId=1)

    assert not ack["success"]
    assert asked == ["OPTIONS"]
    assert "no answer in time" in caplog.text


async def test_a_validation_that_fails_is_tried_again(session: aiohttp.ClientSession) -> None:
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        status = 503 if len(asked) < 3 else 200
        return web.Response(status=status, headers={"WebHook-Allowed-Origin": "*"})

    async with (
        served(handle) as url,
        LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(EventHandler(url, (), "*"),))})) as service,
        json_client(session, service, "den") as client,
    ):
        ack = await client.ask(type="event", event="roll", data=1, ackId=1)

    assert ack["success"]
    assert asked == ["OPTIONS", "OPTIONS", "OPTIONS", "POST"]


async def test_no_tunnel_is_like_an_upstream_that_cannot_be_reached(session: aiohttp.ClientSession) -> None:
    handler = EventHandler("tunnel:///hooks/{event}", ("connect",))
    async with LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(handler,))})) as service:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(client_url(service, "den"))

    assert refused.value.status == 500


async def test_handlers_change_while_the_service_runs(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        await client.ask(type="event", event="roll", data=1, ackId=1)
        other = EventHandler(f"{upstream.url}/elsewhere", (), "*")
        service.apply(config(hubs={"den": HubSettings(event_handlers=(other,))}))
        await client.ask(type="event", event="roll", data=1, ackId=2)

    assert [one.path for one in upstream.events if one.event == "roll"] == ["/eventhandler/roll", "/elsewhere"]
    assert not [one for one in upstream.events if one.event == "disconnected"]
