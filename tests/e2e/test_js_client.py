"""The official client SDK for JavaScript, unmodified (spec/service.md 3, 4, 13).

It speaks the two JSON subprotocols. Its protobuf companion, `@azure/web-pubsub-client-protobuf`, is not on the npm
registry, and the client has no way to send or to read a message's metadata.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.e2e.cable import Cable, cable_to
from tests.e2e.node_programs import Program, running
from tests.localpubsub.conftest import Received, RecordingUpstream, client_token
from tests.localpubsub.reliable_client import Losses, send_to_connection, status_of

ROLES = tuple(f"webpubsub.{verb}.reef" for verb in ("joinLeaveGroup", "sendToGroup"))
PROTOCOLS = pytest.mark.parametrize("protocol", ["json", "json.reliable"])
PATIENT = {"messageRetryOptions": {"maxRetries": 1000, "retryDelayInMs": 20}}


class JsClient:
    """Verbs are asked one after the other; what the listeners were told meanwhile is kept, in order."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._told: deque[dict[str, Any]] = deque()

    async def ask(self, verb: str, *args: Any) -> None:
        """Without waiting for it to be done."""
        await self.program.say({"verb": verb, "args": args})

    async def done(self) -> dict[str, Any]:
        while "done" not in (message := await self.program.hear()):
            self._told.append(message)
        return message

    async def __call__(self, verb: str, *args: Any) -> Any:
        """The value of the verb. Fails the test where the SDK throws."""
        await self.ask(verb, *args)
        answer = await self.done()
        assert "failed" not in answer, answer
        return answer["value"]

    async def refused(self, verb: str, *args: Any) -> tuple[str, str]:
        """The class of the error, and the name the service gave it."""
        await self.ask(verb, *args)
        answer = await self.done()
        return answer["failed"], answer["detail"]["name"]

    async def told(self, event: str) -> dict[str, Any]:
        """The next of what the listeners were told, which is this event."""
        message = self._told.popleft() if self._told else await self.program.hear()
        assert message.get("event") == event, message
        return message

    async def texts(self, count: int) -> list[Any]:
        return [(await self.told("group-message"))["data"] for _ in range(count)]


@pytest.fixture
async def cable(service: LocalPubSub) -> AsyncIterator[Cable]:
    async with cable_to(service.port) as one:
        yield one


@asynccontextmanager
async def js_client(
    service: LocalPubSub, cable: Cable, protocol: str, user: str = "mia", **options: Any
) -> AsyncIterator[JsClient]:
    """It has not started yet."""
    audience = f"http://localhost:{cable.port}/client/hubs/den"
    token = client_token(service, "den", user=user, roles=ROLES, aud=audience)
    url = f"ws://localhost:{cable.port}/client/hubs/den?access_token={token}"
    async with running("client_sdk.cjs", url, protocol, json.dumps(options)) as program:
        yield JsClient(program)


Start = Callable[..., AbstractAsyncContextManager[JsClient]]


@pytest.fixture
def start(service: LocalPubSub, cable: Cable) -> Start:
    return partial(js_client, service, cable)


async def opened(client: JsClient) -> str:
    await client("start")
    return str((await client.told("connected"))["connectionId"])


def answer(received: Received) -> web.Response:
    match received.event:
        case "ask":
            return web.Response(body=received.body.upper(), content_type=received.headers["Content-Type"].split(";")[0])
        case "fail":
            return web.Response(status=400)
        case "connect":
            return web.Response(status=204, headers={"ce-connectionState": "eyJuIjoxfQ=="})
    return web.Response(status=204)


