"""What goes on for ever beside the calls, through every outage of Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from random import uniform
from time import monotonic

import structlog

from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0

Step = Callable[[], Awaitable[None]]


class Loops:
    """Each step is repeated; after a failure once a pause is over.

    Tells the log once that Redis fails and once that it is back, however many loops notice and how often.
    """

    def __init__(self, part: str) -> None:
        self._part = part
        self._tasks: set[asyncio.Task[None]] = set()
        self._failing: set[str] = set()
        self._since = 0.0

    def start(self, **steps: Step) -> None:
        self._tasks = {asyncio.create_task(self._repeat(name, step)) for name, step in steps.items()}

    async def stop(self) -> None:
        await end(self._tasks)
        self._tasks = set()

    async def _repeat(self, name: str, step: Step) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await step()
            except StorageError as error:
                self._begin_outage(name, error)
            except Exception:
                log.exception("store failing", part=self._part, loop=name)
            else:
                self.succeeded(name)
                pause = FIRST_PAUSE_SECONDS
                continue
            await asyncio.sleep(uniform(pause / 2, pause))  # noqa: S311 - replicas shall not come back in step
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _begin_outage(self, name: str, error: StorageError) -> None:
        if not self._failing:
            self._since = monotonic()
            log.error("store failing", part=self._part, reason=str(error))
        self._failing.add(name)

    def succeeded(self, name: str) -> None:
        """For a step that goes on long after Redis has answered."""
        if name not in self._failing:
            return
        self._failing.remove(name)
        if not self._failing:
            log.warning("store is back", part=self._part, outage_seconds=round(monotonic() - self._since, 1))


async def end(tasks: set[asyncio.Task[None]]) -> None:
    """Cancels them until they are over."""
    while tasks:
        # Once is not always enough: before Python 3.12 `wait_for`, which redis-py uses, may swallow it.
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=0.2)
