"""What an outbox must do, said simply, and the parts of one that tell the model what they see."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

from app.fanout.delivery import Delivery, RetryPolicy, SendFailed
from app.fanout.store import Accept, Batch, Entry, EntryId, Remember, Store
from app.models.actions import ACTION, Action
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from app.upstream.storage import StorageError
from tests.app.fanout.senders import text_of

POLICY = RetryPolicy(deadline_seconds=8, first_pause_seconds=0.5, longest_pause_seconds=2)


@dataclass(eq=False)
class Message:
    number: int
    lane: str
    ttl: int | None
    accepted_at: float
    sent: int = 0
    dead: bool = False
    noted: bool = False
    """The store has forgotten it, or buried it."""
    life: int = 0
    """In which life it became final the last time."""
    first_attempt: float | None = None
    not_before: float = 0

    def is_expired(self, now: float) -> bool:
        return bool(self.ttl) and now >= self.accepted_at + (self.ttl or 0)

    def is_final(self, now: float) -> bool:
        return bool(self.sent) or self.dead or self.is_expired(now)


@dataclass
class Model:
    """`complaints` gathers what went wrong inside the code under test, which would swallow an exception."""

    clock: Callable[[], float]
    wall: Callable[[], float]
    published: dict[int, Message] = field(default_factory=dict)
    committed: list[Message] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    life: int = 1

    def lane(self, name: str) -> list[Message]:
        return [one for one in self.committed if one.lane == name]

    def unnoted(self) -> list[Message]:
        return [one for one in self.committed if not one.noted]

    def attempted(self, message: Message, waited: float, waiting: set[int]) -> None:
        """`waiting` are those that the lanes still hold."""
        self._expect(message in self.committed, f"{message} sent before its commit")
        self._expect(message.life != self.life, f"{message} sent after it was final")
        self._expect(not message.is_expired(self.wall()), f"{message} sent after its time")
        self._expect(self.clock() >= message.not_before, f"{message} sent before {message.not_before}")
        self._expect(abs(waited - (self.wall() - message.accepted_at)) < 1e-6, f"{message} waited {waited}")
        for earlier in self.lane(message.lane):
            if earlier is message:
                break
            is_over = earlier.is_final(self.wall()) and earlier.number not in waiting
            self._expect(is_over, f"{message} sent while {earlier} waits")
        if message.first_attempt is None:
            message.first_attempt = self.clock()

    def succeeded(self, message: Message) -> None:
        message.sent += 1
        message.life = self.life

    def failed(self, message: Message, failure: SendFailed) -> None:
        assert message.first_attempt is not None
        deadline = message.first_attempt + POLICY.deadline_seconds
        message.not_before = self.clock() + failure.retry_after_seconds
        if failure.status == 400 or self.clock() >= deadline or message.not_before > deadline:
            message.dead = True
            message.life = self.life

    def stored(self, batch: Batch, numbers: dict[EntryId, int]) -> None:
        """A commit is safe."""
        for new in batch.entries:
            message = self.published[int(text_of(ACTION.validate_json(new.action)))]
            is_later = not self.committed or self.committed[-1].number < message.number
            self._expect(is_later, f"{message} committed twice or out of turn")
            self.committed.append(message)
        for entry_id in batch.finished:
            message = self.published[numbers[entry_id]]
            self._expect(bool(message.sent) or message.is_expired(self.wall()), f"{message} forgotten unsent")
            message.noted = True
        for entry_id, _ in batch.dead:
            message = self.published[numbers[entry_id]]
            self._expect(message.dead, f"{message} buried alive")
            message.noted = True

    def begin_life(self) -> None:
        self.life += 1
        for message in self.published.values():
            message.first_attempt, message.not_before = None, 0

    def _expect(self, condition: bool, complaint: str) -> None:
        if not condition:
            self.complaints.append(complaint)


class WatchedStore:
    """Tells the model what is safe; fails and stalls when told to."""

    shares_answers = False

    def __init__(self, inner: Store, model: Model) -> None:
        self._inner = inner
        self._model = model
        self._accept: Accept
        self.numbers: dict[EntryId, int] = {}
        self.is_broken = False
        self.before, self.after = asyncio.Event(), asyncio.Event()
        """A commit passes the first before it is safe, the second before it returns."""
        self.underway: Batch | None = None
        self.resume()

    def resume(self) -> None:
        self.before.set()
        self.after.set()

    async def open(self, accept: Accept, remember: Remember) -> None:
        self._accept = accept
        await self._inner.open(self._pass_on, remember)

    def _pass_on(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.numbers[entry.id] = int(text_of(ACTION.validate_json(entry.action)))
        self._accept(entries)

    async def commit(self, batch: Batch) -> None:
        if self.is_broken:
            raise StorageError("no space left")
        self.underway = batch
        await self.before.wait()
        committed = len(self._model.committed)
        # Entries are handed on inside, so the model has to know them first.
        self._model.stored(batch, self.numbers)
        await self._inner.commit(batch)
        assert len(self._model.committed) == committed + len(batch.entries)
        self.underway = None
        await self.after.wait()

    def quiesce(self) -> None:
        self._inner.quiesce()

    async def close(self) -> None:
        await self._inner.close()

    def waiting(self) -> int:
        return self._inner.waiting()

    def dead_letters(self) -> int:
        return self._inner.dead_letters()

    async def claim(self, key: Key) -> Reply | None:
        return None

    async def release(self, key: Key) -> None: ...


class WatchedSender:
    """Holds every send until it is told how it ends."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.delivery: Delivery
        self.store: WatchedStore
        self.held: dict[int, asyncio.Future[None]] = {}
        self.is_willing = False
        """Whether sends succeed at once."""

    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:
        model = self._model
        message = model.published[int(text_of(action))]
        waiting = {self.store.numbers[entry_id] for entry_id in self.delivery.lanes._entries}
        model.attempted(message, waited_seconds, waiting)
        busy = {model.published[number].lane for number in self.held}
        if message.lane in busy:
            model.complaints.append(f"{message} sent beside another of its lane")
        if not self.is_willing:
            future = self.held[message.number] = asyncio.get_running_loop().create_future()
            try:
                await future
            except SendFailed as failure:
                model.failed(message, failure)
                raise
            except RuntimeError as error:
                model.failed(message, SendFailed(str(error)))
                raise
            finally:
                del self.held[message.number]
        model.succeeded(message)


class InlineExecutor(Executor):
    """Runs everything at once in the caller's thread, so that nothing depends on how threads are scheduled."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future carries it
            future.set_exception(error)
        return future