@PROTOCOLS
async def test_it_learns_who_it_is_and_goes(
    service: LocalPubSub, upstream: RecordingUpstream, start: Start, protocol: str
) -> None:
    """Its close has no code, as when it has waited too long for a message and means to recover: the window is kept."""
    service.service.sessions.recovery_seconds = 0.0
    async with start(protocol) as client:
        await client("start")
        connected = await client.told("connected")
        assert connected["userId"] == "mia"
        await client("stop")
        disconnected = await client.told("disconnected")
        await client.told("stopped")

    assert disconnected["connectionId"] == connected["connectionId"]
    (event,) = await upstream.wait_for("disconnected")
    assert event.headers["ce-subprotocol"] == f"{protocol}.webpubsub.azure.v1"


@PROTOCOLS
async def test_it_joins_sends_receives_and_leaves(start: Start, protocol: str) -> None:
    async with start(protocol) as client, start(protocol, user="max") as other:
        for one in (client, other):
            await opened(one)
            await one("joinGroup", "reef")
        await client("sendToGroup", "reef", "hi", "text", {"noEcho": True})
        await client("sendToGroup", "reef", {"n": 1.5, "é": [None]}, "json")
        await client("sendToGroup", "reef", {"binary": [0, 255]}, "binary", {"fireAndForget": True})
        heard = [await other.told("group-message") for _ in range(3)]
        assert [(one["dataType"], one["data"]) for one in heard] == [
            ("text", "hi"), ("json", {"n": 1.5, "é": [None]}), ("binary", {"binary": [0, 255]}),
        ]  # fmt: skip
        assert {(one["group"], one["fromUserId"]) for one in heard} == {("reef", "mia")}
        assert await client.texts(2) == [{"n": 1.5, "é": [None]}, {"binary": [0, 255]}]

        await other("leaveGroup", "reef")
        await client("sendToGroup", "reef", "gone", "text")
        await other("joinGroup", "reef")
        await client("sendToGroup", "reef", "back", "text")
        assert await other.texts(1) == ["back"]


@PROTOCOLS
async def test_an_event_is_answered_by_the_upstream(upstream: RecordingUpstream, start: Start, protocol: str) -> None:
    upstream.answer = answer
    async with start(protocol) as client:
        await opened(client)
        await client("sendEvent", "ask", "hello", "text")
        await client("sendEvent", "ask", {"binary": [0x61, 0x00]}, "binary")
        await client("sendEvent", "ask", {"a": "b"}, "json")
        replies = [await client.told("server-message") for _ in range(3)]

    assert [(one["dataType"], one["data"]) for one in replies] == [
        ("text", "HELLO"), ("binary", {"binary": [0x41, 0x00]}), ("json", {"A": "B"}),
    ]  # fmt: skip
    asked = await upstream.wait_for("ask", 3)
    assert [one.headers["ce-connectionState"] for one in asked] == ["eyJuIjoxfQ=="] * 3


@PROTOCOLS
async def test_what_is_not_allowed_or_fails_is_an_error(
    upstream: RecordingUpstream, start: Start, protocol: str
) -> None:
    upstream.answer = answer
    async with start(protocol) as client:
        await opened(client)
        forbidden, failed = ("SendMessageError", "Forbidden"), ("SendMessageError", "InternalServerError")
        assert await client.refused("joinGroup", "attic") == forbidden
        assert await client.refused("leaveGroup", "attic") == forbidden
        assert await client.refused("sendToGroup", "attic", "x", "text") == forbidden
        assert await client.refused("sendEvent", "fail", "x", "text") == failed
        assert await client.refused("invokeEvent", "fail", "x", "text") == ("InvocationError", "InternalServerError")


@PROTOCOLS
async def test_a_repeated_ack_id_is_done_once(start: Start, protocol: str) -> None:
    async with start(protocol) as client:
        await opened(client)
        await client("joinGroup", "reef")
        sent = [await client("sendToGroup", "reef", text, "text", {"ackId": 77}) for text in ("one", "two")]
        await client("sendToGroup", "reef", "three", "text")

        assert sent == [{"ackId": 77, "isDuplicated": False}, {"ackId": 77, "isDuplicated": True}]
        assert await client.texts(2) == ["one", "three"]


