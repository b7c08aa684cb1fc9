"""What the local service gives to tests: forged events, clients that expect."""

import json

import aiohttp
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, GroupPresence, HubSettings
from localpubsub.testing import ForgedEvent, LocalService, forge, quick_config
from tests.localpubsub.conftest import Received, RecordingUpstream

CHANGING = {"ce-time", "x-ms-client-request-id", "ce-id"}


def told(headers: dict[str, str]) -> dict[str, str]:
    """Without what differs from request to request, and what HTTP itself adds."""
    carried = {"Host", "Accept", "Accept-Encoding", "Content-Length", "User-Agent"}
    return {name: value for name, value in headers.items() if name not in CHANGING | carried}


def same(forged: ForgedEvent, received: Received) -> bool:
    return told(forged.headers) == told(dict(received.headers)) and forged.body == received.body


async def test_a_forged_event_is_what_the_service_sends(upstream: RecordingUpstream) -> None:
    handler = EventHandler(upstream.url, ("connect", "connected", "disconnected"), "*", GroupPresence(("joined",)))
    hubs = {"chat": HubSettings(event_handlers=(handler,))}
    async with LocalService(quick_config(hubs=hubs)) as service:
        async with service.client("chat", "ivy") as ivy:
            await ivy.join("g")
            for data in ("d20", {"n": [1]}):
                await ivy.send_event("roll", data)
        (farewell,) = await upstream.wait_for("disconnected")

        by_name = {one.event: one for one in upstream.events}
        first, second = await upstream.wait_for("roll", 2)

        def made(event: str, data: object = None) -> ForgedEvent:
            return service.forge(event, data, connection_id=ivy.id, user_id="ivy")

        assert same(made("connected"), by_name["connected"])
        assert same(made("joined", "g"), by_name["joined"])
        assert same(made("roll", "d20"), first)
        assert told(made("roll", {"n": [1]}).headers) == told(dict(second.headers))
        assert told(made("disconnected").headers) == told(dict(farewell.headers))
        assert told(made("connect").headers) == told(dict(by_name["connect"].headers))
    assert set(json.loads(forge("connect").body)) == set(json.loads(by_name["connect"].body))


def test_a_forged_event_may_be_anything() -> None:
    connect = forge("connect", {"claims": {"sub": ["ivy"]}})
    user = forge("connect", "d20", family="user")

    assert json.loads(connect.body)["claims"] == {"sub": ["ivy"]}
    assert (connect.headers["ce-id"], "ce-subprotocol" in connect.headers) == ("0", False)
    assert (user.headers["ce-type"], user.body) == ("azure.webpubsub.user.connect", b"d20")
    assert forge("x", b"\xff").headers["Content-Type"] == "application/octet-stream"
    assert forge("x", [1]).headers["Content-Type"] == "application/json"
    assert forge("disconnected", "bye").body == b'{"reason": "bye"}'
    assert forge("x", state="eyJ9", hub="Chat").headers["ce-connectionState"] == "eyJ9"
    assert forge("x", hub="Chat").headers["ce-hub"] == "chat"


async def test_frames_are_expected_in_any_order() -> None:
    async with LocalService(quick_config()) as service, service.client() as ivy:
        await ivy.join("g")
        for number in range(3):
            await ivy.send_to_group("g", {"n": number})

        assert (await ivy.expect(data={"n": 2}))["group"] == "g"
        assert (await ivy.expect(data=lambda data: data["n"] < 2))["data"] == {"n": 0}
        assert [frame["data"] for frame in ivy.unexpected] == [{"n": 1}]
        await ivy.leave("g")


async def test_a_failure_lists_what_came_instead() -> None:
    async with LocalService(quick_config()) as service, service.client() as ivy:
        with pytest.raises(AssertionError, match=r"no frame with type='message' came in time.*: nothing$"):
            await ivy.expect(timeout=0.05, type="message")
        await ivy.join("g")
        await ivy.send_to_group("g", "good-bye")

        with pytest.raises(AssertionError, match=r'(?s)instead:\n  \{.*"data": "good-bye"'):
            await ivy.expect(timeout=0.05, type="message", data="hello")

        service.chaos.add("close 4001")
        await ivy.send(type="ping")
        with pytest.raises(AssertionError, match="before the service closed with 4001"):
            await ivy.expect(type="pong")
        assert await ivy.closed() == 4001


async def test_a_command_that_is_refused_fails_the_test() -> None:
    async with LocalService(quick_config()) as service, service.client(roles=()) as ivy:
        with pytest.raises(AssertionError, match=r"was refused: .*Forbidden"):
            await ivy.join("g")

        assert (await ivy.ask(type="joinGroup", group="g"))["error"]["name"] == "Forbidden"


async def test_handlers_are_added_to_a_service_that_runs(upstream: RecordingUpstream) -> None:
    upstream.answer = lambda one: web.Response(text=one.path) if one.event in "ab" else web.Response(status=204)
    async with LocalService(quick_config()) as service:
        service.handle(f"{upstream.url}/all", system_events=())
        service.handle(f"{upstream.url}/one", hub="Chat", system_events=(), user_event_pattern="a")
        service.handle(f"{upstream.url}/rest", hub="chat", system_events=())
        async with service.client("chat") as chat, service.client("other") as other:
            for client in (chat, other):
                await client.send_event("a")
                await client.send_event("b")

            assert [(await chat.expect(type="message"))["data"] for _ in "ab"] == ["/one", "/rest"]
            assert [(await other.expect(type="message"))["data"] for _ in "ab"] == ["/all", "/all"]


async def test_a_client_url_is_for_any_client(session: aiohttp.ClientSession) -> None:
    async with LocalService(quick_config()) as service:
        url = service.client_url("chat", "ivy", groups=("g",))
        async with session.ws_connect(url) as raw:
            async with service.client() as other:
                await other.send_to_group("g", "hello")
            message = await raw.receive(timeout=5)
            users = [one.user_id for one in service.service.hub("chat").group("g")]

    assert message.data == "hello"
    assert users == ["ivy"]
