"""An outbox over a store that does what a test tells it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from app.fanout.delivery import Delivery, RetryPolicy
from app.fanout.memory import MemoryStore
from app.fanout.outbox import Outbox, OutboxLimits
from app.fanout.store import Batch
from app.models.actions import Action, SendToAll
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow, Key
from app.upstream.reply import Reply
from tests.app.fanout.senders import HeldSender, ScriptedSender

KEY: Key = ("chat", "conn-1", None, "1")
ANSWER = Reply(200, b"first")


class ShyStore(MemoryStore):
    """Remembers its commits; fails and waits when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Batch] = []
        self.lanes: list[str] = []
        self.error: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    async def commit(self, batch: Batch) -> None:
        self.commits.append(batch)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.lanes += [entry.lane for entry in batch.entries]
        await super().commit(batch)

    async def close(self) -> None:
        self.is_closed = True

    @property
    def sizes(self) -> list[int]:
        return [len(batch.entries) for batch in self.commits]


def say(*texts: str, lane: str | None = None) -> Sequence[tuple[str, Action]]:
    return [("chat", SendToAll(data=text, lane=lane)) for text in texts]


class Run:
    def __init__(self, outbox: Outbox, store: ShyStore, delivery: Delivery) -> None:
        self.outbox = outbox
        self.store = store
        self.delivery = delivery

    def publish(self, *texts: str, lane: str = "lane") -> asyncio.Task[None]:
        return asyncio.create_task(self.outbox.commit(lane, say(*texts)))

    async def refused(self, *texts: str) -> str:
        with pytest.raises(Overloaded) as refusal:
            await self.outbox.commit("lane", say(*texts))
        assert (refusal.value.status, refusal.value.retry_after_seconds) == (503, 1)
        return refusal.value.reason


@asynccontextmanager
async def running(
    sender: ScriptedSender | HeldSender | None = None, limits: OutboxLimits | None = None
) -> AsyncIterator[Run]:
    store = ShyStore()
    delivery = Delivery(sender or ScriptedSender(), RetryPolicy(deadline_seconds=10))
    outbox = Outbox(store, delivery, limits)
    await outbox.open(IdempotencyWindow())
    yield Run(outbox, store, delivery)
    await outbox.close()
