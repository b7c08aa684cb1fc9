"""The store that forgets: for tests, and by choice where losing what is unsent at a stop does not matter."""

from collections import deque
from itertools import count
from time import time

from app.fanout.store import Accept, Batch, DeadLetter, Entry, EntryId, Remember
from app.upstream.idempotency import Key
from app.upstream.reply import Reply


class MemoryStore:
    shares_answers = False

    def __init__(self, *, max_dead_letters: int = 10_000) -> None:
        self._ids = count(1)
        # Plain tuples of atoms, which the garbage collector leaves out.
        self._unsent: dict[EntryId, tuple[str, str, float, bytes]] = {}
        self._accept: Accept | None = None
        self.dead: deque[DeadLetter] = deque(maxlen=max_dead_letters)

    async def open(self, accept: Accept, remember: Remember) -> None:
        self._accept = accept

    async def commit(self, batch: Batch) -> None:
        accepted = [Entry(next(self._ids), *new) for new in batch.entries]
        for done in batch.finished:
            self._unsent.pop(done, None)
        for given_up, reason in batch.dead:
            if (entry := self._unsent.pop(given_up, None)) is not None:
                lane, hub, accepted_at, action = entry
                self.dead.append(DeadLetter(given_up, hub, lane, accepted_at, time(), reason, action))
        self._unsent.update((one.id, one[1:]) for one in accepted)
        if accepted and self._accept is not None:
            self._accept(accepted)

    def quiesce(self) -> None: ...

    async def close(self) -> None: ...

    def waiting(self) -> int:
        return len(self._unsent)

    def dead_letters(self) -> int:
        return len(self.dead)

    async def claim(self, key: Key) -> Reply | None:
        return None

    async def release(self, key: Key) -> None: ...
