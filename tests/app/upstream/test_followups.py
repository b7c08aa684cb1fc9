"""Work that goes on after its event was acknowledged."""

import asyncio
from contextvars import ContextVar

import pytest
import structlog

from app.upstream.errors import Overloaded
from app.upstream.followups import Followups

ONE, OTHER = ("chat", "conn-1"), ("chat", "conn-2")


async def test_one_connection_is_handled_in_order() -> None:
    followups, done = Followups(), []
    gate = asyncio.Event()

    async def first() -> None:
        await gate.wait()
        done.append("first")

    async def second() -> None:
        done.append("second")

    async def other() -> None:
        done.append("other")
        gate.set()

    followups.start(ONE, first)
    followups.start(ONE, second)
    followups.start(OTHER, other)
    await followups.drain(5)

    assert done == ["other", "first", "second"]
    assert len(followups) == 0


async def test_a_failure_is_logged_and_stops_nothing() -> None:
    followups, done = Followups(), []

    async def fails() -> None:
        raise RuntimeError("boom")

    async def works() -> None:
        done.append("done")

    with structlog.testing.capture_logs() as logs:
        followups.start(ONE, fails)
        followups.start(ONE, works)
        await followups.drain(5)

    assert done == ["done"]
    assert [(line["event"], line["hub"], line["connection_id"]) for line in logs] == [("handler failed", *ONE)]


async def test_a_full_house_refuses_before_anything_runs() -> None:
    followups, gate = Followups(limit=2), asyncio.Event()

    async def waits() -> None:
        await gate.wait()

    followups.start(ONE, waits)
    followups.start(ONE, waits)
    with pytest.raises(Overloaded):
        followups.start(OTHER, waits)
    gate.set()
    await followups.drain(5)

    followups.start(OTHER, waits)
    await followups.drain(5)


async def test_a_stop_cancels_what_takes_too_long() -> None:
    followups, cancelled = Followups(), []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    followups.start(ONE, forever)
    await asyncio.sleep(0)
    with structlog.testing.capture_logs() as logs:
        await followups.drain(0.01)

    assert cancelled == [True]
    assert logs[0]["event"] == "handlers cancelled at stop"


async def test_a_stop_waits_for_work_that_work_starts() -> None:
    followups, done = Followups(), []

    async def second() -> None:
        done.append("second")

    async def first() -> None:
        followups.start(OTHER, second)

    followups.start(ONE, first)
    await followups.drain(5)

    assert done == ["second"]


async def test_queued_work_runs_in_the_context_of_its_own_event() -> None:
    cause: ContextVar[str] = ContextVar("cause")
    gate, seen = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        seen.append(cause.get())

    followups = Followups()
    for name in ("connected", "joined", "left"):
        cause.set(name)
        followups.start(("chat", "c1"), work)
    gate.set()
    await followups.drain(5)

    assert seen == ["connected", "joined", "left"]
