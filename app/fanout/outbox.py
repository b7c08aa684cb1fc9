"""The outbox: accepts actions, stores them many at a time, and has them sent."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import time

import structlog

from app.fanout.delivery import Delivery
from app.fanout.store import Batch, Entry, KeptAnswer, NewEntry, Store
from app.models.actions import Action
from app.upstream.deadlines import is_cancelling
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow, Key, Ledger
from app.upstream.publisher import trace_of_event
from app.upstream.reply import Reply
from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

BOOKKEEPING_SECONDS = 0.02
"""How long a note that something was sent may wait for company; a crash in between sends it again."""
RETRY_AFTER_SECONDS = 1
PROBE_SECONDS = 0.5
PACE_SECONDS = 0.002
"""Commits start at most this often. A lone event does not wait; under load more of them share a commit."""


CurrentTrace = Callable[[], str | None]
"""The `traceparent` of what is going on now, to be kept with an action."""


@dataclass(frozen=True)
class OutboxLimits:
    max_entries: int = 200_000
    max_bytes: int = 256 * 1024 * 1024
    answer_seconds: float = 180


class Outbox:
    """One per process. `open` before use; `drain`, then `close`.

    Commits that arrive while the store writes go into its next transaction together.
    """

    def __init__(
        self,
        store: Store,
        delivery: Delivery,
        limits: OutboxLimits | None = None,
        current_trace: CurrentTrace = trace_of_event,
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._limits = limits or OutboxLimits()
        self._current_trace = current_trace
        self._batch = Batch()
        self._waiters: list[asyncio.Future[None]] = []
        self._unwritten = 0
        self._wanted = asyncio.Event()
        self._stop = asyncio.Event()
        self._noting: asyncio.TimerHandle | None = None
        self._writer: asyncio.Task[None] | None = None
        self.keeps_every_answer = store.shares_answers
        self.failure: str | None = "the outbox is not open"
        """Why the store cannot be used at the moment."""
        self.refused = 0

    async def open(self, window: IdempotencyWindow) -> None:
        """Takes up what an earlier run left. Raises `StorageError`."""
        delivery = self._delivery
        delivery.start(self._settle)
        await self._store.open(self._accept, lambda kept: _restore(window, kept))
        self.failure = None
        self._writer = asyncio.create_task(self._write_on())

    @property
    def ledger(self) -> Ledger | None:
        """The answers of all replicas, where the store shares them."""
        return _StoreLedger(self._store) if self._store.shares_answers else None

    def waiting(self) -> int:
        """Actions accepted and neither sent nor given up, in all replicas."""
        return max(self._store.waiting(), len(self._delivery.lanes)) + self._unwritten

    def dead_letters(self) -> int:
        return self._store.dead_letters()

    def check_room(self) -> None:
        if self.failure is not None:
            self.refused += 1
            raise Overloaded(self.failure, retry_after_seconds=RETRY_AFTER_SECONDS)
        if self.waiting() >= self._limits.max_entries or self._delivery.lanes.bytes >= self._limits.max_bytes:
            self.refused += 1
            raise Overloaded("the outbox is full", retry_after_seconds=RETRY_AFTER_SECONDS)

    async def commit(
        self, lane: str, actions: Sequence[tuple[str, Action]], key: Key | None = None, reply: Reply | None = None
    ) -> None:
        """As `app.upstream.outbox.Outbox`. `lane` is for actions that name none; an empty one leaves it to each."""
        if self.failure is not None:
            raise Overloaded(self.failure, retry_after_seconds=RETRY_AFTER_SECONDS)
        now, batch = time(), self._batch
        entries = [
            NewEntry(_lane(hub, action, lane), hub, now, action.to_json()) for hub, action in self._with_trace(actions)
        ]
        batch.entries += entries  # at once: where one of them cannot be stored, none is
        self._unwritten += len(entries)
        if key is not None and reply is not None:
            batch.answers.append(KeptAnswer(key, reply, now + self._limits.answer_seconds))
        written = asyncio.get_running_loop().create_future()
        self._waiters.append(written)
        self._wanted.set()
        try:
            await written
        except StorageError as error:
            self.refused += 1
            raise Overloaded(str(error), retry_after_seconds=RETRY_AFTER_SECONDS) from error

    def _with_trace(self, actions: Sequence[tuple[str, Action]]) -> Sequence[tuple[str, Action]]:
        cause = self._current_trace()
        if cause is None:
            return actions
        return [(hub, action.model_copy(update={"traceparent": cause})) for hub, action in actions]

    async def drain(self, grace_seconds: float) -> None:
        """Sends on for at most `grace_seconds`; what is left then stays in the store."""
        self._store.quiesce()
        if not await self._delivery.drain(grace_seconds):
            log.warning("stopped with actions unsent", waiting=len(self._delivery.lanes))

    async def close(self) -> None:
        """Stops sending, writes down what was sent, lets go of the store."""
        await self._delivery.stop()
        self._stop.set()
        self._wanted.set()
        if self._writer is not None:
            await self._writer
            self._writer = None
        await self._store.close()

    def _accept(self, entries: Sequence[Entry]) -> None:
        self._delivery.take(entries)

    def _settle(self, entry: Entry, reason: str | None) -> None:
        """An entry was sent, or given up for `reason`."""
        if reason is None:
            self._batch.finished.append(entry.id)
        else:
            self._batch.dead.append((entry.id, reason))
        if self._noting is None:
            self._noting = asyncio.get_running_loop().call_later(BOOKKEEPING_SECONDS, self._wanted.set)

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        earliest = 0.0
        while self._batch or self._waiters or not self._stop.is_set():
            await self._wanted.wait()
            if (pause := earliest - loop.time()) > 0:
                await asyncio.sleep(pause)
            earliest = loop.time() + PACE_SECONDS
            self._wanted.clear()
            if self._noting is not None:
                self._noting.cancel()
                self._noting = None
            batch, self._batch = self._batch, Batch()
            waiters, self._waiters = self._waiters, []
            if await self._write(batch, waiters):
                continue
            if self._stop.is_set():
                log.warning("stopped without noting what was sent", repeated=len(self._batch.finished))
                break
            await self._pause()
        self.failure = "the outbox is closed"
        _tell(self._waiters, StorageError(self.failure))

    async def _write(self, batch: Batch, waiters: list[asyncio.Future[None]]) -> bool:
        try:
            await self._store.commit(batch)
        except (Exception, asyncio.CancelledError) as error:  # the writer must outlive whatever a store does
            if is_cancelling():
                raise
            self._failed(batch, waiters, error)
            return False
        finally:
            self._unwritten -= len(batch.entries)
        if self.failure is not None:
            log.info("the outbox can be written again")
            self.failure = None
        for written in waiters:
            if not written.done():
                written.set_result(None)
        return True

    def _failed(self, batch: Batch, waiters: list[asyncio.Future[None]], error: BaseException) -> None:
        """Those who wait are told; what was sent is noted with the next attempt."""
        if not isinstance(error, StorageError):
            log.error("the store failed unexpectedly", exc_info=error)
            error = StorageError(f"the outbox cannot be written: {type(error).__name__}")
        if self.failure is None:
            log.error("the outbox cannot be written", reason=str(error))
        self.failure = str(error)
        _tell(waiters, error)
        self._batch.finished[:0] = batch.finished
        self._batch.dead[:0] = batch.dead

    async def _pause(self) -> None:
        """While the store cannot be used events are refused, so the writer itself has to find out when it can."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                await self._stop.wait()
        self._wanted.set()


class _StoreLedger:
    """The store's claims, with its failures said as the event handler understands them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def claim(self, key: Key) -> Reply | None:
        try:
            return await self._store.claim(key)
        except StorageError as error:
            raise Overloaded(str(error), retry_after_seconds=RETRY_AFTER_SECONDS) from error

    async def release(self, key: Key) -> None:
        # Where it cannot be given back, it ends with its time or with this replica.
        with suppress(StorageError):
            await self._store.release(key)


def _tell(waiters: Sequence[asyncio.Future[None]], error: StorageError) -> None:
    for written in waiters:
        if not written.done():
            written.set_exception(error)


def _lane(hub: str, action: Action, cause: str) -> str:
    """Raises `ValueError` for a name that cannot be stored: it would spoil the commits of others."""
    if action.lane is not None:
        action.lane.encode()
        return f"{hub}/key/{action.lane}"
    return cause or f"{hub}/{action.target}"


def _restore(window: IdempotencyWindow, kept: Sequence[KeptAnswer]) -> None:
    now = time()
    for answer in kept:
        window.restore(answer.key, answer.reply, answer.expires_at - now)
