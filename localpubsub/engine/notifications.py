"""What an upstream is told without being asked (spec/service.md 9.7)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from localpubsub.engine.hub import Connection

log = logging.getLogger(__name__)


class Notifications:
    """One after the other per connection, in the order they were added; nobody waits for them but user events."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._last: dict[Connection, asyncio.Task[None]] = {}
        self._connected: dict[Connection, asyncio.Task[None]] = {}

    def add(self, connection: Connection, send: Callable[[], Awaitable[None]], *, is_connected: bool = False) -> None:
        """Returns at once."""
        task = asyncio.create_task(self._send(self._last.get(connection), send))
        self._tasks.add(task)
        self._last[connection] = task
        if is_connected:
            self._connected[connection] = task

        def done(_: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            for tasks in (self._last, self._connected):
                if tasks.get(connection) is task:
                    del tasks[connection]
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("hub %r could not be told of a connection", connection.hub, exc_info=error)

        task.add_done_callback(done)

    async def connected(self, connection: Connection) -> None:
        """Waits until the upstream was told that the connection is there."""
        task = self._connected.get(connection)
        if task is not None:
            await asyncio.wait([task])

    @staticmethod
    async def _send(previous: asyncio.Task[None] | None, send: Callable[[], Awaitable[None]]) -> None:
        if previous is not None:
            await asyncio.wait([previous])
        await send()

    async def drain(self, seconds: float) -> None:
        """Waits for what is still to be told, at most so long; the rest is given up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
