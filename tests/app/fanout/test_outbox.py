"""The outbox between those who publish, the store and the delivery, by a clock that passes at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from app.fanout.delivery import Delivery
from app.fanout.memory import MemoryStore
from app.fanout.outbox import BOOKKEEPING_SECONDS, PACE_SECONDS, Outbox, OutboxLimits
from app.fanout.sqlite import SqliteStore
from app.fanout.store import Accept, Entry, Remember, Store
from app.models.actions import SendToAll, SendToGroup
from app.storage.sqlite_file import SqliteFile
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow, Key
from app.upstream.reply import Reply
from app.upstream.storage import StorageError
from tests.app.fanout.outbox_model import InlineExecutor
from tests.app.fanout.outbox_run import ANSWER, KEY, ShyStore, running, say
from tests.app.fanout.senders import HeldSender, ScriptedSender
from tests.app.fanout.virtual_time import in_virtual_time, passes


@in_virtual_time
async def test_publishing_returns_when_the_store_has_it_and_not_before() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.gate.clear()
        publishing = run.publish("x")
        await passes(60)
        assert not publishing.done()
        assert sender.attempts == []

        run.store.gate.set()
        await publishing


@in_virtual_time
async def test_publishing_does_not_wait_for_the_service() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        await run.publish("x")
        await passes()

        assert sender.held == ["x"]


@in_virtual_time
async def test_an_action_s_lane_is_its_own_or_the_cause_s_or_its_target() -> None:
    group = SendToGroup(group="lobby", data="x")
    async with running() as run:
        for lane, action in (
            ("cause", SendToAll(data="x", lane="mine")),
            ("cause", group),
            ("", group),
            ("", SendToAll(data="x")),
        ):
            await run.outbox.commit(lane, [("chat", action)])

        assert run.store.lanes == ["chat/key/mine", "cause", "chat/group/lobby", "chat/*"]


@in_virtual_time
async def test_those_that_come_while_the_store_writes_share_the_next_commit() -> None:
    async with running() as run:
        run.store.gate.clear()
        first = run.publish("x")
        await passes()
        others = [run.publish(str(number)) for number in range(100)]
        await passes()
        run.store.gate.set()
        await asyncio.gather(first, *others)

        assert run.store.sizes[:2] == [1, 100]


@in_virtual_time
async def test_a_lone_event_is_stored_at_once_and_the_next_a_pace_later() -> None:
    loop = asyncio.get_running_loop()
    async with running(HeldSender()) as run:
        await passes(1)
        began = loop.time()
        await run.publish("1")
        assert loop.time() == began
        await asyncio.gather(run.publish("2"), run.publish("3"))

        assert loop.time() - began == pytest.approx(PACE_SECONDS)
        assert run.store.sizes == [1, 2]


@in_virtual_time
async def test_notes_of_what_was_sent_wait_a_little_for_company() -> None:
    async with running(ScriptedSender(slow=[BOOKKEEPING_SECONDS / 2])) as run:
        await asyncio.gather(run.publish("quick", lane="a"), run.publish("slow", lane="b"))
        await passes(BOOKKEEPING_SECONDS * 3)

        assert [batch.finished for batch in run.store.commits] == [[], [1, 2]]
        assert run.store.waiting() == 0


@in_virtual_time
async def test_too_many_actions_are_refused_before_any_work() -> None:
    sender = HeldSender()
    async with running(sender, OutboxLimits(max_entries=3)) as run:
        run.store.gate.clear()
        underway = run.publish("1")
        await passes()
        unwritten = run.publish("2", "3")
        await passes()
        assert run.outbox.waiting() == 3
        with pytest.raises(Overloaded, match="full"):
            run.outbox.check_room()

        run.store.gate.set()
        await underway
        assert not unwritten.done()
        assert run.outbox.waiting() == 3
        await unwritten
        with pytest.raises(Overloaded, match="full"):
            run.outbox.check_room()
        assert run.outbox.refused == 2

        sender.release("1")
        await passes(1)
        run.outbox.check_room()
        assert run.outbox.waiting() == 2


@in_virtual_time
async def test_too_many_bytes_are_refused_before_any_work() -> None:
    sender = HeldSender()
    one, other = (len(SendToAll(data=text).to_json()) for text in ("x" * 900, "y"))
    async with running(sender, OutboxLimits(max_bytes=one + other)) as run:
        await run.publish("x" * 900)
        await passes()
        run.outbox.check_room()
        await run.publish("y")
        await passes()

        with pytest.raises(Overloaded, match="full"):
            run.outbox.check_room()

        sender.release("x" * 900)
        await passes(1)
        run.outbox.check_room()


@in_virtual_time
async def test_an_answer_is_stored_with_the_actions_of_its_event() -> None:
    loop = asyncio.get_running_loop()
    async with running(limits=OutboxLimits(answer_seconds=90)) as run:
        await run.outbox.commit("lane", say("x"), KEY, ANSWER)
        (batch,) = run.store.commits

        (kept,) = batch.answers
        assert (len(batch.entries), kept.key, kept.reply) == (1, KEY, ANSWER)
        assert kept.expires_at - batch.entries[0].accepted_at == 90
    assert loop.time() < 1001


@in_virtual_time
async def test_an_event_without_actions_waits_for_its_answer_alone() -> None:
    async with running() as run:
        await run.outbox.commit("lane", [], KEY, ANSWER)
        assert [len(batch.answers) for batch in run.store.commits] == [1]

        await run.outbox.commit("lane", [])


@in_virtual_time
async def test_nothing_is_taken_before_the_outbox_is_open_or_after_it_is_closed() -> None:
    outbox = Outbox(ShyStore(), Delivery(ScriptedSender()))
    with pytest.raises(Overloaded, match="not open"):
        outbox.check_room()
    with pytest.raises(Overloaded, match="not open"):
        await outbox.commit("lane", say("x"))
    async with running() as run:
        pass

    with pytest.raises(Overloaded, match="closed"):
        run.outbox.check_room()
    assert await run.refused("x") == "the outbox is closed"
    assert run.store.is_closed


@in_virtual_time
async def test_draining_sends_on_and_says_what_is_left() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        await run.publish("1", "2")
        with structlog.testing.capture_logs() as logs:
            await run.outbox.drain(1)
            assert [(one["event"], one["waiting"]) for one in logs] == [("stopped with actions unsent", 2)]
            logs.clear()
            sender.release("1")
            await passes()
            sender.release("2")
            await run.outbox.drain(1)
        assert logs == []


def file_store(path: Path) -> SqliteStore:
    file = SqliteFile(path)
    file._thread = InlineExecutor()  # type: ignore[assignment]
    return SqliteStore(file)


@asynccontextmanager
async def opened(store: Store, sender: ScriptedSender | HeldSender) -> AsyncIterator[tuple[Outbox, IdempotencyWindow]]:
    outbox, window = Outbox(store, Delivery(sender)), IdempotencyWindow(clock=asyncio.get_running_loop().time)
    await outbox.open(window)
    yield outbox, window
    await outbox.close()


@in_virtual_time
async def test_a_clean_stop_leaves_nothing_that_is_sent_again(path: Path) -> None:
    first, second = HeldSender(), ScriptedSender()
    async with opened(file_store(path), first) as (outbox, _):
        await outbox.commit("a", say("sent"))
        await outbox.commit("b", say("left", "behind"))
        await passes()
        first.release("sent")
        await passes()

    async with opened(file_store(path), second):
        await passes()

    assert first.sent == ["sent"]
    assert second.sent == ["left", "behind"]


@in_virtual_time
async def test_a_first_answer_is_given_again_after_a_restart_for_the_time_it_has_left(path: Path) -> None:
    async def run_again() -> Reply:
        return Reply(200, b"second")

    async with opened(file_store(path), ScriptedSender()) as (outbox, _):
        await outbox.commit("a", say("x"), KEY, ANSWER)
    await passes(170)

    async with opened(file_store(path), ScriptedSender()) as (_, window):
        assert await window.once(KEY, run_again) == (ANSWER, True)
        await passes(9)
        assert await window.once(KEY, run_again) == (ANSWER, True)
        await passes(2)
        assert await window.once(KEY, run_again) == (Reply(200, b"second"), False)


class SharedStore(MemoryStore):
    """Answers of other replicas, which cannot be reached."""

    shares_answers = True

    async def claim(self, key: Key) -> Reply | None:
        raise StorageError("no connection")

    async def release(self, key: Key) -> None:
        raise StorageError("no connection")


@in_virtual_time
async def test_a_ledger_that_cannot_be_reached_means_come_again() -> None:
    ledger = Outbox(SharedStore(), Delivery(ScriptedSender())).ledger
    assert ledger is not None

    with pytest.raises(Overloaded, match="no connection"):
        await ledger.claim(KEY)
    await ledger.release(KEY)


def test_only_a_shared_store_has_a_ledger_and_needs_every_answer() -> None:
    alone = Outbox(MemoryStore(), Delivery(ScriptedSender()))
    shared = Outbox(SharedStore(), Delivery(ScriptedSender()))

    assert (alone.ledger, alone.keeps_every_answer) == (None, False)
    assert shared.keeps_every_answer


@in_virtual_time
async def test_the_store_may_hand_entries_over_late() -> None:
    class Late(ShyStore):
        async def open(self, accept: Accept, remember: Remember) -> None:
            self.late = accept
            await super().open(lambda entries: None, remember)

    store, sender = Late(), ScriptedSender()
    async with opened(store, sender) as (outbox, _):
        await outbox.commit("lane", say("x"))
        await passes(5)
        assert outbox.waiting() == 1
        assert sender.sent == []
        store.late([Entry(1, *store.commits[0].entries[0])])
        await passes(1)

        assert outbox.waiting() == 0
    assert sender.sent == ["x"]
