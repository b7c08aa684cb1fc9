"""The outbox file when processes die, meet, or find the disk full."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.fanout.sqlite import SqliteStore
from app.storage.sqlite_file import FileInUse, SqliteFile
from app.storage.sqlite_storage import SqliteStorage
from tests.app.fanout.opened import Opened, actions

PATIENCE = 20
Process = asyncio.subprocess.Process
Start = Callable[[str], Awaitable[Process]]


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Start]:
    """Starts a process that uses the file; see `sqlite_process.py`."""
    processes: list[Process] = []

    async def start_one(what: str) -> Process:
        module = "tests.app.fanout.sqlite_process"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, what, str(path), stdout=asyncio.subprocess.PIPE
        )
        processes.append(process)
        return process

    yield start_one
    for process in processes:
        await kill(process)


async def kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()


async def line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        return (await process.stdout.readline()).decode().strip()


async def test_what_was_acknowledged_survives_a_kill_in_order(path: Path, start: Start) -> None:
    process = await start("commit")
    for number in range(50):
        assert await line(process) == str(number)
    process.kill()
    rest, _ = await process.communicate()
    acknowledged = 50 + len(rest.decode().splitlines())

    after = Opened(SqliteStore(SqliteFile(path)))
    await after.open()
    await after.store.close()

    # One more may be safe than we were told of; none may be torn.
    count = len(after.answers)
    assert count in (acknowledged, acknowledged + 1)
    assert actions(after.entries) == [f"{number}.{part}" for number in range(count) for part in (0, 1)]
    assert [answer.key[3] for answer in after.answers] == [str(number) for number in range(count)]


async def test_what_hubs_keep_survives_a_kill(path: Path, start: Start) -> None:
    process = await start("keep")
    for number in range(1, 51):
        assert await line(process) == str(number)
    process.kill()
    rest, _ = await process.communicate()
    acknowledged = 50 + len(rest.decode().splitlines())

    storage = SqliteStorage(SqliteFile(path))
    await storage.open()
    records, rows = await storage.read("log", limit=100_000), await storage.rows("table")
    await storage.close()

    # One more may be safe than we were told of.
    assert len(records) in (acknowledged, acknowledged + 1)
    assert [record.body for record in records] == [b"%d" % record.number for record in records]
    assert len(rows) in (acknowledged, acknowledged + 1)


async def test_a_second_process_is_refused_and_told_what_to_do_until_the_first_is_dead(
    path: Path, start: Start
) -> None:
    process = await start("hold")
    assert await line(process) == "open"
    with pytest.raises(FileInUse, match=r"run one worker, or share .* STORE=redis://"):
        await Opened(SqliteStore(SqliteFile(path))).open()

    await kill(process)

    one = Opened(SqliteStore(SqliteFile(path)))
    await one.open()
    await one.store.close()


async def test_a_full_disk_is_noticed_by_commits_and_probes_and_does_no_harm(path: Path, start: Start) -> None:
    process = await start("fill")
    said = [await line(process) for _ in range(4)]
    await process.communicate()

    assert said == ["refused", "refused", "safe", "safe"]
    after = Opened(SqliteStore(SqliteFile(path)))
    await after.open()
    await after.store.close()
    assert actions(after.entries) == ["0.0", "0.1", "2.0", "2.1"]
