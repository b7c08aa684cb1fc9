"""Group streams over real sockets (spec/service.md 3.8)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from localpubsub.engine.hub import Hub
from localpubsub.engine.streams import Streams
from localpubsub.protocol.messages import DataType, EndStream, Payload, StartStream, StreamData
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, client_url, json_client
from tests.localpubsub.engine_parts import VirtualTime, connection
from tests.localpubsub.engine_parts import received as drain
from tests.localpubsub.reliable_client import Losses, recovered, reliable_client

SEND = ("webpubsub.sendToGroup.reef",)


@asynccontextmanager
async def publisher_and_member(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> AsyncIterator[tuple[JsonClient, JsonClient]]:
    async with (
        json_client(session, service, user="ivy", roles=SEND) as publisher,
        json_client(session, service, user="max", groups=("reef",)) as member,
    ):
        yield publisher, member


async def start(client: JsonClient, stream_id: str = "s", **more: Any) -> dict[str, Any]:
    stream = {"streamId": stream_id, "idleTimeoutMs": 60000} | more.pop("stream", {})
    return await client.ask(type="sendToGroup", group=more.pop("group", "reef"), stream=stream, **more)


def fragment(sequence_id: int, text: str, stream_id: str = "s") -> dict[str, Any]:
    return {
        "type": "streamData",
        "streamId": stream_id,
        "streamSequenceId": sequence_id,
        "dataType": "text",
        "data": text,
    }


def acked(expected: int) -> dict[str, Any]:
    return {"type": "streamAck", "streamId": "s", "expectedSequenceId": expected}


def received(sequence_id: int, text: str = "", **stream: Any) -> dict[str, Any]:
    return {
        "type": "message", "from": "group", "group": "reef", "fromUserId": "ivy", "dataType": "text", "data": text,
        "stream": {"streamId": "s", "streamSequenceId": sequence_id, **stream},
    }  # fmt: skip


async def test_fragments_reach_the_group_in_order_and_the_end_is_told(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with publisher_and_member(session, service) as (publisher, member):
        assert await start(publisher) == acked(1)
        assert await publisher.ask(**fragment(1, "a")) == acked(2)
        assert await publisher.ask(**fragment(2, "b")) == acked(3)
        assert await publisher.ask(type="streamEnd", streamId="s") == {"type": "streamClosed", "streamId": "s"}

        frames = [await member.receive() for _ in range(3)]

    assert frames == [received(1, "a"), received(2, "b"), received(3, endOfStream=True)]


async def test_what_was_sent_already_is_confirmed_and_a_gap_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with publisher_and_member(session, service) as (publisher, member):
        await start(publisher)
        await publisher.ask(**fragment(1, "a"))
        assert await publisher.ask(**fragment(1, "again")) == acked(2)
        refusal = await publisher.ask(**fragment(3, "too far"))
        assert (refusal["type"], refusal["name"], refusal["expectedSequenceId"]) == (
            "streamNack", "InvalidSequenceId", 2,
        )  # fmt: skip
        await publisher.ask(**fragment(2, "b"))

        assert [(await member.receive())["data"] for _ in range(2)] == ["a", "b"]


async def test_the_publishers_error_reaches_the_group(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with publisher_and_member(session, service) as (publisher, member):
        await start(publisher)
        error = {"message": "the tape broke", "userErrorCode": "E7"}
        assert await publisher.ask(type="streamEnd", streamId="s", error=error) == {
            "type": "streamClosed",
            "streamId": "s",
        }

        told = {"name": "UserError", "message": "the tape broke", "userErrorCode": "E7"}
        assert await member.receive() == received(1, endOfStream=True, error=told)


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"group": "attic"}, "Forbidden"),
        ({"stream_id": ""}, "BadRequest"),
        ({"stream": {"idleTimeoutMs": 0}}, "BadRequest"),
        ({"stream": {"idleTimeoutMs": -1}}, "BadRequest"),
        ({"stream_id": "taken"}, "BadRequest"),
    ],
    ids=str,
)
async def test_a_stream_that_is_refused_is_closed_at_once(
    session: aiohttp.ClientSession, service: LocalPubSub, more: dict[str, Any], name: str
) -> None:
    async with json_client(session, service, roles=SEND) as client:
        assert (await start(client, "taken"))["type"] == "streamAck"
        closed = await start(client, **more)

    assert (closed["type"], closed["error"]["name"]) == ("streamClosed", name)


@pytest.mark.parametrize(
    "frame", [fragment(1, "a"), {"type": "streamData", "streamId": "s"}, {"type": "streamEnd", "streamId": "s"}]
)
async def test_a_stream_nobody_started_is_not_found(
    session: aiohttp.ClientSession, service: LocalPubSub, frame: dict[str, Any]
) -> None:
    async with json_client(session, service, roles=SEND) as client:
        closed = await client.ask(**frame)

    assert (closed["type"], closed["error"]["name"]) == ("streamClosed", "StreamNotFound")


async def test_an_idle_stream_is_closed_on_both_sides(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with publisher_and_member(session, service) as (publisher, member):
        await start(publisher, stream={"idleTimeoutMs": 1})
        closed, told = await publisher.receive(), await member.receive()

        assert (closed["type"], closed["error"]["name"]) == ("streamClosed", "IdleTimeout")
        assert (told["stream"]["endOfStream"], told["stream"]["error"]["name"]) == (True, "IdleTimeout")
        assert (await publisher.ask(**fragment(1, "late")))["error"]["name"] == "StreamNotFound"


async def test_the_group_hears_of_a_publisher_that_is_gone(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with publisher_and_member(session, service) as (publisher, member):
        await start(publisher)
        await publisher.ask(**fragment(1, "a"))
        await publisher.socket.close()

        assert (await member.receive())["data"] == "a"
        told = (await member.receive())["stream"]
        assert (told["streamSequenceId"], told["endOfStream"], told["error"]["name"]) == (2, True, "Cancelled")


async def test_no_echo_holds_for_every_fragment(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service, roles=SEND, groups=("reef",)) as client:
        await start(client, noEcho=True)
        assert await client.ask(**fragment(1, "a")) == acked(2)
        await client.send(type="streamEnd", streamId="s")
        assert (await client.receive())["type"] == "streamClosed"


async def test_a_raw_member_gets_the_fragments_and_no_empty_end(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with (
        json_client(session, service, roles=(*SEND,)) as client,
        session.ws_connect(client_url(service, "open", groups=("reef",))) as raw,
    ):
        await start(client)
        await client.ask(**fragment(1, "a"))
        await client.ask(type="streamEnd", streamId="s")
        await start(client)
        await client.ask(**fragment(1, "b"))

        assert [(await raw.receive(timeout=5)).data for _ in range(2)] == ["a", "b"]


async def test_a_stream_outlives_the_socket_of_a_reliable_publisher(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    losses = Losses(service)
    async with (
        json_client(session, service, user="max", groups=("reef",)) as member,
        reliable_client(session, service, roles=SEND) as publisher,
    ):
        await start(publisher)
        await publisher.ask(**fragment(1, "a"))
        publisher.drop()
        await losses.next()
        async with recovered(session, service, publisher) as again:
            assert await again.ask(**fragment(1, "a")) == acked(2)
            assert await again.ask(**fragment(2, "b")) == acked(3)

            assert [(await member.receive())["data"] for _ in range(2)] == ["a", "b"]


def test_any_frame_of_a_stream_keeps_it_alive() -> None:
    time, hub, publisher = VirtualTime(), Hub("den"), connection("ivy")
    streams = Streams(lambda _: hub, time.later)
    streams.start(publisher, StartStream("reef", "s", 10_000))

    for _ in range(3):
        time.pass_by(9)
        streams.receive(publisher, StreamData("s"))
    for number in (1, 1, 7):
        time.pass_by(9)
        streams.receive(publisher, StreamData("s", (number, Payload(DataType.TEXT, b"x"))))
    assert b"streamClosed" not in b"".join(drain(publisher))
    time.pass_by(10)

    assert b"IdleTimeout" in b"".join(drain(publisher))


def test_without_a_timeout_a_stream_may_be_idle_for_five_minutes() -> None:
    time, hub, publisher = VirtualTime(), Hub("den"), connection("ivy")
    streams = Streams(lambda _: hub, time.later)
    streams.start(publisher, StartStream("reef", "s"))

    time.pass_by(299)
    assert len(drain(publisher)) == 1
    time.pass_by(2)

    assert b"IdleTimeout" in b"".join(drain(publisher))


def test_a_stream_that_was_closed_does_not_time_out() -> None:
    time, hub, publisher = VirtualTime(), Hub("den"), connection("ivy")
    streams = Streams(lambda _: hub, time.later)
    streams.start(publisher, StartStream("reef", "s", 1000))
    streams.end(publisher, EndStream("s"))
    streams.start(publisher, StartStream("reef", "s", 5000))
    drain(publisher)

    time.pass_by(4)

    assert drain(publisher) == []
