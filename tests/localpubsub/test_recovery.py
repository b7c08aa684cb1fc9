"""Reliable connections outlive their sockets (spec/service.md 4)."""

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    JSON,
    Received,
    RecordingUpstream,
    client_token,
    client_url,
    config,
    json_client,
    rest_headers,
)
from tests.localpubsub.protobuf_schema import DownstreamMessage, UpstreamMessage
from tests.localpubsub.reliable_client import (
    PROTOBUF_RELIABLE,
    RELIABLE,
    Losses,
    recovered,
    recovery_url,
    reliable_client,
    send_to_connection,
    server_text,
    status_of,
)

EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")


async def test_the_worked_example(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    losses = Losses(service)
    async with reliable_client(session, service, groups=("reef.1",)) as client:
        assert client.connected["reconnectionToken"]
        await send_to_connection(session, service, client.id, "a")
        assert await client.receive() == server_text(1, "a")
        await client.send(type="sequenceAck", sequenceId=1)
        async with json_client(session, service, user="max", roles=EVERYTHING) as max_:
            await max_.ask(type="sendToGroup", group="reef.1", dataType="text", data="b", ackId=1)
        assert await client.receive() == {
            "sequenceId": 2, "type": "message", "from": "group", "group": "reef.1", "fromUserId": "max",
            "dataType": "text", "data": "b",
        }  # fmt: skip
        client.drop()
        await losses.next()
        await send_to_connection(session, service, client.id, "c")

        async with recovered(session, service, client) as again:
            assert (again.id, again.connected["userId"]) == (client.id, "ivy")
            assert again.token
            first, second = await again.receive(), await again.receive()
            assert (first["sequenceId"], first["data"]) == (2, "b")
            assert second == server_text(3, "c")
            await again.send(type="sequenceAck", sequenceId=3)
            assert await again.ask(type="ping") == {"type": "pong"}
            again.drop()
            await losses.next()
        async with recovered(session, service, client) as third:  # an older token is as good
            assert await third.ask(type="ping") == {"type": "pong"}  # and there is nothing to send again


async def test_the_protobuf_form_does_the_same(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    url = client_url(service, "open", roles=EVERYTHING, groups=("g",))
    async with session.ws_connect(url, protocols=[PROTOBUF_RELIABLE]) as socket:
        connected = DownstreamMessage.FromString(await socket.receive_bytes(timeout=5)).system_message.connected_message
        for text in ("a", "b"):
            upstream = UpstreamMessage()
            upstream.send_to_group_message.group = "g"
            upstream.send_to_group_message.data.text_data = text
            await socket.send_bytes(upstream.SerializeToString())
        frames = [await socket.receive_bytes(timeout=5) for _ in range(2)]
        ack = UpstreamMessage()
        ack.sequence_ack_message.sequence_id = 1
        await socket.send_bytes(ack.SerializeToString())
        await socket.send_bytes(bytes.fromhex("4a00"))
        pong = DownstreamMessage.FromString(await socket.receive_bytes(timeout=5))

        again_url = recovery_url(service, "open", connected.connection_id, connected.reconnection_token)
        async with session.ws_connect(again_url, protocols=[PROTOBUF_RELIABLE]) as again:
            greeting = DownstreamMessage.FromString(await again.receive_bytes(timeout=5)).system_message
            replayed = await again.receive_bytes(timeout=5)

    assert pong.WhichOneof("member") == "pong_message"
    assert [DownstreamMessage.FromString(frame).data_message.sequence_id for frame in frames] == [1, 2]
    assert greeting.connected_message.connection_id == connected.connection_id
    assert replayed == frames[1]


async def test_everything_a_connection_has_survives_and_no_upstream_hears_of_it(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    losses = Losses(service)
    upstream.answer = lambda one: web.Response(status=204, headers={"ce-connectionState": "eyJuIjoxfQ=="})
    async with reliable_client(session, service, "den") as client:
        path = f"/api/hubs/den/permissions/joinLeaveGroup/connections/{client.id}?targetName=g"
        assert await status_of(session, service, path, "PUT") == 200
        await client.ask(type="joinGroup", group="g", ackId=1)
        client.drop()
        await losses.next()

        async with recovered(session, service, client, "den") as again:
            ack = await again.ask(type="joinGroup", group="g", ackId=1)
            assert ack["error"]["name"] == "Duplicate"
            assert (await again.ask(type="leaveGroup", group="g", ackId=2))["success"]
            assert (await again.ask(type="event", event="e", data=1, ackId=3))["success"]
            await again.socket.close(code=1000)
    await upstream.wait_for("disconnected")

    assert [one.event for one in upstream.events] == ["connect", "connected", "e", "disconnected"]
    assert upstream.events[2].headers["ce-connectionState"] == "eyJuIjoxfQ=="
    assert [one.headers["ce-id"] for one in upstream.events] == ["0", "1", "2", "3"]


async def test_while_it_is_away_it_is_there_for_everybody_else(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    losses = Losses(service)
    async with reliable_client(session, service, groups=("g",)) as client:
        client.drop()
        await losses.next()
        paths = (f"/api/hubs/open/connections/{client.id}", "/api/hubs/open/groups/g", "/api/hubs/open/users/ivy")
        assert [await status_of(session, service, path) for path in paths] == [200, 200, 200]
        path = "/api/hubs/open/groups/g/connections"
        async with session.get(service.endpoint + path, headers=rest_headers(service, path)) as response:
            assert [one["connectionId"] for one in (await response.json())["value"]] == [client.id]
        path = f"/api/hubs/open/groups/other/connections/{client.id}"
        assert await status_of(session, service, path, "PUT") == 200
        async with json_client(session, service, user="max", roles=EVERYTHING) as max_:
            await max_.ask(type="sendToGroup", group="other", dataType="text", data="late", ackId=1)

        async with recovered(session, service, client) as again:
            frame = await again.receive()

    assert (frame["group"], frame["data"], frame["sequenceId"]) == ("other", "late", 1)


async def test_the_access_token_of_a_recovery_does_not_matter(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    """Client libraries keep the whole query of the first connection."""
    expired = client_token(service, "open", exp=int(time.time()) - 4000)
    async with reliable_client(session, service) as client:
        url = recovery_url(service, "open", client.id, client.token, access_token=expired, webpubsub_mode="nonsense")
        async with session.ws_connect(url, protocols=[RELIABLE]) as again:
            assert (await again.receive_json(timeout=5))["connectionId"] == client.id


@pytest.mark.parametrize("offered", [(), (JSON,), (PROTOBUF_RELIABLE, RELIABLE)], ids=str)
async def test_it_goes_on_in_the_subprotocol_it_began_in(
    session: aiohttp.ClientSession, service: LocalPubSub, offered: tuple[str, ...]
) -> None:
    async with reliable_client(session, service) as client:
        url = recovery_url(service, "open", client.id, client.token)
        async with session.ws_connect(url, protocols=offered) as again:
            frame = await again.receive_json(timeout=5)

    assert frame["reconnectionToken"]
    assert again.protocol == (RELIABLE if RELIABLE in offered else None)


async def test_the_new_socket_takes_over_from_one_that_is_still_there(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with (
        reliable_client(session, service, "den") as client,
        recovered(session, service, client, "den") as again,
    ):
        assert await client.closed() == 1006
        await send_to_connection(session, service, client.id, "here", "den")
        assert await again.receive() == server_text(1, "here")
        await again.socket.close()
    await upstream.wait_for("disconnected")

    assert [one.event for one in upstream.events] == ["connect", "connected", "disconnected"]


async def test_a_command_in_flight_is_finished_before_those_of_the_new_socket(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    release = asyncio.Event()

    async def answer(received: Received) -> web.Response:
        if received.event == "slow":
            await release.wait()
        return web.Response(status=204)

    upstream.answer = answer
    losses = Losses(service)
    async with reliable_client(session, service, "den") as client:
        await client.send(type="event", event="slow", data=1, ackId=1)
        await client.send(type="event", event="queued", data=1)
        await upstream.wait_for("slow")
        client.drop()
        await losses.next()
        async with recovered(session, service, client, "den") as again:
            await again.send(type="event", event="slow", data=1, ackId=1)
            await again.send(type="event", event="last", data=1, ackId=2)
            release.set()
            acks = [await again.receive() for _ in range(3)]
            await again.socket.close()
    await upstream.wait_for("disconnected")

    # The first answer may reach the new socket too: the command was done while that one was already there.
    assert [(ack["ackId"], ack["success"]) for ack in acks] == [(1, True), (1, False), (2, True)]
    assert [one.event for one in upstream.events][2:] == ["slow", "queued", "last", "disconnected"]


async def test_one_that_answers_no_ping_may_still_come_back(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    quick = config(upstream, ping_seconds=0.05, silence_seconds=0.2, close_seconds=0.1)
    async with LocalPubSub(quick) as service:
        losses = Losses(service)
        async with reliable_client(session, service) as silent:
            assert await losses.next() == silent.id
            async with recovered(session, service, silent) as again:
                assert again.id == silent.id
