"""A time limit for many short tasks that costs almost nothing when nobody is late.

`asyncio.timeout` sets and cancels a timer for every call. Here one timer looks at all of them, so a limit is kept to
the nearest `resolution`.
"""

import asyncio
from typing import Any

Task = asyncio.Task[Any]


def is_cancelling() -> bool:
    """Whether somebody wants the current task to stop, rather than that it awaited something that was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Deadlines:
    """All deadlines are `seconds` after their start, so the dictionary is in order of lateness.

    `begin` and `end` surround the work; a task that is late is cancelled, and `end` tells that it was for that.
    """

    def __init__(self, seconds: float, *, resolution: float = 0.25) -> None:
        self._seconds = seconds
        self._resolution = min(resolution, seconds)
        self._running: dict[Task, float] = {}
        self._late: set[Task] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> Task | None:
        """The current task is on the clock now; `None` where it is already, or where there is no task."""
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None or task in self._running:
            return None
        self._running[task] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_later(self._resolution, self._look, loop)
        return task

    def end(self, task: Task | None) -> bool:
        """Whether the task was cancelled for being late; the cancellation is taken back then."""
        if task is None or self._running.pop(task, None) is not None or task not in self._late:
            return False
        self._late.discard(task)
        return task.uncancel() == 0

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, deadline in list(self._running.items()):
            if deadline > now:
                break
            del self._running[task]
            self._late.add(task)
            task.cancel()
        self._timer = loop.call_later(self._resolution, self._look, loop) if self._running else None
