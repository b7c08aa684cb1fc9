"""The outbox against a model, whatever happens in whatever order: sends end, time passes, disks fail, processes die."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.fanout.delivery import Delivery
from app.fanout.memory import MemoryStore
from app.fanout.outbox import Outbox
from app.fanout.sqlite import SqliteStore
from app.fanout.store import Store
from app.models.actions import SendToAll
from app.storage.sqlite_file import SqliteFile
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow
from tests.app.fanout.outbox_model import POLICY, InlineExecutor, Message, Model, WatchedSender, WatchedStore
from tests.app.fanout.senders import failed
from tests.app.fanout.virtual_time import VirtualLoop, passes, wall_clock

CONCURRENCY = 2
LANES = ("a", "b", "c")
ENDS: dict[str, Callable[[], Exception | None]] = {
    "succeeds": lambda: None,
    "no answer": failed,
    "busy": lambda: failed(503),
    "throttled": lambda: failed(429, retry_after=3),
    "throttled for long": lambda: failed(503, retry_after=7),
    "refused": lambda: failed(400),
    "broken": lambda: RuntimeError("broken"),
}


class OutboxMachine(RuleBasedStateMachine):
    """With a store that forgets."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(structlog.testing.capture_logs())
        self.loop = VirtualLoop()
        self.stack.enter_context(wall_clock(self.wall_time))
        self.model = Model(clock=lambda: self.loop.now, wall=self.wall_time)
        self.commits: dict[asyncio.Task[None], list[int]] = {}

    def wall_time(self) -> float:
        return self.loop.wall_time()  # each life has a loop of its own

    def make_store(self) -> Store:
        return MemoryStore()

    def run(self, what: Coroutine[Any, Any, object]) -> None:
        self.loop.run_until_complete(what)
        self.loop.run_until_complete(passes())

    @initialize()
    def begin(self) -> None:
        self.sender = WatchedSender(self.model)
        self.delivery = Delivery(self.sender, POLICY, concurrency=CONCURRENCY)
        self.store = self.make_store()
        self.watched = WatchedStore(self.store, self.model)
        self.sender.delivery, self.sender.store = self.delivery, self.watched
        self.outbox = Outbox(self.watched, self.delivery)
        expected = self.model.unnoted()
        self.run(self.outbox.open(IdempotencyWindow()))
        handed_over = [self.model.published[number] for number in self.watched.numbers.values()]
        assert handed_over == expected, "what an earlier life left is taken up, all of it, in its order"

    @rule(lane=st.sampled_from(LANES), ttls=st.lists(st.sampled_from([None, None, 0, 2]), min_size=1, max_size=3))
    def publish(self, lane: str, ttls: list[int | None]) -> None:
        actions = []
        for number, ttl in enumerate(ttls, len(self.model.published)):
            self.model.published[number] = Message(number, lane, ttl, self.loop.wall_time())
            actions.append(("chat", SendToAll(data=str(number), ttl_seconds=ttl, lane=lane)))
        task = self.loop.create_task(self.outbox.commit("", actions))
        self.commits[task] = [int(action.data) for _, action in actions]
        self.run(passes())

    @precondition(lambda self: self.sender.held)
    @rule(
        ends=st.lists(st.tuples(st.integers(0, CONCURRENCY - 1), st.sampled_from(sorted(ENDS))), min_size=1, max_size=5)
    )
    def sends_end(self, ends: list[tuple[int, str]]) -> None:
        for which, end in ends:
            futures = list(self.sender.held.values())
            if futures:
                error = ENDS[end]()
                future = futures[which % len(futures)]
                future.set_result(None) if error is None else future.set_exception(error)
                self.run(passes())

    @rule(seconds=st.sampled_from([0.003, 0.03, 0.6, 2.5, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(passes(seconds))

    @rule(what=st.sampled_from(["works", "fails", "stalls before", "stalls after"]))
    def the_disk(self, what: str) -> None:
        self.watched.resume()
        self.watched.is_broken = what == "fails"
        if what == "stalls before":
            self.watched.before.clear()
        elif what == "stalls after":
            self.watched.after.clear()
        self.run(passes())

    def drain(self) -> None:
        """Everything becomes possible; then everything is done, and soon."""
        self.the_disk("works")
        self.sender.is_willing = True
        for future in list(self.sender.held.values()):
            future.set_result(None)
        self.run(passes(1))
        self.run(self.outbox.drain(3 * POLICY.deadline_seconds))
        self.run(passes(1))
        self.sender.is_willing = False
        assert len(self.delivery.lanes) == 0
        assert self.model.unnoted() == []
        assert self.outbox.failure is None
        assert self.outbox.waiting() == 0
        assert all(task.done() for task in self.commits)

    @invariant()
    def nothing_went_wrong_inside(self) -> None:
        assert self.model.complaints == []

    @invariant()
    def who_was_told_yes_is_right_and_so_is_who_was_told_no(self) -> None:
        stored = {message.number for message in self.model.committed}
        for task, numbers in list(self.commits.items()):
            if not task.done():
                continue
            del self.commits[task]
            if isinstance(task.exception(), Overloaded):
                assert stored.isdisjoint(numbers)
            else:
                assert task.exception() is None
                assert stored.issuperset(numbers)

    @invariant()
    def nothing_is_lost(self) -> None:
        """Each committed message waits, or was settled and the store will hear of it, or has heard."""
        numbers = self.watched.numbers
        waiting = {numbers[entry_id] for entry_id in self.delivery.lanes._entries}
        settled: set[int] = set()
        for batch in (self.outbox._batch, self.watched.underway):
            if batch is not None:
                settled |= {numbers[entry_id] for entry_id in batch.finished}
                settled |= {numbers[entry_id] for entry_id, _ in batch.dead}
        assert waiting.isdisjoint(settled)
        assert waiting | settled == {message.number for message in self.model.unnoted()}
        assert self.store.waiting() == len(self.model.unnoted())

    @invariant()
    def nobody_waits_who_could_be_sent(self) -> None:
        assert len(self.sender.held) <= CONCURRENCY
        assert self.delivery.lanes.ready == 0 or len(self.sender.held) == CONCURRENCY

    @invariant()
    def the_lanes_count_right(self) -> None:
        lanes = self.delivery.lanes
        entries = lanes._entries.values()
        assert lanes.bytes == sum(len(action) for *_, action in entries)
        assert len(lanes) == lanes.ready + len(lanes._resting) + len(lanes._after) + len(self.sender.held)
        assert set(lanes._last) == {lane for _, lane, *_ in entries}
        assert set(self.delivery._tried) <= set(lanes._entries)
        assert self.outbox._unwritten == sum(len(asked) for task, asked in self.commits.items() if not task.done())

    def kill(self) -> None:
        """Nothing is closed, nobody is told."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(passes())
        self.commits.clear()
        self.loop.close()
        self.loop = VirtualLoop(self.loop.now)

    def teardown(self) -> None:
        try:
            if hasattr(self, "outbox"):
                self.drain()
                self.nothing_went_wrong_inside()
                self.run(self.outbox.close())
        finally:
            self.kill()
            self.loop.close()
            self.stack.close()


class SqliteOutboxMachine(OutboxMachine):
    """With a store that remembers, and so may die."""

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(self.stack.enter_context(TemporaryDirectory())) / "outbox.db"

    def make_store(self) -> Store:
        self.file = SqliteFile(self.path)
        self.file._thread = InlineExecutor()  # type: ignore[assignment]
        return SqliteStore(self.file)

    @rule(how=st.sampled_from(["is killed", "stops", "drains and stops"]))
    def the_process(self, how: str) -> None:
        if how == "is killed":
            self.kill()
            self.file._close()  # as the kernel does: the lock goes, and what was not committed
        else:
            if how == "drains and stops":
                self.drain()
            self.stop()
        self.model.begin_life()
        self.begin()

    def stop(self) -> None:
        """It leaves nothing that would be sent twice, where the disk works."""
        self.watched.resume()
        self.run(self.outbox.close())
        self.who_was_told_yes_is_right_and_so_is_who_was_told_no()
        assert self.commits == {}
        if not self.watched.is_broken:
            assert not any(one.life == self.model.life for one in self.model.unnoted())


SETTINGS = settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True)
TestMemory = OutboxMachine.TestCase
TestMemory.settings = SETTINGS
TestSqlite = SqliteOutboxMachine.TestCase
TestSqlite.settings = SETTINGS
