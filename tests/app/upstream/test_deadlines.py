"""The time limit of handlers."""

import asyncio

import pytest

from app.upstream.deadlines import Deadlines


async def limited(deadlines: Deadlines, work: asyncio.Event) -> str:
    task = deadlines.begin()
    try:
        await work.wait()
    except asyncio.CancelledError:
        if deadlines.end(task):
            return "late"
        raise
    finally:
        deadlines.end(task)
    return "in time"


async def test_late_work_is_cancelled_and_told_apart() -> None:
    deadlines = Deadlines(0.02, resolution=0.01)

    outcomes = await asyncio.gather(*(limited(deadlines, asyncio.Event()) for _ in range(3)))

    assert outcomes == ["late"] * 3


async def test_work_in_time_is_left_alone() -> None:
    event = asyncio.Event()
    event.set()

    assert await limited(Deadlines(0.02, resolution=0.01), event) == "in time"


async def test_a_task_goes_on_after_it_was_late() -> None:
    deadlines = Deadlines(0.02, resolution=0.01)

    async def twice() -> list[str]:
        return [await limited(deadlines, asyncio.Event()), await limited(deadlines, asyncio.Event())]

    assert await twice() == ["late", "late"]


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(limited(Deadlines(30), asyncio.Event()))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
