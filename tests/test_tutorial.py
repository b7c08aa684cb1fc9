"""The tutorial, followed to the letter."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text(encoding="utf-8")
FIRST, SECOND, TESTS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SUBPROTOCOL = "json.webpubsub.azure.v1"


@asynccontextmanager
async def dev(folder: Path, hub: str) -> AsyncIterator[str]:
    """`webpubsub dev` with the hub of a file in `folder`; gives the upstream's URL."""
    (folder / "buzzer.py").write_text(hub, encoding="utf-8")
    command = (sys.executable, "-c", "from app.cli import main; main()", "dev", "--port", "0", "--service-port", "0")
    root = str(Path(__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=os.environ | {"HUBS": "buzzer:BuzzerHub", "PYTHONPATH": root, "PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            while not (found := re.search(rb"API documents\s+(\S+)/docs", await process.stdout.readline())):
                assert process.returncode is None
        yield found[1].decode()
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 30)


class Player:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def raise_event(self, name: str, text: str = "") -> None:
        await self._socket.send_json({"type": "event", "event": name, "dataType": "text", "data": text})

    async def hears(self) -> Any:
        """The data of the next message."""
        while True:
            frame = json.loads(await self._socket.receive_str(timeout=10))
            if frame["type"] == "message":
                return frame["data"]


@asynccontextmanager
async def player(session: aiohttp.ClientSession, upstream: str, name: str) -> AsyncIterator[Player]:
    async with session.get(f"{upstream}/negotiate", params={"hub": "buzzer", "id": name}) as answer:
        url = (await answer.json())["url"]
    async with session.ws_connect(url, protocols=[SUBPROTOCOL]) as socket:
        assert (await socket.receive_json(timeout=10))["event"] == "connected"
        yield Player(socket)


async def test_everybody_hears_a_press(tmp_path: Path) -> None:
    async with (
        dev(tmp_path, FIRST) as upstream,
        aiohttp.ClientSession() as session,
        player(session, upstream, "mia") as mia,
        player(session, upstream, "jonas") as jonas,
    ):
        await mia.raise_event("press")

        assert await mia.hears() == {"pressed": "mia"}
        assert await jonas.hears() == {"pressed": "mia"}


async def test_the_first_press_wins(tmp_path: Path) -> None:
    async with (
        dev(tmp_path, SECOND) as upstream,
        aiohttp.ClientSession() as session,
        player(session, upstream, "host") as host,
        player(session, upstream, "mia") as mia,
    ):
        await mia.raise_event("press")
        assert (await mia.hears())["code"] == "too-early"
        await host.raise_event("ask", "Ready?")
        assert await mia.hears() == {"round": 1, "question": "Ready?"}
        await mia.raise_event("press")
        told = [await mia.hears(), await mia.hears()]
        assert {"round": 1, "winner": "mia"} in told
        assert {"round": 1, "late": False} in told
        await host.raise_event("press")

        assert [await host.hears() for _ in range(3)][1:] == [
            {"round": 1, "winner": "mia"},
            {"round": 1, "late": True},
        ]


@pytest.mark.parametrize(
    "name", ["test_the_first_press_wins_the_round", "test_players_do_not_ask_and_strangers_stay_outside"]
)
async def test_the_tests_it_shows_pass(name: str) -> None:
    names: dict[str, Any] = {"__name__": "buzzer"}
    for block in (SECOND, TESTS):
        exec(compile(block, "docs/tutorial.md", "exec"), names)

    await names[name]()
