"""The outbox where the store fails, callers leave, or the end comes in between."""

import asyncio

import pytest
import structlog

from app.fanout.delivery import Delivery
from app.fanout.memory import MemoryStore
from app.fanout.outbox import PROBE_SECONDS, Outbox
from app.fanout.store import Accept, Remember
from app.models.actions import Action, SendToAll
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow
from app.upstream.storage import StorageError
from tests.app.fanout.outbox_run import ANSWER, KEY, running, say
from tests.app.fanout.senders import HeldSender, ScriptedSender, failed
from tests.app.fanout.virtual_time import in_virtual_time, passes


@in_virtual_time
async def test_where_the_store_fails_everybody_is_told_and_nothing_is_sent() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.error = StorageError("no space left")
        publishing = [run.publish("1"), run.publish("2")]
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)

        assert [(type(one), str(one)) for one in outcomes] == [(Overloaded, "no space left")] * 2
        assert run.outbox.failure == "no space left"
        assert run.outbox.waiting() == 0
        await passes(60)
    assert sender.attempts == []


@in_virtual_time
async def test_after_a_failure_events_are_refused_until_a_probe_succeeds() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.error = StorageError("no space left")
        await run.refused("lost")
        asked = len(run.store.commits)
        with pytest.raises(Overloaded, match="no space left"):
            run.outbox.check_room()
        assert await run.refused("lost too") == "no space left"
        assert len(run.store.commits) == asked
        await passes(3 * PROBE_SECONDS)
        assert run.outbox.failure == "no space left"
        assert not any(run.store.commits[asked:])

        run.store.error = None
        await passes(1.1 * PROBE_SECONDS)

        assert run.outbox.failure is None
        run.outbox.check_room()
        await run.publish("x")
        await passes()
    assert sender.sent == ["x"]


@in_virtual_time
async def test_what_comes_while_a_commit_fails_is_taken_with_the_next() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.gate.clear()
        run.store.error = StorageError("locked")
        unlucky = run.publish("1")
        await passes()
        lucky = run.publish("2")
        await passes()
        run.store.gate.set()
        with pytest.raises(Overloaded):
            await unlucky
        run.store.error = None
        await lucky
        await passes()

    assert sender.sent == ["2"]


@in_virtual_time
async def test_notes_survive_a_failure_and_are_written_later() -> None:
    sender = ScriptedSender(bad=[failed(400)])
    async with running(sender) as run:
        await asyncio.gather(run.publish("good", lane="a"), run.publish("bad", lane="b"))
        run.store.error = StorageError("locked")
        await passes(1)
        assert run.outbox.failure == "locked"
        assert run.store.waiting() == 2

        run.store.error = None
        await passes(1)

        assert run.store.waiting() == 0
        assert [letter.action for letter in run.store.dead] == [SendToAll(data="bad").to_json()]
        assert sorted(sender.sent) == ["good"]


@pytest.mark.parametrize("error", [RuntimeError("secret"), asyncio.CancelledError()])
@in_virtual_time
async def test_a_store_that_breaks_its_promise_is_one_that_fails(error: BaseException) -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.error = error
        with structlog.testing.capture_logs() as logs:
            assert await run.refused("lost") == f"the outbox cannot be written: {type(error).__name__}"
        assert [one["event"] for one in logs] == ["the store failed unexpectedly", "the outbox cannot be written"]
        run.store.error = None
        await passes(1)

        await run.publish("x")
        await passes()
    assert sender.sent == ["x"]


@in_virtual_time
async def test_who_stops_waiting_does_not_disturb_the_others() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.store.gate.clear()
        blocker = run.publish("0")
        await passes()
        impatient, patient = run.publish("1"), run.publish("2")
        await passes()
        impatient.cancel()
        await passes()
        run.store.gate.set()
        await asyncio.gather(blocker, patient)
        await passes()

        assert impatient.cancelled()
    assert sender.sent == ["0", "1", "2"]


@pytest.mark.parametrize("bad", [SendToAll(data="\ud800"), SendToAll(data="x", lane="\ud800")])
@in_virtual_time
async def test_actions_of_one_event_are_taken_together_or_not_at_all(bad: Action) -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        with pytest.raises(ValueError, match="surrogate"):
            await run.outbox.commit("lane", [*say("good"), ("chat", bad)], KEY, ANSWER)
        await run.publish("another's")
        await passes()

        assert run.store.sizes == [1]
        assert run.store.commits[0].answers == []
    assert sender.sent == ["another's"]


@in_virtual_time
async def test_an_outbox_whose_store_does_not_open_stays_shut() -> None:
    class Unopened(MemoryStore):
        async def open(self, accept: Accept, remember: Remember) -> None:
            raise StorageError("in use")

    outbox = Outbox(Unopened(), Delivery(ScriptedSender()))
    with pytest.raises(StorageError, match="in use"):
        await outbox.open(IdempotencyWindow())

    with pytest.raises(Overloaded, match="not open"):
        outbox.check_room()
    await outbox.close()


@in_virtual_time
async def test_closing_a_failing_outbox_tells_those_who_came_last() -> None:
    async with running() as run:
        run.store.gate.clear()
        run.store.error = StorageError("locked")
        first = run.publish("1")
        await passes()
        last = run.publish("2")
        await passes()
        closing = asyncio.create_task(run.outbox.close())
        await passes()
        run.store.gate.set()
        await closing

        assert await asyncio.gather(first, last, return_exceptions=True)
        assert (str(first.exception()), str(last.exception())) == ("locked", "the outbox is closed")
        assert run.store.is_closed


@pytest.mark.parametrize("texts", [["2"], []])
@in_virtual_time
async def test_closing_stores_what_came_while_the_store_wrote(texts: list[str]) -> None:
    async with running(HeldSender()) as run:
        run.store.gate.clear()
        first = run.publish("1")
        await passes()
        closing = asyncio.create_task(run.outbox.close())
        last = run.publish(*texts)
        await passes()
        run.store.gate.set()
        await asyncio.gather(closing, first, last)

        assert run.store.sizes == [1, len(texts)]


@in_virtual_time
async def test_closing_notes_what_was_sent_while_the_store_wrote() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        await run.publish("sent")
        run.store.gate.clear()
        await passes(1)
        underway = run.publish("waiting")
        await passes()
        sender.release("sent")
        await passes()
        closing = asyncio.create_task(run.outbox.close())
        await passes()
        run.store.gate.set()
        await asyncio.gather(closing, underway)

        assert run.store.commits[-1].finished == [1]


@in_virtual_time
async def test_closing_cuts_sends_off() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        await run.publish("1", "2")
        await passes()
        assert sender.held == ["1"]
        await run.outbox.close()

        assert sender.held == []
        assert run.store.waiting() == 2
