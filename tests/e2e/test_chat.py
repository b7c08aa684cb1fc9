"""The chat as people use it: the local service, the upstream, and clients of every kind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.messaging.webpubsubclient.aio import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType, OnServerDataMessageArgs, WebPubSubDataType
from fastapi import FastAPI

from app.main import create_app
from app.serving.server import bind, serving
from app.upstream.roster import Roster
from localpubsub.config import GroupPresence, HubSettings
from localpubsub.testing import Client, LocalService
from tests.app.conftest import settings

HUB = "Sample_ChatApp"


class World:
    """A service that goes on, and an upstream that can be stopped and started at one address."""

    def __init__(self, service: LocalService, store: str) -> None:
        self.service = service
        self._store = store
        self._listener = bind("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def upstream(self) -> AsyncIterator[FastAPI]:
        if self._listener.fileno() < 0:
            self._listener = bind("127.0.0.1", self.port)
        app = create_app(
            settings(
                webpubsub_connection_string=self.service.connection_string,
                hubs=("app.hubs.chat:ChatHub",),
                store=self._store,
                development=True,
                shutdown_grace_seconds=1,
            )
        )
        for roster in (app.state.services.hubs.get(HUB)._roster, app.state.services.rosters[HUB.lower()]):
            assert isinstance(roster, Roster)
            roster._settle_seconds = 0  # what was heard a moment ago is no reason to wait half a minute here
        async with serving(app, self._listener, grace_seconds=1):
            yield app

    @asynccontextmanager
    async def page(self, user: str) -> AsyncIterator["Page"]:
        async with self.service.client(HUB, user, roles=()) as client:
            yield Page(client)

    @asynccontextmanager
    async def bare(self, user: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The tutorial's: `new WebSocket(url)`."""
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.url}/negotiate", params={"id": user}) as response:
                url = (await response.json())["url"]
            async with session.ws_connect(url) as connection:
                yield connection

    async def members(self, room: str) -> list[str]:
        path = f"{self.url}/hubs/{HUB}/groups/{room}/members"
        async with aiohttp.ClientSession() as session, session.get(path) as response:
            return [one["user"] for one in (await response.json())["members"]]


