"""`webpubsub serve --workers`: real processes on one socket."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from localpubsub.testing import LocalService, quick_config
from tests.app.fanout.redis.server import RedisServer
from tests.e2e.test_commands import CONNECTION_STRING, Running, command, fails

SECONDS = 30


@asynccontextmanager
async def serving(folder: Path, store: str, **env: str) -> AsyncIterator[tuple[Running, list[int], str]]:
    """The command, the process ids of its workers, and where they answer."""
    settings = {"STORE": store, "LOG_FORMAT": "json", "WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING} | env
    async with command("serve", "--port", "0", "--workers", "2", folder=folder, **settings) as running:
        pids = [await started(running) for _ in range(2)]
        url = await running.until(r"Upstream on (http://127.0.0.1:\d+) with 2 workers")
        yield running, pids, url


async def started(running: Running) -> int:
    return int(json.loads(await running.until(r'(.*"a worker starts".*)'))["pid"])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    async with asyncio.timeout(SECONDS):
        while is_alive(pid):  # noqa: ASYNC110 - not a child of this process
            await asyncio.sleep(0.02)


async def is_answered(url: str) -> bool:
    timeout = aiohttp.ClientTimeout(total=SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{url}/readyz") as answer:
        return answer.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_answer_and_all_stop(tmp_path: Path, redis_server: RedisServer, number: signal.Signals) -> None:
    async with serving(tmp_path, redis_server.url) as (running, pids, url):
        assert await is_answered(url)

        assert await running.stop(number) == 0

        assert [is_alive(pid) for pid in pids] == [False, False]
    assert "Traceback" not in "".join(running.lines)


async def test_one_that_dies_is_replaced_and_nobody_is_turned_away(tmp_path: Path, redis_server: RedisServer) -> None:
    async with serving(tmp_path, redis_server.url) as (running, pids, url):
        os.kill(pids[0], signal.SIGKILL)
        await running.until("(a worker ended, and is replaced)")
        assert await is_answered(url)

        assert await started(running) not in pids

        assert await running.stop(signal.SIGTERM) == 0


async def test_no_worker_outlives_the_one_that_looks_after_it(tmp_path: Path, redis_server: RedisServer) -> None:
    async with serving(tmp_path, redis_server.url) as (running, pids, _):
        running.process.kill()

        for pid in pids:
            await gone(pid)


async def test_events_to_any_worker_reach_everybody(tmp_path: Path, redis_server: RedisServer) -> None:
    async with LocalService(quick_config()) as service:
        env = {"WEBPUBSUB_CONNECTION_STRING": service.connection_string, "HUBS": "tests.e2e.shout_hub:ShoutHub"}
        async with serving(tmp_path, redis_server.url, **env) as (running, _, url):
            service.handle(f"{url}/eventhandler", hub="shout", system_events=())
            async with service.client("shout", "ana") as ana, service.client("shout", "ben") as ben:
                for number in range(20):
                    await ana.send_event("shout", str(number))
                heard = [(await ben.expect(type="message", timeout=SECONDS))["data"]["n"] for _ in range(20)]

            assert heard == list(range(20))
            assert await running.stop(signal.SIGTERM) == 0


async def test_what_workers_cannot_share_is_refused_in_a_sentence(tmp_path: Path) -> None:
    known = {"WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING}

    assert "SQLite file, which serves one process" in await fails("serve", "--workers", "2", folder=tmp_path, **known)
    memory = await fails("serve", "--workers", "2", folder=tmp_path, STORE="memory://", **known)
    assert "STORE=redis://" in memory


async def test_workers_that_cannot_start_end_the_command(tmp_path: Path) -> None:
    unreachable = {"STORE": f"unix://{tmp_path}/nothing", "WEBPUBSUB_CONNECTION_STRING": CONNECTION_STRING}

    text = await fails("serve", "--port", "0", "--workers", "2", folder=tmp_path, **unreachable)

    assert "no worker could start" in text
    assert "Redis cannot be reached" in text
