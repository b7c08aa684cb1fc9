"""Sends what the lanes give out: many lanes at once, one entry of a lane at a time, until each is final."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import uniform
from time import time
from typing import Protocol

import structlog
from pydantic import ValidationError

from app.fanout.lanes import Lanes
from app.fanout.store import Entry, EntryId
from app.models.actions import ACTION, Action
from app.upstream.deadlines import is_cancelling
from app.upstream.errors import UpstreamError

log = structlog.get_logger(__name__)


class SendFailed(UpstreamError):
    """The service did not take an action. `status` is its answer, `None` when there was none."""

    def __init__(self, reason: str, status: int | None = None, *, retry_after_seconds: float = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_final(self) -> bool:
        """Whether trying again is pointless: a 4xx about the action, not about our key, the time or the load."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in (401, 408, 429)


class Sender(Protocol):
    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        """Returns when the service has taken the action. Raises `SendFailed`.

        `waited_seconds` is how long ago it was accepted; what is left of its time to live is the service's.
        """


@dataclass(frozen=True)
class RetryPolicy:
    deadline_seconds: float = 300
    """From an entry's first attempt. Then it is given up and its lane moves on."""
    first_pause_seconds: float = 0.25
    longest_pause_seconds: float = 30

    def pause(self, attempts: int) -> float:
        """Seconds before the next attempt: doubled each time, half of it chance, lest retries come all at once."""
        pause = min(self.longest_pause_seconds, self.first_pause_seconds * 2.0 ** min(attempts - 1, 30))
        return pause * uniform(0.5, 1.0)  # noqa: S311 - chance, not a secret


@dataclass
class Counts:
    """Since the start of the process."""

    sent: int = 0
    retried: int = 0
    dead: int = 0
    expired: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    """Failed attempts by status, or `none` where there was no answer."""


Settle = Callable[[Entry, str | None], None]


class Delivery:
    """Workers come when there is something to send and go when there is nothing; at most `concurrency` of them."""

    def __init__(self, sender: Sender, policy: RetryPolicy | None = None, *, concurrency: int = 128) -> None:
        self._sender = sender
        self._policy = policy or RetryPolicy()
        self._concurrency = concurrency
        self._settle: Settle
        self._workers: set[asyncio.Task[None]] = set()
        self._tried: dict[EntryId, tuple[float, int]] = {}
        """When an entry that failed was first tried (loop time), and how often."""
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0
        self._empty = asyncio.Event()
        self._empty.set()
        self._stopped = False
        self.lanes = Lanes()
        self.counts = Counts()

    def start(self, settle: Settle) -> None:
        """`settle` hears of every entry once: sent, or given up for a reason."""
        self._settle = settle

    def take(self, entries: Sequence[Entry]) -> None:
        self.lanes.add(entries)
        if entries:
            self._empty.clear()
        self._hire()

    async def drain(self, grace_seconds: float) -> bool:
        """Waits until everything is settled, or the grace period is over; whether it was in time."""
        try:
            async with asyncio.timeout(grace_seconds):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Sends nothing more. What is on its way may or may not arrive, and stays unsettled."""
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def _hire(self) -> None:
        if self._stopped:
            return
        for _ in range(min(self.lanes.ready, self._concurrency - len(self._workers))):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._leave)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled():
            self._hire()  # what became ready since it looked last may have found no place free

    async def _work(self) -> None:
        clock = asyncio.get_running_loop().time
        while not self._stopped and (entry := self.lanes.take()) is not None:
            began = clock()
            try:
                reason = await self._attempt(entry)
            except SendFailed as failure:
                self._failed(entry, began, failure)
            except (Exception, asyncio.CancelledError) as error:
                if is_cancelling():
                    raise  # it is we who are to stop, not something the sender waited for
                log.exception("sending failed unexpectedly", hub=entry.hub, lane=entry.lane)
                self._failed(entry, began, SendFailed(type(error).__name__))
            else:
                self._finish(entry, reason)

    async def _attempt(self, entry: Entry) -> str | None:
        """Sends it once; a reason where it is given up without an attempt."""
        try:
            action = ACTION.validate_json(entry.action)
        except ValidationError:
            return "the stored action cannot be read"
        waited = max(0.0, time() - entry.accepted_at)  # clocks are set, and replicas have their own
        ttl = getattr(action, "ttl_seconds", None)
        if ttl and waited >= ttl:
            self.counts.expired += 1
            log.info("message expired unsent", hub=entry.hub, lane=entry.lane, ttl_seconds=ttl)
            return None
        await self._sender.send(entry.hub, action, waited_seconds=waited)
        self.counts.sent += 1
        return None

    def _finish(self, entry: Entry, reason: str | None) -> None:
        if self._tried:
            self._tried.pop(entry.id, None)
        if reason is not None:
            self.counts.dead += 1
            log.error("action given up", hub=entry.hub, lane=entry.lane, entry=entry.id, reason=reason)
        self.lanes.finish(entry)
        self._settle(entry, reason)
        if not self.lanes:
            self._empty.set()

    def _failed(self, entry: Entry, began: float, failure: SendFailed) -> None:
        now = asyncio.get_running_loop().time()
        first, attempts = self._tried.get(entry.id, (began, 0))
        attempts += 1
        kind = str(failure.status or "none")
        self.counts.failures[kind] = self.counts.failures.get(kind, 0) + 1
        deadline = first + self._policy.deadline_seconds
        after = now + failure.retry_after_seconds
        if failure.is_final:
            self._finish(entry, failure.reason)
        elif now >= deadline or after > deadline:
            self._finish(entry, f"no success in {attempts} attempts, the last: {failure.reason}")
        else:
            self._tried[entry.id] = first, attempts
            self.counts.retried += 1
            self.lanes.rest(entry, max(after, min(deadline, now + self._policy.pause(attempts))))
            self._set_alarm()

    def _set_alarm(self) -> None:
        """One timer, for the rest that is over first."""
        at = self.lanes.next_wake
        if at is None or self._stopped or (self._alarm is not None and self._alarm_at <= at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = at
        self._alarm = asyncio.get_running_loop().call_at(at, self._wake)

    def _wake(self) -> None:
        self._alarm = None
        # A timer may be early by the clock's resolution.
        self.lanes.wake(max(self._alarm_at, asyncio.get_running_loop().time()))
        self._hire()
        self._set_alarm()
