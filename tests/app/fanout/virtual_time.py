"""Time that passes only where nothing else can happen: pauses of minutes cost nothing and nothing is ever late."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec
from unittest.mock import patch

P = ParamSpec("P")

EPOCH = 1_750_000_000.0
MOMENT = 1e-6
_CLOCKS = ("delivery", "memory", "outbox", "sqlite")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Everything that is due runs first, then the clock is set to the next timer."""

    def __init__(self, now: float = 1000) -> None:
        self.now = now
        super().__init__(_ImpatientSelector(self))

    def time(self) -> float:
        return self.now

    def wall_time(self) -> float:
        return EPOCH + self.now


class _ImpatientSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits and no time is left that could pass")
        events = super().select(0)
        if not events:
            self._loop.now += timeout
        return events


@contextmanager
def wall_clock(clock: Callable[[], float]) -> Iterator[None]:
    """What the fan-out takes for the time of day."""
    patches = [patch(f"app.fanout.{module}.time", clock) for module in _CLOCKS]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs a test in a loop and by a wall clock of its own. Nothing in it may use threads or sockets."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        with wall_clock(loop.wall_time), asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(test(*args, **kwargs))

    return run


async def passes(seconds: float = MOMENT) -> None:
    """Everything that happens within these seconds has happened; without them, what happens at once."""
    await asyncio.sleep(seconds)
