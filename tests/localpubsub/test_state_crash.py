"""A service that is killed, and another one that goes on with its file (docs/localpubsub.md)."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from localpubsub.engine.state import SKIPPED_IDS
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config
from tests.localpubsub.reliable_client import recovered, reliable_client, send_to_connection, server_text

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def running(state: Path) -> AsyncIterator[tuple[Process, LocalPubSub]]:
    """The process, and an object with its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.localpubsub.kept_service", str(state), stdin=PIPE, stdout=PIPE, cwd=ROOT
    )
    try:
        address = LocalPubSub(config())
        address.port = int(await said(process))
        yield process, address
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def said(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        return (await process.stdout.readline()).decode().strip()


async def saved(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    assert await said(process) == "saved"


async def test_a_killed_service_goes_on_where_it_was_saved(session: aiohttp.ClientSession, tmp_path: Path) -> None:
    state = tmp_path / "service.state"
    async with running(state) as (process, service), reliable_client(session, service, groups=("g",)) as client:
        for text in ("a", "b", "c"):
            await send_to_connection(session, service, client.id, text)
        assert [(await client.receive())["data"] for _ in "abc"] == ["a", "b", "c"]
        await client.send(type="sequenceAck", sequenceId=1)
        await client.ask(type="ping")
        await saved(process)
        process.kill()
        assert (await client.socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
        await process.wait()

    async with LocalPubSub(config(state=state)) as after, recovered(session, after, client) as again:
        assert [await again.receive() for _ in "bc"] == [server_text(2, "b"), server_text(3, "c")]
        await send_to_connection(session, after, client.id, "d")
        assert await again.receive() == server_text(3 + SKIPPED_IDS + 1, "d")
        await again.send(type="sequenceAck", sequenceId=3 + SKIPPED_IDS + 1)
        await again.ask(type="ping")
        sequences = after.service.hub("open").connections[client.id].sequences
        assert sequences is not None
        assert sequences.kept() == ()
