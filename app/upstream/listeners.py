"""Announcements on their way to the listeners of this process."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from app.upstream.storage import FellBehind

BACKLOG = 1_000
"""So many announcements a listener may leave unread."""


class Listeners:
    """Never blocks the one who announces: who does not keep up is told so and has to start over."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._backlog = backlog
        self._queues: defaultdict[str, set[asyncio.Queue[bytes | None]]] = defaultdict(set)

    def tell(self, topic: str, body: bytes) -> None:
        for queue in self._queues.get(topic, ()):
            if queue.qsize() < self._backlog:
                queue.put_nowait(body)
            elif not queue.full():  # the last place is for saying so
                queue.put_nowait(None)

    def interrupt(self) -> None:
        """Something may have been missed: every listener starts over."""
        for queues in self._queues.values():
            for queue in queues:
                if not queue.full():
                    queue.put_nowait(None)

    @asynccontextmanager
    async def listen(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(self._backlog + 1)
        self._queues[topic].add(queue)
        try:
            yield _Unread(queue)
        finally:
            queues = self._queues[topic]
            queues.discard(queue)
            if not queues:
                del self._queues[topic]


class _Unread:
    """Not a generator: whoever gives up waiting for the next announcement may ask again."""

    def __init__(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._queue = queue

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        body = await self._queue.get()
        if body is None:
            raise FellBehind("announcements were missed")
        return body
