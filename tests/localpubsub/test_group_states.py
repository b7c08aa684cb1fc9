"""What members of a group tell about themselves (spec/service.md 3.9)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from localpubsub.engine.group_states import GroupStateBoard
from localpubsub.protocol.messages import SetGroupState
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, json_client
from tests.localpubsub.engine_parts import connection, received
from tests.localpubsub.reliable_client import reliable_client, status_of

JOIN = ("webpubsub.joinLeaveGroup.g",)
OK = {"type": "ack", "ackId": 1, "success": True}


@asynccontextmanager
async def watcher_of(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> AsyncIterator[tuple[JsonClient, JsonClient]]:
    """A subscriber that has its empty snapshot, and a member."""
    async with (
        json_client(session, service, user="mia") as watcher,
        json_client(session, service, user="max", roles=JOIN, groups=("g",)) as member,
    ):
        assert await watcher.ask(type="subscribeGroupState", group="g", ackId=1) == OK
        assert await watcher.receive() == {"type": "groupStateSnapshot", "group": "g", "items": []}
        yield watcher, member


def told(frame: dict[str, Any]) -> tuple[str, str, Any]:
    (item,) = frame["items"]
    return frame["type"], item["userId"], item.get("state")


async def test_subscribers_hear_of_every_change(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, member):
        assert await member.ask(type="setGroupState", group="g", state={"mood": "calm"}, ackId=1) == OK
        assert await member.ask(type="setGroupState", group="g", state={"seat": "3"}, ackId=2) == OK | {"ackId": 2}
        await member.ask(type="setGroupState", group="g", ackId=3)
        frames = [await watcher.receive() for _ in range(3)]

    assert [told(frame) for frame in frames] == [
        ("groupStateUpdate", "max", {"mood": "calm"}),
        ("groupStateUpdate", "max", {"seat": "3"}),
        ("groupStateUpdate", "max", None),
    ]
    times = [frame["items"][0]["updatedAt"] for frame in frames]
    assert times == sorted(set(times))
    assert {frame["items"][0]["connectionId"] for frame in frames} == {member.id}


async def test_clearing_nothing_is_no_change(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, member):
        assert await member.ask(type="setGroupState", group="g", state=None, ackId=1) == OK
        assert await watcher.ask(type="ping") == {"type": "pong"}


async def test_a_snapshot_holds_what_members_have_set(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, member):
        await member.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=1)
        await watcher.receive()
        assert (await watcher.ask(type="subscribeGroupState", group="g", ackId=2))["success"]
        snapshot = await watcher.receive()

    assert told(snapshot) == ("groupStateSnapshot", "max", {"a": "b"})


async def test_who_is_no_member_sets_nothing(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, _):
        refusal = await watcher.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=2)
        assert refusal["error"]["name"] == "Forbidden"
        await watcher.send(type="setGroupState", group="g", state={"a": "b"})
        assert await watcher.ask(type="ping") == {"type": "pong"}


async def test_leaving_clears_the_state_whoever_makes_it_leave(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with watcher_of(session, service) as (watcher, member):
        await member.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=1)
        await member.ask(type="leaveGroup", group="g", ackId=2)
        await member.ask(type="joinGroup", group="g", ackId=3)
        await member.ask(type="setGroupState", group="g", state={"c": "d"}, ackId=4)
        path = f"/api/hubs/open/groups/g/connections/{member.id}"
        assert await status_of(session, service, path, "DELETE") == 204
        states = [told(await watcher.receive())[2] for _ in range(4)]

    assert states == [{"a": "b"}, None, {"c": "d"}, None]


async def test_a_member_that_is_gone_has_no_state(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, member):
        await member.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=1)
        await member.socket.close()

        assert [told(await watcher.receive())[2] for _ in range(2)] == [{"a": "b"}, None]


async def test_who_unsubscribed_hears_nothing_more(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with watcher_of(session, service) as (watcher, member):
        assert (await watcher.ask(type="unsubscribeGroupState", group="g", ackId=2))["success"]
        await member.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=1)
        assert await watcher.ask(type="ping") == {"type": "pong"}


async def test_a_group_of_the_same_name_in_another_hub_is_another_one(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with (
        watcher_of(session, service) as (watcher, _),
        json_client(session, service, "den", user="far", groups=("g",)) as far,
    ):
        assert await far.ask(type="setGroupState", group="g", state={"a": "b"}, ackId=1) == OK
        assert await watcher.ask(type="ping") == {"type": "pong"}


async def test_states_have_sequence_ids_on_a_reliable_connection(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with reliable_client(session, service, user="max", groups=("g",)) as member:
        await member.ask(type="subscribeGroupState", group="g", ackId=1)
        assert (await member.receive())["sequenceId"] == 1
        await member.send(type="setGroupState", group="g", state={"a": "b"})
        assert (await member.receive())["sequenceId"] == 2


def test_who_is_gone_is_told_nothing() -> None:
    board, watcher, member = GroupStateBoard(), connection("mia"), connection("max")
    member.groups.add("g")
    board.subscribe(watcher, "g")
    board.subscribe(watcher, "h")
    board.unsubscribe_all(watcher)

    board.set(member, SetGroupState("g", {"a": "b"}))

    assert received(watcher) == []


def test_times_rise_although_the_clock_does_not() -> None:
    board, watcher, member = GroupStateBoard(lambda: 5.0), connection("mia"), connection("max")
    member.groups.add("g")
    board.subscribe(watcher, "g")
    for text in ("a", "b"):
        board.set(member, SetGroupState("g", {"k": text}))

    times = [json.loads(frame)["items"][0]["updatedAt"] for frame in received(watcher)]

    assert times == [5000, 5001]
