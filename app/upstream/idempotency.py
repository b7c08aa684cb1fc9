"""A redelivered event runs once (spec/upstream.md 8).

The service delivers again after a 5xx, a 408 or a broken connection, with the same `ce-id`. The first answer is kept
and given again; a twin that arrives while the first still runs waits for it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Protocol

from app.models.events import ConnectionContext
from app.upstream.reply import Headers, Reply

Key = tuple[str, str, str | None, str]


def key_of(context: ConnectionContext) -> Key | None:
    """What names a delivery; `None` where the sender gave no `ce-id`.

    The physical connection is part of it: an MQTT client id is chosen by the device and used again.
    """
    if not context.event_id:
        return None
    return context.hub.lower(), context.connection_id, context.physical_connection_id, context.event_id


def _size(body: bytes, headers: Headers) -> int:
    """The state in a header may be larger than any body."""
    size = len(body)
    for _, value in headers:
        size += len(value)
    return size


class Ledger(Protocol):
    """Answers that several replicas share."""

    async def claim(self, key: Key) -> Reply | None:
        """The answer a replica gave, or `None` where this one shall run the delivery. Waits while another runs it.

        Raises `Overloaded` where that takes too long or the ledger cannot be reached.
        """

    async def release(self, key: Key) -> None:
        """Gives a claim back without an answer: the redelivery is a new attempt."""


class IdempotencyWindow:
    """Answers of the last `seconds`, at most `max_answers` and `max_bytes` of them; the oldest go first.

    Only final answers are kept: after a 5xx the redelivery is a new attempt.
    """

    def __init__(
        self,
        *,
        seconds: float = 180,
        max_answers: int = 100_000,
        max_bytes: int = 64 * 1024 * 1024,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._look_again = 0.0
        self._running: dict[Key, asyncio.Future[None] | None] = {}
        # Expiry, status, body, headers. Plain tuples of atoms all the way down: the garbage collector leaves them out,
        # so that a hundred thousand of them do not make it pause.
        self._answers: dict[Key, tuple[float, int, bytes, Headers]] = {}
        # In the order they were given, so what is due stands at the head. A dictionary's own head is slow to find.
        self._order: deque[Key] = deque()

    def __len__(self) -> int:
        return len(self._answers)

    async def once(self, key: Key, run: Callable[..., Awaitable[Reply]], *arguments: Any) -> tuple[Reply, bool]:
        """The answer for `key`, and whether it is a repeat. Raises what `run` raises, in the first caller only.

        With a ledger, `run` is what puts a final answer there.
        """
        while key in self._running:
            await self._first_to_finish(key)
        known = self._answers.get(key)
        if known is not None:
            if known[0] > self._clock():
                return Reply(*known[1:]), True
            self._prune(self._clock())
        self._running[key] = None
        try:
            if self._ledger is not None:
                return await self._once_among_replicas(self._ledger, key, run, *arguments)
            reply = await run(*arguments)
            if reply.status < 500:
                self._keep(key, reply)
            return reply, False
        finally:
            twins = self._running.pop(key)
            if twins is not None:
                twins.set_result(None)

    async def _once_among_replicas(
        self, ledger: Ledger, key: Key, run: Callable[..., Awaitable[Reply]], *arguments: Any
    ) -> tuple[Reply, bool]:
        known = await ledger.claim(key)
        if known is not None:
            self._keep(key, known)
            return known, True
        final = False
        try:
            reply = await run(*arguments)
            if final := reply.status < 500:
                self._keep(key, reply)
            return reply, False
        finally:
            if not final:
                await ledger.release(key)

    async def _first_to_finish(self, key: Key) -> None:
        twins = self._running[key]
        if twins is None:
            twins = self._running[key] = asyncio.get_running_loop().create_future()
        await asyncio.shield(twins)

    def _keep(self, key: Key, reply: Reply) -> None:
        now = self._clock()
        self._keep_until(key, reply, now, now + self._seconds)

    def restore(self, key: Key, reply: Reply, seconds: float) -> None:
        """Takes an answer that an earlier run gave, for what is left of its time. Oldest first."""
        if key not in self._answers:
            now = self._clock()
            self._keep_until(key, reply, now, now + min(seconds, self._seconds))

    def _keep_until(self, key: Key, reply: Reply, now: float, expires_at: float) -> None:
        self._answers[key] = (expires_at, reply.status, reply.body, reply.headers)
        self._order.append(key)
        self._bytes += _size(reply.body, reply.headers)
        if now >= self._look_again or len(self._answers) > self._max_answers or self._bytes > self._max_bytes:
            self._prune(now)

    def _prune(self, now: float) -> None:
        """Drops what is due and what does not fit."""
        answers, order = self._answers, self._order
        while order:
            full = len(order) > self._max_answers or self._bytes > self._max_bytes
            if not full and answers[order[0]][0] > now:
                break
            _, _, body, headers = answers.pop(order.popleft())
            self._bytes -= _size(body, headers)
        self._look_again = now + min(1.0, self._seconds)
