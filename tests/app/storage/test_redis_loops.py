"""What goes on beside the calls, through every failure."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog

from app.storage import redis_loops
from app.storage.redis_loops import Loops, Step
from app.upstream.storage import StorageError
from tests.app.storage.conftest import PATIENCE


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_loops, "FIRST_PAUSE_SECONDS", 0.0)


def script(*outcomes: Exception | None) -> tuple[Step, asyncio.Event]:
    """A step with these outcomes, which then never ends; and when it got so far."""
    left, done = iter(outcomes), asyncio.Event()

    async def step() -> None:
        for outcome in left:
            if outcome is not None:
                raise outcome
            return
        done.set()
        await asyncio.Event().wait()

    return step, done


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


async def run(loops: Loops, *scripts: tuple[Step, asyncio.Event]) -> None:
    loops.start(**{f"loop-{number}": step for number, (step, _) in enumerate(scripts)})
    async with asyncio.timeout(PATIENCE):
        for _, done in scripts:
            await done.wait()
    await loops.stop()


async def test_an_outage_is_told_once_when_it_begins_and_once_when_it_is_over(
    logs: list[structlog.typing.EventDict],
) -> None:
    failures = [StorageError("Redis cannot be reached") for _ in range(6)]

    await run(Loops("outbox"), script(*failures[:3], None, None), script(None, *failures[3:], None))

    assert [(line["event"], line["part"]) for line in logs] == [
        ("store failing", "outbox"),
        ("store is back", "outbox"),
    ]
    assert logs[0]["reason"] == "Redis cannot be reached"


async def test_what_nobody_expected_is_logged_whole_and_the_loop_goes_on(
    logs: list[structlog.typing.EventDict],
) -> None:
    await run(Loops("outbox"), script(None, RuntimeError("unexpected"), None))

    assert [(line["event"], line["loop"], line["exc_info"]) for line in logs] == [("store failing", "loop-0", True)]


async def test_a_loop_that_swallows_its_cancellation_is_stopped_all_the_same() -> None:
    cancellations = 0

    async def stubborn() -> None:
        nonlocal cancellations
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancellations += 1
            if cancellations > 1:
                raise

    loops = Loops("outbox")
    loops.start(stubborn=stubborn)
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await loops.stop()

    assert cancellations == 2