@PROTOCOLS
async def test_an_invocation_returns_the_answer(upstream: RecordingUpstream, start: Start, protocol: str) -> None:
    upstream.answer = answer
    async with start(protocol) as client:
        await opened(client)
        text = await client("invokeEvent", "ask", "hello", "text", {"invocationId": "i1"})
        binary = await client("invokeEvent", "ask", {"binary": [0x62]}, "binary", {"invocationId": "i2"})

    assert text == {"invocationId": "i1", "dataType": "text", "data": "HELLO"}
    assert binary == {"invocationId": "i2", "dataType": "binary", "data": {"binary": [0x42]}}


@PROTOCOLS
async def test_group_streams_arrive_whole(start: Start, protocol: str) -> None:
    async with start(protocol) as client, start(protocol, user="max") as other:
        await opened(client)
        await opened(other)
        await other("joinGroup", "reef")
        await other("listen")
        for name in ("s1", "s2"):
            await client("open", "reef", {"streamId": name, "noEcho": True})
            await client("write", name, "one", "text")
            await client("write", name, {"n": 2}, "json")
        await client("end", "s1")
        await client("abort", "s2", {"message": "enough"})
        told = [message for message in await until_told(other, "stream", 2) if message["event"] == "stream"]

    parts = ["one", {"n": 2}]
    assert told == [
        {"event": "stream", "group": "reef", "id": "s1", "parts": parts},
        {"event": "stream", "group": "reef", "id": "s2", "parts": parts, "failed": "UserError"},
    ]


async def until_told(client: JsClient, event: str, count: int = 1) -> list[dict[str, Any]]:
    """Everything up to and including that event."""
    messages: list[dict[str, Any]] = []
    while sum(message.get("event") == event for message in messages) < count:
        messages.append(await client.program.hear())
    return messages


async def test_a_dropped_socket_loses_and_repeats_nothing(
    session: aiohttp.ClientSession, service: LocalPubSub, cable: Cable, upstream: RecordingUpstream, start: Start
) -> None:
    """The first pull of the cable comes before anything is confirmed, and with messages on their way."""
    losses = Losses(service)
    async with start("json.reliable") as client:
        connection_id = await opened(client)
        await client("joinGroup", "reef")
        for turn in range(3):
            for number in range(10):
                await send_to_connection(session, service, connection_id, f"{turn}.{number}", "den")
            cable.pull()
            assert await losses.next() == connection_id
            for number in range(10, 20):
                await send_to_connection(session, service, connection_id, f"{turn}.{number}", "den")
            assert await status_of(session, service, "/api/hubs/den/groups/reef") == 200
            cable.plug()
            heard = [await client.told("server-message") for _ in range(20)]
            assert [one["data"] for one in heard] == [f"{turn}.{number}" for number in range(20)]
            assert [one["sequenceId"] for one in heard] == list(range(turn * 20 + 1, turn * 20 + 21))
        service.service.sessions.recovery_seconds = 0.0
        await client("stop")
        assert (await client.told("disconnected"))["connectionId"] == connection_id
        await upstream.wait_for("disconnected")

    assert [one.event for one in upstream.events] == ["connect", "connected", "disconnected"]


async def test_an_event_whose_ack_was_lost_is_not_run_twice(
    service: LocalPubSub, cable: Cable, upstream: RecordingUpstream, start: Start
) -> None:
    """The cable is pulled while the upstream thinks; the client asks again with the same ackId."""
    gone = asyncio.Event()

    async def slow(received: Received) -> web.Response:
        await gone.wait()
        return web.Response(text="once")

    losses = Losses(service)
    async with start("json.reliable", **PATIENT) as client:
        connection_id = await opened(client)
        upstream.answer = slow
        await client.ask("sendEvent", "ask", "x", "text", {"ackId": 5})
        await upstream.wait_for("ask")
        cable.pull()
        assert await losses.next() == connection_id
        gone.set()
        cable.plug()

        assert (await client.done())["value"] == {"ackId": 5, "isDuplicated": True}
        assert (await client.told("server-message"))["data"] == "once"
        await client("stop")
        await client.told("disconnected")
    assert [one.event for one in upstream.events].count("ask") == 1


