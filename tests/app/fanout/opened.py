"""An open store, and what it handed over."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import time

from app.fanout.store import Batch, DeadLetter, Entry, KeptAnswer, NewEntry, Store
from app.upstream.idempotency import Key
from app.upstream.reply import Reply

PATIENCE = 30
KEY: Key = ("chat", "conn-1", None, "1")
ANSWER = Reply(200, b"\x00\xff\nbody", ((b"content-type", b"text/plain"), (b"ce-connectionstate", b"\xe9=")))


class Opened:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.entries: list[Entry] = []
        self.answers: list[KeptAnswer] = []
        self._came = asyncio.Event()

    async def open(self) -> None:
        await self.store.open(self._accept, self.answers.extend)

    def _accept(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self._came.set()

    async def received(self, count: int) -> list[Entry]:
        """The first `count` entries: a store may hand them over some time after the commit."""
        async with asyncio.timeout(PATIENCE):
            while len(self.entries) < count:
                self._came.clear()
                await self._came.wait()
        return self.entries[:count]

    async def publish(self, lane: str, *actions: str) -> list[Entry]:
        """The entries these became."""
        before = len(self.entries)
        await self.store.commit(Batch(entries=[new_entry(lane, action) for action in actions]))
        return (await self.received(before + len(actions)))[before:]

    async def finish(self, *entries: Entry) -> None:
        await self.store.commit(Batch(finished=[entry.id for entry in entries]))

    async def bury(self, reason: str, *entries: Entry) -> None:
        await self.store.commit(Batch(dead=[(entry.id, reason) for entry in entries]))


def new_entry(lane: str, action: str) -> NewEntry:
    return NewEntry(lane, "chat", 1_750_000_000.25, action.encode())


def kept(key: Key = KEY, reply: Reply = ANSWER, *, seconds: float = 60) -> KeptAnswer:
    return KeptAnswer(key, reply, time() + seconds)


def actions(entries: Sequence[Entry | DeadLetter]) -> list[str]:
    return [entry.action.decode() for entry in entries]


Open = Callable[..., Awaitable[Opened]]
"""Opens a store with the options it takes."""


@contextmanager
def beside(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection to a SQLite file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection
