"""When a reliable connection is over, and what is said of it (spec/service.md 4.1, 4.3)."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    Received,
    RecordingUpstream,
    config,
    json_client,
)
from tests.localpubsub.reliable_client import (
    PROTOBUF_RELIABLE,
    RELIABLE,
    Losses,
    recovered,
    recovery_url,
    refused,
    reliable_client,
    status_of,
)

EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
NOT_RECOVERED = (1008, "The connection could not be recovered.")


async def test_nobody_comes_back_in_time(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    service.service.sessions.recovery_seconds = 0.01
    async with reliable_client(session, service, "den") as client:
        client.drop()
        gone = (await upstream.wait_for("disconnected"))[0]

    assert gone.body == b'{"reason": "The connection recovery timeout expired."}'
    assert await status_of(session, service, f"/api/hubs/den/connections/{client.id}") == 404
    assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED


@pytest.mark.parametrize("code", [1000, 1001])
async def test_a_goodbye_is_the_end(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, code: int
) -> None:
    async with reliable_client(session, service, "den") as client:
        await client.socket.close(code=code, message=b"enough")
        gone = (await upstream.wait_for("disconnected"))[0]

    assert gone.body == b'{"reason": "enough"}'
    assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED


async def test_any_other_close_is_a_loss(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with reliable_client(session, service) as client:
        await client.socket.close(code=4000)
        async with recovered(session, service, client) as again:
            assert again.id == client.id


async def test_a_frame_that_is_not_allowed_is_the_end(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with reliable_client(session, service, "den") as client:
        await client.send(type="dance")
        assert await client.closed() == 1007
    await upstream.wait_for("disconnected")

    assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED


async def test_a_message_that_is_too_large_is_the_end(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with reliable_client(session, service, "den") as client:
        await client.socket.send_str("x" * (1024 * 1024 + 1))
        assert await client.closed() == 1009
    await upstream.wait_for("disconnected")

    assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED


@pytest.mark.parametrize("protocol", [RELIABLE, PROTOBUF_RELIABLE])
async def test_what_cannot_be_recovered_is_told_with_a_close(
    session: aiohttp.ClientSession, service: LocalPubSub, protocol: str
) -> None:
    async with (
        reliable_client(session, service) as client,
        reliable_client(session, service) as other,
        json_client(session, service) as plain,
    ):
        attempts = [
            ("open", client.id, "made-up"), ("open", client.id, other.token), ("open", "nobody", client.token),
            ("den", client.id, client.token), ("open", plain.id, client.token), ("open", client.id, ""),
        ]  # fmt: skip
        outcomes = [
            await refused(session, recovery_url(service, hub, connection_id, token), protocol)
            for hub, connection_id, token in attempts
        ]
        assert (await client.ask(type="ping"), await plain.ask(type="ping")) == ({"type": "pong"}, {"type": "pong"})

    assert outcomes == [NOT_RECOVERED] * len(attempts)


async def test_disconnected_waits_for_a_command_in_flight(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    release = asyncio.Event()
    too_early: list[str] = []

    async def answer(received: Received) -> web.Response:
        if received.event == "slow":
            await release.wait()
        elif received.event == "disconnected" and not release.is_set():
            too_early.append(received.event)
        return web.Response(status=204)

    upstream.answer = answer
    service.service.sessions.recovery_seconds = 0.0
    losses = Losses(service)
    async with reliable_client(session, service, "den") as client:
        await client.send(type="event", event="slow", data=1)
        await upstream.wait_for("slow")
        client.drop()
        await losses.next()
        assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED
        await status_of(session, service, "/api/health")  # one more round trip in which it could have come
        release.set()
        await upstream.wait_for("disconnected")

    assert too_early == []
    assert [one.event for one in upstream.events][2:] == ["slow", "disconnected"]


async def test_the_api_ends_one_that_is_away(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    losses = Losses(service)
    async with reliable_client(session, service, "den") as client:
        client.drop()
        await losses.next()
        path = f"/api/hubs/den/connections/{client.id}?reason=enough"
        assert await status_of(session, service, path, "DELETE") == 204
        gone = (await upstream.wait_for("disconnected"))[0]

    assert gone.body == b'{"reason": "enough"}'
    assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED


async def test_the_api_ends_one_that_is_here_for_good(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with reliable_client(session, service, "den") as client:
        assert await status_of(session, service, f"/api/hubs/den/connections/{client.id}", "DELETE") == 204
        assert (await client.receive())["event"] == "disconnected"
        assert await client.closed() == 1000
        assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED
    await upstream.wait_for("disconnected")


@pytest.mark.parametrize("away", [False, True])
async def test_a_thousand_unconfirmed_messages_end_it(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, away: bool
) -> None:
    losses = Losses(service)
    async with (
        reliable_client(session, service, "den", groups=("g",)) as client,
        json_client(session, service, "den", user="max", roles=EVERYTHING) as max_,
    ):
        if away:
            client.drop()
            await losses.next()
        for number in range(1000):
            await max_.send(type="sendToGroup", group="g", dataType="text", data=str(number))
        await max_.ask(type="ping")
        assert await status_of(session, service, f"/api/hubs/den/connections/{client.id}") == 200
        await max_.send(type="sendToGroup", group="g", dataType="text", data="one too many")
        if not away:
            assert await client.closed() == 1008
        gone = (await upstream.wait_for("disconnected"))[0]

        assert gone.body == b'{"reason": "The reliable message buffer is full."}'
        assert await status_of(session, service, f"/api/hubs/den/connections/{client.id}") == 404


async def test_a_stop_tells_the_upstream_of_those_who_are_away(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    async with LocalPubSub(config(upstream)) as service:
        losses = Losses(service)
        async with reliable_client(session, service, "den") as client:
            client.drop()
            await losses.next()

    assert (await upstream.wait_for("disconnected"))[0].body == b'{"reason": "service reload"}'