async def test_a_stream_goes_on_after_a_dropped_socket(service: LocalPubSub, cable: Cable, start: Start) -> None:
    losses = Losses(service)
    async with start("json.reliable") as client:
        await opened(client)
        await client("joinGroup", "reef")
        await client("listen")
        await client("open", "reef", {"streamId": "s1"})
        await client("write", "s1", "one", "text")
        cable.pull()
        await losses.next()
        await client.ask("write", "s1", "two", "text")
        cable.plug()
        messages: list[dict[str, Any]] = []
        while not any(message.get("done") == "write" for message in messages):
            messages.append(await client.program.hear())
        await client.ask("end", "s1")
        messages += await until_told(client, "stream")

    (stream,) = (message for message in messages if message.get("event") == "stream")
    assert stream == {"event": "stream", "group": "reef", "id": "s1", "parts": ["one", "two"]}


async def test_a_connection_that_was_ended_meanwhile_starts_anew_in_its_groups(
    session: aiohttp.ClientSession, service: LocalPubSub, cable: Cable, upstream: RecordingUpstream, start: Start
) -> None:
    losses = Losses(service)
    async with start("json.reliable") as client:
        first = await opened(client)
        await client("joinGroup", "reef")
        cable.pull()
        await losses.next()
        assert await status_of(session, service, f"/api/hubs/den/connections/{first}", "DELETE") == 204
        assert await status_of(session, service, "/api/hubs/den/groups/reef") == 404
        cable.plug()

        assert (await client.told("disconnected"))["connectionId"] == first
        second = (await client.told("connected"))["connectionId"]
        assert second != first
        await client("sendToGroup", "reef", "again", "text")
        assert await client.texts(1) == ["again"]
        assert len(await upstream.wait_for("connect", 2)) == 2


async def test_without_recovery_a_new_connection_takes_its_groups_back(
    cable: Cable, upstream: RecordingUpstream, start: Start
) -> None:
    async with start("json") as client:
        first = await opened(client)
        await client("joinGroup", "reef")
        cable.pull()
        await upstream.wait_for("disconnected")
        cable.plug()

        assert (await client.told("disconnected"))["connectionId"] == first
        assert (await client.told("connected"))["connectionId"] != first
        await client("sendToGroup", "reef", "again", "text")
        assert await client.texts(1) == ["again"]


async def test_a_group_it_may_no_longer_join_is_reported(
    cable: Cable, upstream: RecordingUpstream, start: Start
) -> None:
    async with start("json") as client:
        await opened(client)
        await client("joinGroup", "reef")
        upstream.answer = lambda received: (
            web.json_response({"roles": []}) if received.event == "connect" else web.Response(status=204)
        )
        cable.pull()
        await upstream.wait_for("disconnected")
        cable.plug()

        await client.told("disconnected")
        refused = await client.told("rejoin-group-failed")
        assert (refused["group"], refused["name"]) == ("reef", "Forbidden")


@PROTOCOLS
async def test_closed_by_rest_it_is_told_why_and_comes_back_as_another(
    session: aiohttp.ClientSession, service: LocalPubSub, start: Start, protocol: str
) -> None:
    async with start(protocol) as client:
        first = await opened(client)
        path = f"/api/hubs/den/connections/{first}?reason=tidy"
        assert await status_of(session, service, path, "DELETE") == 204

        disconnected = await client.told("disconnected")
        assert (disconnected["connectionId"], disconnected["message"]["message"]) == (first, "tidy")
        assert (await client.told("connected"))["connectionId"] != first
