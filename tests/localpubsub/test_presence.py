"""`joined` and `left`: who hears of them, and when (spec/upstream.md 5.4)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, GroupPresence, HubSettings
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, Received, RecordingUpstream, config, json_client, rest_headers

ROLES = ("webpubsub.joinLeaveGroup",)


@asynccontextmanager
async def running(
    upstream: RecordingUpstream, presence: GroupPresence, events: tuple[str, ...] = ("connected", "disconnected")
) -> AsyncIterator[LocalPubSub]:
    handler = EventHandler(f"{upstream.url}/{{event}}", events, "*", presence)
    async with LocalPubSub(config(hubs={"den": HubSettings(event_handlers=(handler,))})) as service:
        yield service


def told(upstream: RecordingUpstream) -> list[tuple[str, str]]:
    """Each event with its group, in the order they came."""
    return [(one.event, json.loads(one.body or b"{}").get("group", "")) for one in upstream.events]


BOTH = GroupPresence(("joined", "left"))


async def test_the_upstream_hears_who_joins_and_who_leaves(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    async with running(upstream, BOTH) as service, json_client(session, service, "den", roles=ROLES) as client:
        for number, kind in enumerate(("joinGroup", "joinGroup", "leaveGroup", "leaveGroup")):
            await client.ask(type=kind, group="reef/é", ackId=number)
        await upstream.wait_for("left")

    joined = (await upstream.wait_for("joined"))[0]
    assert joined.path == "/joined"
    assert joined.body == '{"group": "reef/é"}'.encode()
    assert joined.headers["ce-type"] == "azure.webpubsub.gp.joined"
    assert joined.headers["ce-eventName"] == "joined"
    assert joined.headers["ce-connectionId"] == client.id
    assert joined.headers["ce-userId"] == "ivy"
    assert joined.headers["ce-subprotocol"] == "json.webpubsub.azure.v1"
    assert joined.headers["ce-signature"].startswith("sha256=")
    assert joined.headers["Content-Type"].startswith("application/json")
    assert told(upstream) == [("connected", ""), ("joined", "reef/é"), ("left", "reef/é"), ("disconnected", "")]
    ids = [int(one.headers["ce-id"]) for one in upstream.events]
    assert ids == sorted(set(ids))


async def test_the_groups_of_the_token_are_joined_after_connected_and_left_before_disconnected(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    answers = iter([503, 503])

    def slow_to_connect(received: Received) -> web.Response:
        return web.Response(status=next(answers, 204) if received.event == "connected" else 204)

    upstream.answer = slow_to_connect
    async with running(upstream, BOTH) as service:
        async with json_client(session, service, "den", groups=("a",)):
            await upstream.wait_for("joined")
        await upstream.wait_for("disconnected")

    assert told(upstream)[2:] == [("connected", ""), ("joined", "a"), ("left", "a"), ("disconnected", "")]


async def test_the_service_changes_groups_too(session: aiohttp.ClientSession, upstream: RecordingUpstream) -> None:
    async with running(upstream, BOTH, ()) as service, json_client(session, service, "den") as client:
        for method, operation in (
            ("PUT", f"/groups/a/connections/{client.id}"),
            ("PUT", "/users/ivy/groups/b"),
            ("PUT", "/users/ivy/groups/a"),
            ("DELETE", f"/connections/{client.id}/groups"),
        ):
            path = f"/api/hubs/den{operation}"
            headers = rest_headers(service, path)
            async with session.request(method, service.endpoint + path, headers=headers) as response:
                assert response.status < 300
        await upstream.wait_for("left", 2)

    assert told(upstream)[:2] == [("joined", "a"), ("joined", "b")]
    assert sorted(told(upstream)[2:]) == [("left", "a"), ("left", "b")]


async def join(client: JsonClient, *groups: str) -> None:
    for number, group in enumerate(groups):
        assert (await client.ask(type="joinGroup", group=group, ackId=number))["success"]


@pytest.mark.parametrize(
    ("presence", "expected"),
    [
        (GroupPresence(("joined",), ("room.*",)), [("joined", "room.1")]),
        (GroupPresence(("left",)), [("left", "room.1"), ("left", "hall")]),
        (GroupPresence(("joined", "left"), ("nobody",)), []),
        (GroupPresence(), []),
    ],
)
async def test_only_what_is_asked_for_is_told(
    session: aiohttp.ClientSession,
    upstream: RecordingUpstream,
    presence: GroupPresence,
    expected: list[tuple[str, str]],
) -> None:
    async with running(upstream, presence, ("disconnected",)) as service:
        async with json_client(session, service, "den", roles=ROLES) as client:
            await join(client, "room.1", "hall")
        await upstream.wait_for("disconnected")

    assert sorted(told(upstream)[:-1]) == sorted(expected)


async def test_an_upstream_that_fails_does_not_stop_the_next_word(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.Response(status=404 if one.event == "joined" else 204)
    async with running(upstream, BOTH) as service, json_client(session, service, "den", roles=ROLES) as client:
        await join(client, "a")
        await client.send(type="leaveGroup", group="a")

        assert await upstream.wait_for("left")
