"""Reliable connections that are kept in a file while the service is not there (docs/localpubsub.md)."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, GroupPresence, HubSettings
from localpubsub.protocol import reconnection
from localpubsub.server import LocalPubSub
from tests.localpubsub.arena import _is_of_the_service
from tests.localpubsub.conftest import (
    PRIMARY,
    SECONDARY,
    Received,
    RecordingUpstream,
    client_url,
    config,
    json_client,
    rest_headers,
)
from tests.localpubsub.reliable_client import (
    RELIABLE,
    Losses,
    ReliableClient,
    recovered,
    recovery_url,
    refused,
    reliable_client,
    send_to_connection,
    server_text,
    status_of,
)

NOT_RECOVERED = (1008, "The connection could not be recovered.")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "service.state"


@asynccontextmanager
async def started(file: Path, upstream: RecordingUpstream | None = None, **changes: Any) -> AsyncIterator[LocalPubSub]:
    async with LocalPubSub(config(upstream, state=file, **changes)) as service:
        yield service


def modes(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mode & 0o777 for one in folder.iterdir()}


async def lost(client: ReliableClient) -> None:
    """Its socket is gone, and nothing was said."""
    assert (await client.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
    assert client.socket.close_code == 1006


async def send_to_group(session: aiohttp.ClientSession, service: LocalPubSub, group: str, text: str) -> None:
    path = f"/api/hubs/open/groups/{group}/:send"
    headers = rest_headers(service, path) | {"Content-Type": "text/plain"}
    async with session.post(service.endpoint + path, headers=headers, data=text.encode()) as response:
        assert response.status == 202


async def test_what_was_not_confirmed_comes_after_a_restart_in_order(
    session: aiohttp.ClientSession, file: Path
) -> None:
    async with started(file) as service, reliable_client(session, service) as client:
        for text in ("a", "b", "c"):
            await send_to_connection(session, service, client.id, text)
        assert [await client.receive() for _ in "abc"] == [
            server_text(1, "a"),
            server_text(2, "b"),
            server_text(3, "c"),
        ]
        await client.send(type="sequenceAck", sequenceId=1)
        assert await client.ask(type="ping") == {"type": "pong"}
        await service.stop()
        await lost(client)

    async with started(file) as service:
        await send_to_connection(session, service, client.id, "d")
        async with recovered(session, service, client) as again:
            await send_to_connection(session, service, client.id, "e")
            assert again.id == client.id
            assert [await again.receive() for _ in "bcde"] == [
                server_text(2, "b"), server_text(3, "c"), server_text(4, "d"), server_text(5, "e"),
            ]  # fmt: skip


async def test_what_came_while_the_client_was_away_is_kept(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service:
        losses = Losses(service)
        async with reliable_client(session, service) as client:
            client.drop()
            await losses.next()
            await send_to_connection(session, service, client.id, "a")

    async with started(file) as service, recovered(session, service, client) as again:
        assert await again.receive() == server_text(1, "a")


async def test_a_service_that_is_stopped_ends_nobody_any_more(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service, reliable_client(session, service):
        await service.stop()

    timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    assert [one for one in timers if not one.cancelled() and _is_of_the_service(one)] == []


async def test_two_restarts_are_as_one(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service, reliable_client(session, service) as client:
        await send_to_connection(session, service, client.id, "a")
        await client.receive()
        await service.stop()
    async with started(file):
        pass

    async with started(file) as service, recovered(session, service, client) as again:
        assert await again.receive() == server_text(1, "a")


async def test_groups_permissions_and_acks_are_as_they_were(session: aiohttp.ClientSession, file: Path) -> None:
    roles = ("webpubsub.joinLeaveGroup.reef", "webpubsub.sendToGroups.reef.*")
    async with started(file) as service, reliable_client(session, service, roles=roles, groups=("g",)) as client:
        path = f"/api/hubs/open/permissions/joinLeaveGroup/connections/{client.id}?targetName=reef"
        assert (await client.ask(type="joinGroup", group="reef", ackId=1))["success"]
        assert await status_of(session, service, path, "DELETE") == 204
        await service.stop()

    async with started(file) as service, recovered(session, service, client) as again:
        assert await status_of(session, service, "/api/hubs/open/groups/reef") == 200
        await send_to_group(session, service, "reef", "hello")
        await send_to_group(session, service, "g", "hello")
        assert [(await again.receive())["group"] for _ in range(2)] == ["reef", "g"]
        repeated = await again.ask(type="joinGroup", group="reef", ackId=1)
        assert repeated["error"]["name"] == "Duplicate"
        forbidden = await again.ask(type="joinGroup", group="reef", ackId=2)
        assert forbidden["error"]["name"] == "Forbidden"
        assert (await again.ask(type="sendToGroup", group="reef.1", dataType="text", data="x", ackId=3))["success"]
        other = await again.ask(type="sendToGroup", group="elsewhere", dataType="text", data="x", ackId=4)
        assert other["error"]["name"] == "Forbidden"


async def test_a_group_is_empty_when_who_came_back_is_gone(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service, reliable_client(session, service, groups=("g",)) as client:
        await service.stop()

    async with started(file) as service, recovered(session, service, client) as again:
        await again.socket.close(code=1000)
        path = "/api/hubs/open/groups/g"
        async with asyncio.timeout(5):
            while await status_of(session, service, path) != 404:
                pass


async def test_the_upstream_sees_one_connection_go_on(
    session: aiohttp.ClientSession, file: Path, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        state = {"connect": "one", "step": "two"}.get(received.event)
        headers = {"ce-connectionState": json.dumps(state)} if state else {}
        response = web.Response(status=200 if received.event == "connect" else 204, headers=headers)
        response.set_cookie(f"c{len(upstream.events)}", "v")
        return response

    upstream.answer = answer
    async with started(file, upstream) as service, reliable_client(session, service, "den", groups=("g",)) as client:
        await client.ask(type="event", event="step", dataType="text", data="", ackId=1)
        await service.stop()
    before = [one.event for one in upstream.events]

    async with started(file, upstream) as service, recovered(session, service, client, "den") as again:
        await again.ask(type="event", event="after", dataType="text", data="", ackId=2)
        after = (await upstream.wait_for("after"))[0]
        await again.socket.close(code=1000)
        gone = (await upstream.wait_for("disconnected"))[0]

    assert before == ["connect", "connected", "step"]
    assert [one.event for one in upstream.events][3:] == ["after", "disconnected"]
    assert [after.headers[name] for name in ("ce-id", "ce-userId", "ce-connectionId")] == ["3", "ivy", client.id]
    assert after.headers["ce-subprotocol"] == RELIABLE
    assert json.loads(after.headers["ce-connectionState"]) == "two"
    assert {"c1=v", "c3=v"} <= set(after.headers["Cookie"].split("; "))
    assert gone.headers["ce-id"] == "4"


async def test_the_upstream_hears_of_a_group_when_it_is_entered_and_left(
    session: aiohttp.ClientSession, file: Path, upstream: RecordingUpstream
) -> None:
    """Neither the stop nor the restart is one of these."""
    presence = EventHandler(f"{upstream.url}/events", group_presence_events=GroupPresence(("joined", "left")))
    hubs = {"open": HubSettings(event_handlers=(presence,))}
    async with started(file, hubs=hubs) as service, reliable_client(session, service, groups=("g",)):
        await upstream.wait_for("joined")
        await service.stop()
    service = LocalPubSub(config(state=file, hubs=hubs))
    service.service.sessions.recovery_seconds = 0.01
    async with service:
        await upstream.wait_for("left")

    assert [one.event for one in upstream.events] == ["joined", "left"]


async def test_nobody_comes_back_after_the_restart(
    session: aiohttp.ClientSession, file: Path, upstream: RecordingUpstream
) -> None:
    async with started(file, upstream) as service, reliable_client(session, service, "den") as client:
        await service.stop()
    assert "disconnected" not in [one.event for one in upstream.events]

    service = LocalPubSub(config(upstream, state=file))
    service.service.sessions.recovery_seconds = 0.01
    async with service:
        gone = (await upstream.wait_for("disconnected"))[0]
        assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED
    async with started(file, upstream) as service:
        assert await refused(session, recovery_url(service, "den", client.id, client.token)) == NOT_RECOVERED

    assert gone.headers["ce-connectionId"] == client.id
    assert gone.body == b'{"reason": "The connection recovery timeout expired."}'
    assert [one.event for one in upstream.events].count("disconnected") == 1


async def test_a_window_that_began_before_begins_again(session: aiohttp.ClientSession, file: Path) -> None:
    """The client has all of it, whenever it lost its socket."""
    service = LocalPubSub(config(state=file))
    ends: list[float] = []
    schedule = service.service.sessions._later

    def later(seconds: float, callback: Any) -> Any:
        ends.append(seconds)
        return schedule(seconds, callback)

    async with started(file) as first, reliable_client(session, first):
        await first.stop()
    service.service.sessions._later = later
    async with service:
        pass

    assert ends == [30.0]


async def test_another_key_lets_nobody_back_in(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file, access_keys=(PRIMARY,)) as service, reliable_client(session, service) as client:
        await service.stop()

    async with started(file, access_keys=(SECONDARY,)) as service:
        assert await refused(session, recovery_url(service, "open", client.id, client.token)) == NOT_RECOVERED


async def test_others_are_told_to_go_as_ever(
    session: aiohttp.ClientSession, file: Path, upstream: RecordingUpstream
) -> None:
    async with started(file, upstream) as service, json_client(session, service, "den") as plain:
        _, code = await asyncio.gather(service.stop(), plain.closed())
        assert code == 1001

    assert (await upstream.wait_for("disconnected"))[0].body == b'{"reason": "service reload"}'
    async with started(file) as service:
        assert await status_of(session, service, f"/api/hubs/den/connections/{plain.id}") == 404


async def test_who_asks_while_it_stops_is_to_try_again(
    session: aiohttp.ClientSession, file: Path, upstream: RecordingUpstream
) -> None:
    """A close would tell the client that its connection is gone for good."""
    async with started(file) as service, reliable_client(session, service) as client:
        url = recovery_url(service, "open", client.id, client.token)
        close = service._console.close

        async def in_between() -> None:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(url, protocols=[RELIABLE])
            assert refusal.value.status == 503
            await close()

        service._console.close = in_between  # type: ignore[method-assign]
        await service.stop()

    async with started(file) as service, recovered(session, service, client) as again:
        assert again.id == client.id


async def test_without_the_setting_there_is_no_file_and_no_thread(
    session: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with LocalPubSub(config()) as service, reliable_client(session, service) as client:
        assert not [one for one in threading.enumerate() if one.name.startswith("state")]
        stopping = asyncio.create_task(service.stop())
        assert (await client.receive())["event"] == "disconnected"
        assert await client.closed() == 1001
        await stopping

    assert modes(tmp_path) == {}


async def test_a_stop_leaves_one_file_that_others_cannot_read(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service, reliable_client(session, service):
        await service.stop()

    assert modes(file.parent) == {file.name: 0o600}


async def test_a_port_that_is_taken_costs_nothing(session: aiohttp.ClientSession, file: Path) -> None:
    async with started(file) as service, reliable_client(session, service) as client:
        await send_to_connection(session, service, client.id, "a")
        await client.receive()
        await service.stop()
    async with LocalPubSub(config()) as other:
        with pytest.raises(OSError, match="in use"):
            await LocalPubSub(config(state=file, port=other.port)).start()

    async with started(file) as service, recovered(session, service, client) as again:
        assert await again.receive() == server_text(1, "a")


async def test_a_protobuf_client_comes_back_too(session: aiohttp.ClientSession, file: Path) -> None:
    name = "protobuf.reliable.webpubsub.azure.v1"
    async with started(file) as service:
        losses = Losses(service)
        async with session.ws_connect(client_url(service, "open", groups=("g",)), protocols=[name]) as socket:
            await socket.receive_bytes(timeout=5)
            await send_to_group(session, service, "g", "hello")
            first = await socket.receive_bytes(timeout=5)
            connection = next(iter(service.service.hub("open").connections.values()))
            ReliableClient(socket, {}).drop()
            await losses.next()

    token = reconnection.issue(PRIMARY, connection.id, time())
    async with started(file) as service:
        url = recovery_url(service, "open", connection.id, token)
        async with session.ws_connect(url, protocols=[name]) as socket:
            await socket.receive_bytes(timeout=5)
            assert await socket.receive_bytes(timeout=5) == first
