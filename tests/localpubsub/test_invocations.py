"""Events asked and answered by id (spec/service.md 3.7)."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.engine.invocations import RUNNING_LIMIT
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, Received, RecordingUpstream, client_url, config, json_client
from tests.localpubsub.protobuf_schema import DownstreamMessage, UpstreamMessage
from tests.localpubsub.reliable_client import Losses, recovered, reliable_client


async def invoke(client: JsonClient, invocation_id: str, event: str = "ask", data: str = "hi") -> None:
    await client.send(
        type="invoke", invocationId=invocation_id, target="event", event=event, dataType="text", data=data
    )


def echo(received: Received) -> web.Response:
    if received.event == "ask":
        return web.Response(body=received.body.upper(), content_type="text/plain")
    return web.Response(status=400 if received.event == "fail" else 204)


async def test_the_answer_carries_the_id(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = echo
    async with json_client(session, service, "den") as client:
        await invoke(client, "1")
        assert await client.receive() == {
            "type": "invokeResponse", "invocationId": "1", "success": True, "dataType": "text", "data": "HI",
        }  # fmt: skip
        await invoke(client, "2", event="quiet")
        assert await client.receive() == {"type": "invokeResponse", "invocationId": "2", "success": True}
    event = (await upstream.wait_for("ask"))[0]

    assert (event.body, event.headers["ce-type"]) == (b"hi", "azure.webpubsub.user.ask")


async def test_an_event_may_be_asked_without_data(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        answer = await client.ask(type="invoke", invocationId="1", target="event", event="ask")
    event = (await upstream.wait_for("ask"))[0]

    assert answer == {"type": "invokeResponse", "invocationId": "1", "success": True}
    assert (event.body, event.headers["Content-Type"]) == (b"", "text/plain; charset=utf-8")


async def test_a_failure_is_an_answer_too(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = echo
    async with json_client(session, service, "den") as client:
        await invoke(client, "1", event="fail")
        assert await client.receive() == {
            "type": "invokeResponse", "invocationId": "1", "success": False,
            "error": {"name": "InternalServerError", "message": "Internal server error"},
        }  # fmt: skip
    async with json_client(session, service, "open") as client:
        await invoke(client, "1")
        assert (await client.receive())["error"]["name"] == "NotFound"


@pytest.fixture
def held(upstream: RecordingUpstream) -> asyncio.Event:
    """Answers to `ask` wait for it."""
    release = asyncio.Event()

    async def answer(received: Received) -> web.Response:
        if received.event == "ask":
            await release.wait()
        return web.Response(text=received.body.decode()) if received.event == "ask" else web.Response(status=204)

    upstream.answer = answer
    return release


async def test_other_frames_do_not_wait_and_a_running_id_cannot_be_used_again(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    async with json_client(session, service, "den") as client:
        await invoke(client, "1", data="first")
        await upstream.wait_for("ask")
        assert await client.ask(type="ping") == {"type": "pong"}
        await invoke(client, "1", data="second")
        assert (await client.receive())["error"]["name"] == "BadRequest"
        held.set()
        assert (await client.receive())["data"] == "first"
        await invoke(client, "1", data="third")
        assert (await client.receive())["data"] == "third"


async def test_they_run_one_after_the_other(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    async with json_client(session, service, "den") as client:
        for number in range(3):
            await invoke(client, str(number), data=str(number))
        await upstream.wait_for("ask")
        assert await client.ask(type="ping") == {"type": "pong"}
        assert len([one for one in upstream.events if one.event == "ask"]) == 1
        held.set()

        assert [(await client.receive())["data"] for _ in range(3)] == ["0", "1", "2"]


async def test_no_more_than_a_hundred_wait(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    async with json_client(session, service, "den") as client:
        for number in range(RUNNING_LIMIT):
            await invoke(client, str(number))
        await invoke(client, "one more")
        refused = await client.receive()
        await client.send(type="cancelInvocation", invocationId="0")
        await invoke(client, "instead")
        held.set()
        answered = [(await client.receive())["invocationId"] for _ in range(RUNNING_LIMIT)]

    assert (refused["invocationId"], refused["error"]["name"]) == ("one more", "BadRequest")
    assert answered == [*map(str, range(1, RUNNING_LIMIT)), "instead"]


async def test_a_cancelled_one_is_not_answered(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    async with json_client(session, service, "den") as client:
        await invoke(client, "1", data="unwanted")
        await upstream.wait_for("ask")
        await client.send(type="cancelInvocation", invocationId="1")
        await client.send(type="cancelInvocation", invocationId="never heard of")
        await invoke(client, "1", data="wanted")
        await upstream.wait_for("ask", 2)
        held.set()

        assert (await client.receive())["data"] == "wanted"


async def test_who_waits_behind_a_cancelled_one_waits_for_those_before_it(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    async with json_client(session, service, "den") as client:
        for number in range(3):
            await invoke(client, str(number), data=str(number))
        await upstream.wait_for("ask")
        await client.send(type="cancelInvocation", invocationId="1")
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}
        async with json_client(session, service, "den"):
            pass  # it was at the upstream, so what was asked before is there too
        assert len([one for one in upstream.events if one.event == "ask"]) == 1
        held.set()
        answered = [(await client.receive())["data"] for _ in range(2)]

    assert answered == ["0", "2"]


async def test_one_whose_socket_is_lost_is_given_up(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, held: asyncio.Event
) -> None:
    losses = Losses(service)
    async with reliable_client(session, service, "den") as client:
        await invoke(client, "1", data="lost")
        await upstream.wait_for("ask")
        client.drop()
        await losses.next()
        async with recovered(session, service, client, "den") as again:
            await invoke(again, "1", data="new")
            await upstream.wait_for("ask", 2)
            held.set()
            answer: dict[str, Any] = await again.receive()

    assert (answer["data"], "sequenceId" in answer) == ("new", False)


async def test_an_answer_to_the_server_is_ignored(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as client:
        await client.send(type="invokeResponse", invocationId="7", success=True)
        assert await client.ask(type="ping") == {"type": "pong"}


async def test_the_protobuf_form(session: aiohttp.ClientSession, upstream: RecordingUpstream) -> None:
    upstream.answer = echo
    request = UpstreamMessage()
    request.invoke_event_message.event = "ask"
    request.invoke_event_message.invocation_id = "1"
    request.invoke_event_message.data.text_data = "hi"
    async with (
        LocalPubSub(config(upstream)) as service,
        session.ws_connect(client_url(service), protocols=["protobuf.webpubsub.azure.v1"]) as socket,
    ):
        await socket.receive_bytes(timeout=5)
        await socket.send_bytes(request.SerializeToString())
        answer = DownstreamMessage.FromString(await socket.receive_bytes(timeout=5)).invoke_response_message

    assert (answer.invocation_id, answer.success, answer.data.text_data) == ("1", True, "HI")
