"""A delivery in virtual time, and what it settled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.fanout.delivery import Delivery, RetryPolicy, Sender
from app.fanout.store import Entry, EntryId
from app.models.actions import SendToAll
from tests.app.fanout.virtual_time import VirtualLoop

POLICY = RetryPolicy(deadline_seconds=10, first_pause_seconds=1, longest_pause_seconds=4)


class Run:
    """A delivery, and what it settled."""

    def __init__(self, sender: Sender, concurrency: int, policy: RetryPolicy = POLICY) -> None:
        self.delivery = Delivery(sender, policy, concurrency=concurrency)
        self.settled: list[tuple[EntryId, str | None]] = []
        self.delivery.start(lambda entry, reason: self.settled.append((entry.id, reason)))
        self._ids = 0

    def take(self, lane: str, *texts: str, ttl_seconds: int | None = None, accepted_ago: float = 0) -> None:
        """Entries 1, 2, 3... in the order they are taken."""
        actions = [SendToAll(data=text, ttl_seconds=ttl_seconds).to_json() for text in texts]
        self.take_raw(lane, *actions, accepted_at=now() - accepted_ago)

    def take_raw(self, lane: str, *actions: bytes, accepted_at: float = 0) -> None:
        first = self._ids + 1
        self._ids += len(actions)
        self.delivery.take([Entry(n, lane, "chat", accepted_at, one) for n, one in enumerate(actions, first)])


def now() -> float:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop.wall_time()


@asynccontextmanager
async def running(sender: Sender, *, concurrency: int = 10, policy: RetryPolicy = POLICY) -> AsyncIterator[Run]:
    run = Run(sender, concurrency, policy)
    yield run
    await run.delivery.stop()
