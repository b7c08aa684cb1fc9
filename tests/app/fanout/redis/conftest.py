"""Replicas of the store, and a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from time import time
from typing import Any

import pytest
from redis.asyncio import Redis

from app.fanout.redis.dead_letters import RedisDeadLetters
from app.fanout.redis.store import RedisStore
from app.fanout.store import Batch, Entry, KeptAnswer, NewEntry
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from tests.app.fanout.redis.server import RedisServer, redis_of_its_own

PATIENCE = 30
KEY: Key = ("chat", "conn-1", None, "1")
ANSWER = Reply(200, b"\x00\xff\nbody", ((b"content-type", b"text/plain"), (b"ce-connectionState", b"e30=")))


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.005)


class Replica:
    """A store, and everything it was given to send."""

    def __init__(self, server: RedisServer, name: str, options: dict[str, Any]) -> None:
        self.store = RedisStore(server.url, replica=name, **{"partitions": 4, "lease_seconds": 0.3} | options)
        self.entries: list[Entry] = []
        self._came = asyncio.Event()

    async def open(self) -> None:
        await self.store.open(self._accept, lambda _: None)

    def _accept(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self._came.set()

    async def received(self, count: int) -> list[Entry]:
        """The first `count` entries, as soon as there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.entries) < count:
                self._came.clear()
                await self._came.wait()
        return self.entries[:count]

    async def publish(self, lane: str, *actions: str) -> None:
        await self.store.commit(Batch(entries=[new_entry(lane, action) for action in actions]))

    async def finish(self, entries: Sequence[Entry]) -> None:
        await self.store.commit(Batch(finished=[entry.id for entry in entries]))

    def actions(self, lane: str) -> list[str]:
        return [entry.action.decode() for entry in self.entries if entry.lane == lane]

    @property
    def partitions(self) -> list[int]:
        return self.store._leases.partitions

    async def crash(self) -> None:
        """Ends without a word to Redis."""
        await self.store._loops.stop()
        await self.store._connection.close()


def new_entry(lane: str, action: str, hub: str = "chat") -> NewEntry:
    return NewEntry(lane, hub, 1700000000.25, action.encode())


def kept(reply: Reply = ANSWER, key: Key = KEY, seconds: float = 60) -> KeptAnswer:
    return KeptAnswer(key, reply, time() + seconds)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server


Open = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Open]:
    """Opens replicas; closes them in the end."""
    replicas: list[Replica] = []

    async def open_one(name: str = "one", **options: Any) -> Replica:
        one = Replica(server, name, options)
        replicas.append(one)
        await one.open()
        return one

    yield open_one
    await asyncio.gather(*(one.store.close() for one in replicas))


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def letters(server: RedisServer) -> AsyncIterator[RedisDeadLetters]:
    letters = RedisDeadLetters(server.url)
    yield letters
    await letters.close()
