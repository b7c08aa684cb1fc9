"""Work that goes on after its event was acknowledged: owned, ordered per connection, drained on stop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context

import structlog

from app.upstream.deadlines import is_cancelling
from app.upstream.errors import Overloaded
from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


class Followups:
    """Runs the work of one key in order and of many keys at once. A failure is logged and stops nothing."""

    def __init__(self, *, limit: int = 10_000) -> None:
        self._limit = limit
        self._pending = 0
        self._lanes: dict[tuple[str, str], deque[tuple[Work, Context | None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return self._pending

    def check_room(self) -> None:
        """Raises `Overloaded` when the limit is reached."""
        if self._pending >= self._limit:
            raise Overloaded(f"{self._pending} acknowledged events still wait for their handlers")

    def start(self, key: tuple[str, str], work: Work) -> None:
        """Returns at once; `work` begins after everything started before under `key`.

        Raises `Overloaded` when the limit is reached: the service delivers again, nothing is lost.
        """
        self.check_room()
        self._pending += 1
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append((work, copy_context()))
            return
        self._lanes[key] = deque([(work, None)])
        task = asyncio.create_task(self._run(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: tuple[str, str]) -> None:
        lane = self._lanes[key]
        try:
            while lane:
                try:
                    work, context = lane.popleft()
                    # Each in the context of its own event; the first has this task's.
                    await (work() if context is None else asyncio.create_task(_awaited(work), context=context))
                except asyncio.CancelledError:
                    if is_cancelling():
                        raise
                    log.exception("handler failed", hub=key[0], connection_id=key[1])
                except StorageError as error:
                    log.error("handler failed", hub=key[0], connection_id=key[1], reason=str(error))  # noqa: TRY400 - it says it all
                except Exception:
                    log.exception("handler failed", hub=key[0], connection_id=key[1])
                finally:
                    self._pending -= 1
        finally:
            self._pending -= len(lane)
            del self._lanes[key]

    async def drain(self, grace_seconds: float) -> None:
        """Waits for all work, what it starts included; cancels what is left after the grace period."""
        deadline = asyncio.get_running_loop().time() + grace_seconds
        while self._tasks:
            remaining = deadline - asyncio.get_running_loop().time()
            if remaining <= 0:
                break
            await asyncio.wait(self._tasks, timeout=remaining)
        if self._tasks:
            log.error("handlers cancelled at stop", unfinished=self._pending, grace_seconds=grace_seconds)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _awaited(work: Work) -> None:
    await work()
