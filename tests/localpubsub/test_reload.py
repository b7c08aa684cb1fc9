"""The file of settings changes while the service runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from localpubsub import reload
from localpubsub.config import ServiceConfig
from localpubsub.config_file import load_config
from localpubsub.reload import ConfigWatch
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config, json_client

OPEN = "[hubs.door]\nanonymous_connect = 'allow'\n"


def write(path: Path, text: str) -> None:
    path.write_text(text)


class Applied:
    """What was put in force, as it comes."""

    def __init__(self, apply: Callable[[ServiceConfig], Sequence[str]] = lambda _: ()) -> None:
        self._apply = apply
        self.count = 0
        self._configs: asyncio.Queue[ServiceConfig] = asyncio.Queue()

    def __call__(self, config: ServiceConfig) -> Sequence[str]:
        waiting = self._apply(config)
        self.count += 1
        self._configs.put_nowait(config)
        return waiting

    async def next(self) -> ServiceConfig:
        return await asyncio.wait_for(self._configs.get(), 10)


@asynccontextmanager
async def watching(path: Path, applied: Applied, base: ServiceConfig | None = None) -> AsyncIterator[None]:
    watch = ConfigWatch(path, lambda: load_config(path, base), look_seconds=0.2)
    task = asyncio.create_task(watch.run(applied))
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "localpubsub.toml"
    path.write_text("")
    return path


async def test_a_change_is_put_in_force(path: Path) -> None:
    applied = Applied()
    async with watching(path, applied):
        write(path, OPEN)

        assert (await applied.next()).hub("door").anonymous_connect


async def test_a_file_that_replaces_it_is_seen(path: Path) -> None:
    applied = Applied()
    async with watching(path, applied):
        other = path.with_suffix(".new")
        other.write_text(OPEN)
        other.replace(path)

        assert (await applied.next()).hub("door").anonymous_connect


async def test_a_look_that_finds_no_change_does_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, looks = asyncio.get_running_loop(), asyncio.Semaphore(0)
    content = reload._content

    def look(path: Path) -> bytes | None:
        loop.call_soon_threadsafe(looks.release)
        return content(path)

    monkeypatch.setattr(reload, "_content", look)
    applied = Applied()
    async with watching(path, applied):
        for _ in range(4):
            await asyncio.wait_for(looks.acquire(), 10)

    assert applied.count == 0


async def test_a_broken_file_changes_nothing_and_says_why(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = asyncio.Event()

    def notice(record: logging.LogRecord) -> bool:
        if record.levelno == logging.ERROR:
            told.set()
        return True

    caplog.handler.addFilter(notice)
    applied = Applied()
    async with watching(path, applied):
        write(path, "[hubs.door]\nanonymus_connect = 1")
        await asyncio.wait_for(told.wait(), 10)
        write(path, OPEN)

        assert (await applied.next()).hub("door").anonymous_connect

    assert "hubs.door.anonymus_connect is not a setting; write anonymous_connect" in caplog.text
    assert "The settings of before stay in force." in caplog.text


async def test_a_change_made_before_the_watch_began_is_not_missed(path: Path) -> None:
    applied = Applied()
    watch = ConfigWatch(path, lambda: load_config(path), look_seconds=0.2)
    write(path, OPEN)
    task = asyncio.create_task(watch.run(applied))

    assert (await applied.next()).hub("door").anonymous_connect

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_clients_come_in_by_the_new_rules_and_a_port_waits_for_a_restart(
    path: Path, session: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with LocalPubSub(config()) as service, json_client(session, service) as before:
        applied = Applied(service.apply)
        url = f"ws://localhost:{service.port}/client/hubs/door"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url)
        async with watching(path, applied, config()):
            write(path, f"port = 1\n{OPEN}")
            await applied.next()

            async with session.ws_connect(url):
                pass
        assert (await before.ask(type="ping"))["type"] == "pong"

    assert service.config.port == 0
    assert "port: changed, and needs a restart" in caplog.text
