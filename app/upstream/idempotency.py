"""A redelivered event runs once (spec/upstream.md 8).

The service delivers again after a 5xx, a 408 or a broken connection, with the same `ce-id`. The first answer is kept
and given again; a twin that arrives while the first still runs waits for it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from app.models.events import ConnectionContext
from app.upstream.reply import Reply

Key = tuple[str, str, str | None, str]


def key_of(context: ConnectionContext) -> Key | None:
    """What names a delivery; `None` where the sender gave no `ce-id`.

    The physical connection is part of it: an MQTT client id is chosen by the device and used again.
    """
    if not context.event_id:
        return None
    return context.hub.lower(), context.connection_id, context.physical_connection_id, context.event_id


class _Answer(NamedTuple):
    expires_at: float
    reply: Reply


class IdempotencyWindow:
    """Answers of the last `seconds`, at most `max_answers` of them and `max_bytes` of bodies; the oldest go first.

    Only final answers are kept: after a 5xx the redelivery is a new attempt.
    """

    def __init__(
        self,
        *,
        seconds: float = 180,
        max_answers: int = 100_000,
        max_bytes: int = 64 * 1024 * 1024,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._seconds = seconds
        self._max_answers = max_answers
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._running: dict[Key, list[asyncio.Future[None]]] = {}
        self._answers: dict[Key, _Answer] = {}  # in the order they were given, so what is due stands at the head

    def __len__(self) -> int:
        return len(self._answers)

    async def once(self, key: Key, run: Callable[[], Awaitable[Reply]]) -> tuple[Reply, bool]:
        """The answer for `key`, and whether it is a repeat. Raises what `run` raises, in the first caller only."""
        while (twins := self._running.get(key)) is not None:
            waiter = asyncio.get_running_loop().create_future()
            twins.append(waiter)
            await waiter
        known = self._answers.get(key)
        if known is not None:
            if known.expires_at > self._clock():
                return known.reply, True
            self._forget(key)
        self._running[key] = []
        try:
            reply = await run()
            if reply.status < 500:
                self._keep(key, reply)
            return reply, False
        finally:
            for waiter in self._running.pop(key):
                if not waiter.done():
                    waiter.set_result(None)

    def _keep(self, key: Key, reply: Reply) -> None:
        now = self._clock()
        self._answers[key] = _Answer(now + self._seconds, reply)
        self._bytes += len(reply.body)
        while self._answers:
            oldest = next(iter(self._answers))
            full = len(self._answers) > self._max_answers or self._bytes > self._max_bytes
            if not full and self._answers[oldest].expires_at > now:
                return
            self._forget(oldest)

    def _forget(self, key: Key) -> None:
        self._bytes -= len(self._answers.pop(key).reply.body)
