"""Under `dev` a hub hears who joins and who leaves, as under a service whose hub settings ask for it."""

import asyncio

import aiohttp

from app.devserver import run_dev
from app.models.events import GroupJoinedEvent, GroupLeftEvent
from app.upstream.hub import Hub

heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()


class PresenceHub(Hub):
    name = "presence"

    async def on_group_joined(self, event: GroupJoinedEvent) -> None:
        heard.put_nowait(("joined", event.group))

    async def on_group_left(self, event: GroupLeftEvent) -> None:
        heard.put_nowait(("left", event.group))


async def test_a_hub_hears_who_joins_and_leaves() -> None:
    async with (
        run_dev(port=0, service_port=0, hubs=(f"{__name__}:PresenceHub",), negotiate_groups=("lobby",)) as servers,
        aiohttp.ClientSession() as session,
    ):
        async with session.get(f"{servers.upstream_url}/negotiate", params={"id": "mia"}) as response:
            url = (await response.json())["url"]
        async with session.ws_connect(url):
            async with asyncio.timeout(10):
                assert await heard.get() == ("joined", "lobby")
        async with asyncio.timeout(10):
            assert await heard.get() == ("left", "lobby")
