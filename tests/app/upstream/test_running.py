"""What a hub does of its own accord."""

import asyncio
from collections.abc import Callable

from app.upstream.hub import Hub
from app.upstream.running import running


class Clock(Hub):
    name = "clock"

    def __init__(self, tick: Callable[[], None]) -> None:
        self._tick = tick
        self.is_running = False

    async def run(self) -> None:
        self._tick()
        self.is_running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running = False


async def test_it_runs_while_the_server_is_up() -> None:
    begun = asyncio.Event()
    hub = Clock(begun.set)

    async with running([hub]):
        await asyncio.wait_for(begun.wait(), 5)
        assert hub.is_running

    assert not hub.is_running


async def test_a_failure_stops_neither_it_nor_the_others() -> None:
    attempts: list[int] = []
    well, again = asyncio.Event(), asyncio.Event()

    def fail_once() -> None:
        attempts.append(len(attempts))
        if len(attempts) == 1:
            raise OSError("the first attempt")
        again.set()

    async with running([Clock(fail_once), Clock(well.set)], restart_seconds=0):
        await asyncio.wait_for(asyncio.gather(well.wait(), again.wait()), 5)

    assert attempts == [0, 1]


async def test_most_hubs_have_nothing_to_do() -> None:
    class Quiet(Hub):
        name = "quiet"

    async with running([Quiet()]):
        pass
