"""What replicas tell each other of changes, and when memory may be trusted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic_core import to_json

from app.hubs.control_tower import changes
from app.hubs.control_tower.changes import Changes
from app.hubs.control_tower.requests import Create
from app.hubs.control_tower.shipment import Entry
from app.hubs.control_tower.trails import Trails
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import KEEP, Keep, Record
from tests.app.hubs.control_tower.stage import WAREHOUSE, plan


class Counting(MemoryStorage):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(self, log: str, *, after: int = 0, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        self.reads += 1
        return await super().read(log, after=after, limit=limit, keep=keep)


class Replica:
    def __init__(self, storage: Counting) -> None:
        self.trails = Trails(storage)
        self.missed = 0
        self.changes = Changes(storage, self.trails, self._miss)

    def _miss(self) -> None:
        self.missed += 1

    async def add(self, event: str, record_id: str) -> None:
        own = {"plan": Create.read(to_json(plan())).plan()} if event == "created" else {}
        entry = Entry.model_validate({"event": event, "by": WAREHOUSE, "at": 1.0, **own})
        await self.trails.add("S-1", entry, record_id)
        await self.changes.tell("S-1")

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.changes.listen())
        await asyncio.sleep(0)
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def storage() -> Counting:
    return Counting()


async def test_who_hears_everything_need_not_read_what_it_knows(storage: Counting) -> None:
    one, other = Replica(storage), Replica(storage)
    async with one.listening(), other.listening():
        await one.add("created", "a1")
        assert await one.changes.catch_up()
        assert await other.changes.catch_up()
        await other.trails.current("S-1")
        before = storage.reads
        shipments = [await replica.trails.current("S-1", trusts_memory=True) for replica in (one, other)]

        assert [shipment.state for shipment in shipments if shipment] == ["created", "created"]
        assert storage.reads == before


async def test_what_another_replica_changed_is_read_again(storage: Counting) -> None:
    one, other = Replica(storage), Replica(storage)
    async with one.listening(), other.listening():
        await one.add("created", "a1")
        await other.add("picked", "a2")

        assert await one.changes.catch_up()
        shipment = await one.trails.current("S-1", trusts_memory=True)

    assert shipment is not None
    assert shipment.state == "picked"
    assert one.changes.take() == {"S-1"}
    assert one.changes.take() == set()


async def test_who_does_not_listen_cannot_know(storage: Counting) -> None:
    assert not await Replica(storage).changes.catch_up()


async def test_who_fell_behind_is_told_so_and_starts_over(storage: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Replica(storage), Replica(storage)
    async with one.listening():
        await one.add("created", "a1")
        assert one.missed == 1
        for _ in range(1_002):
            await other.changes.tell("S-9")
        assert not await one.changes.catch_up()
        assert one.missed == 2
        before = storage.reads
        await one.trails.current("S-1", trusts_memory=True)

        assert storage.reads == before + 1
        assert await one.changes.catch_up()


async def test_an_announcement_that_never_comes_back_is_not_waited_for(
    storage: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(topic: str, body: bytes) -> None: ...

    monkeypatch.setattr(changes, "PATIENCE_SECONDS", 0)
    one = Replica(storage)
    async with one.listening():
        monkeypatch.setattr(storage, "announce", lost)

        assert not await one.changes.catch_up()


async def test_what_is_read_while_another_replica_writes_is_not_remembered(storage: Counting) -> None:
    """The reading began before the change, the change was heard before the reading ended."""
    one, other = Replica(storage), Replica(storage)
    await other.add("created", "a1")
    reading = storage.read

    async def slow(log: str, **options: object) -> list[Record]:
        found = await reading(log)
        await other.add("picked", "a2")
        one.trails.forget("S-1")
        return found

    storage.read = slow  # type: ignore[method-assign]
    old = await one.trails.current("S-1")
    storage.read = reading  # type: ignore[method-assign]
    new = await one.trails.current("S-1", trusts_memory=True)

    assert old is not None
    assert new is not None
    assert (old.state, new.state) == ("created", "picked")