class Page:
    """Sends events, and waits for values of a type."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def send(self, event: str, **data: Any) -> None:
        await self.client.send_event(event, data)

    async def enter(self, room: str, **data: Any) -> dict[str, Any]:
        await self.send("enter", room=room, **data)
        return await self.expect("room", room=room)

    async def expect(self, kind: str, **members: Any) -> dict[str, Any]:
        wanted = {"type": kind, **members}
        frame = await self.client.expect(
            type="message", data=lambda data: isinstance(data, dict) and wanted.items() <= data.items()
        )
        value: dict[str, Any] = frame["data"]
        return value

    @property
    def unexpected(self) -> list[str]:
        """The kinds of what came and nobody waited for."""
        return sorted(frame["data"]["type"] for frame in self.client.unexpected if "data" in frame)


@pytest.fixture
async def world(localpubsub: LocalService, tmp_path: Path) -> World:
    world = World(localpubsub, f"sqlite:///{tmp_path}/chat.db")
    presence = GroupPresence(("joined", "left"))
    localpubsub.handle(f"{world.url}/eventhandler", hub=HUB, group_presence_events=presence)
    return world


async def test_a_bare_client_and_pages_talk_in_the_lobby(world: World) -> None:
    async with world.upstream(), world.bare("ben") as ben, asyncio.timeout(20):
        came = await ben.receive_json()
        async with world.page("mia") as mia:
            assert (await ben.receive_json())["message"] == "mia joined"
            room = await mia.enter("lobby")
            await ben.send_str("hi from the tutorial")
            said = await ben.receive_json()
            await mia.send("say", room="lobby", message="hi from the page", key="k-1")
            answered = await ben.receive_json()
            await mia.send("typing", room="lobby")
            await mia.enter("tea")
            await mia.send("say", room="tea", message="not for the lobby")
            await mia.expect("message", room="tea")
            seen = [await mia.expect("message", room="lobby") for _ in range(2)]
        left = await ben.receive_json()

    assert {name: one for name, one in came.items() if name != "id"} == {"type": "system", "message": "ben joined"}
    assert set(said) == {"type", "room", "number", "at", "id", "from", "message"}
    assert [one["user"] for one in room["members"]] == ["ben", "mia"]
    assert (said["from"], said["message"]) == ("ben", "hi from the tutorial")
    assert (answered["from"], answered["message"], answered["key"]) == ("mia", "hi from the page", "k-1")
    assert seen == [said, answered]
    assert (left["type"], left["message"]) == ("system", "mia left")


async def test_rooms_presence_typing_and_private_messages(world: World) -> None:
    async with world.upstream(), world.page("mia") as mia, world.page("jonas") as jonas, world.page("zoë") as zoe:
        await zoe.send("rooms")
        await zoe.expect("rooms")
        await mia.enter("tea")
        await zoe.expect("rooms-changed", room="tea", members=1)
        await jonas.enter("tea")
        await mia.expect("presence", room="tea", user="jonas", **{"in": True})
        await jonas.send("typing", room="tea")
        await mia.expect("typing", room="tea", user="jonas")
        await mia.send("private", to="jonas", message="psst")
        for page in (mia, jonas):
            await page.expect("private", to="jonas", message="psst", **{"from": "mia"})
        await mia.send("private", to="nobody", message="psst")
        await mia.expect("error", code="nobody")
        await jonas.send("leave", room="tea")
        await mia.expect("presence", room="tea", user="jonas", **{"in": False})
        await mia.send("say", room="tea", message="alone again")
        await mia.expect("message", message="alone again")
        await jonas.send("say", room="tea", message="no longer in")
        await jonas.expect("error", code="not-in-room")
        assert await world.members("tea") == ["mia"]

    assert "typing" not in jonas.unexpected
    assert set(zoe.unexpected) <= {"rooms-changed", "system"}


async def test_two_tabs_of_one_user_are_one_user(world: World) -> None:
    async with world.upstream(), world.page("jonas") as jonas, world.page("mia") as first:
        await jonas.enter("tea")
        await jonas.expect("presence", user="jonas", **{"in": True})
        await first.enter("tea")
        await jonas.expect("presence", user="mia", **{"in": True})
        async with world.page("mia") as second:
            assert [one["user"] for one in (await second.enter("tea"))["members"]] == ["jonas", "mia"]
        await first.send("say", room="tea", message="still here")
        await jonas.expect("message", message="still here")
        assert await world.members("tea") == ["jonas", "mia"]

    assert "presence" not in jonas.unexpected


async def test_history_and_roster_outlive_the_upstream_and_are_made_good(world: World) -> None:
    async with AsyncExitStack() as stack:
        jonas_in, mia_in = world.page("jonas"), world.page("mia")
        async with world.upstream():
            jonas, mia = await stack.enter_async_context(jonas_in), await mia_in.__aenter__()
            for page in (jonas, mia):
                await page.enter("tea")
            await mia.send("say", room="tea", message="before", key="k-1")
            await jonas.expect("message", message="before")
        await mia_in.__aexit__(None, None, None)  # which nobody hears

        async with world.upstream():
            await jonas.expect("presence", room="tea", user="mia", **{"in": False})
            assert await world.members("tea") == ["jonas"]
            room = await jonas.enter("tea")
            await jonas.send("say", room="tea", message="after")
            after = await jonas.expect("message", message="after")

    assert [(one["number"], one["message"], one["key"]) for one in room["lines"]] == [(1, "before", "k-1")]
    assert [one["user"] for one in room["members"]] == ["jonas"]
    assert after["number"] == 2


async def test_who_came_unheard_is_found(world: World) -> None:
    """As when `connected` is lost: the service tells of no connection, and lists it all the same."""
    async with AsyncExitStack() as stack:
        async with world.upstream():
            jonas = await stack.enter_async_context(world.page("jonas"))
            await jonas.enter("lobby")
        world.service.apply(replace(world.service.config, hubs={HUB.lower(): HubSettings(anonymous_connect=True)}))
        await stack.enter_async_context(world.service.client(HUB, "ivy", groups=["lobby"]))

        async with world.upstream():
            await jonas.expect("presence", room="lobby", user="ivy", **{"in": True})
            assert await world.members("lobby") == ["ivy", "jonas"]


async def test_the_official_client_talks_too(world: World) -> None:
    inbox: asyncio.Queue[OnServerDataMessageArgs] = asyncio.Queue()
    async with world.upstream(), world.page("mia") as mia:
        await mia.enter("tea")
        client = WebPubSubClient(world.service.client_url(HUB, "sdk", roles=()), auto_reconnect=False)
        await client.subscribe(CallbackType.SERVER_MESSAGE, inbox.put)
        async with client, asyncio.timeout(20):
            await client.send_event("enter", {"room": "tea"}, WebPubSubDataType.JSON)
            room = (await inbox.get()).data
            await client.send_event("say", {"room": "tea", "message": "from the SDK"}, WebPubSubDataType.JSON)
            said = await mia.expect("message", message="from the SDK")

    assert (room["type"], [one["user"] for one in room["members"]]) == ("room", ["mia", "sdk"])
    assert said["from"] == "sdk"
