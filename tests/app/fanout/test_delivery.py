"""Sending what the lanes give out, by a clock that passes at once."""

import asyncio

import pytest

from app.fanout.delivery import SendFailed
from app.fanout.store import Entry
from tests.app.fanout.delivery_run import Run, running
from tests.app.fanout.senders import HeldSender, ScriptedSender, failed
from tests.app.fanout.virtual_time import EPOCH, in_virtual_time, passes


@in_virtual_time
async def test_entries_are_sent_with_their_hub_and_age_and_settled() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.take("a", "one", "two", accepted_ago=3)
        assert await run.delivery.drain(0.1)

    assert sender.sent == ["one", "two"]
    assert sender.hubs == ["chat", "chat"]
    assert sender.waited == pytest.approx([3, 3])
    assert run.settled == [(1, None), (2, None)]
    assert run.delivery.counts.sent == 2


@in_virtual_time
async def test_an_age_is_never_negative_where_clocks_differ() -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.take("a", "from the future", accepted_ago=-30)
        await passes()

    assert sender.waited == [0]


@in_virtual_time
async def test_a_lane_waits_for_its_head_and_others_do_not() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        run.take("a", "a1", "a2")
        run.take("b", "b1")
        await passes()
        assert sender.held == ["a1", "b1"]

        sender.release("b1")
        await passes(60)
        assert sender.begun == ["a1", "b1"]

        sender.release("a1")
        await passes()
        assert sender.held == ["a2"]


@in_virtual_time
async def test_no_more_than_the_allowed_number_is_sent_at_one_time() -> None:
    texts = [f"t{number}" for number in range(9)]
    sender = ScriptedSender(**{text: [1.0] for text in texts})
    async with running(sender, concurrency=3) as run:
        for text in texts:
            run.take(text, text)
        assert await run.delivery.drain(3.5)

    assert sender.busiest == 3
    assert sorted(sender.sent) == texts


@in_virtual_time
async def test_what_comes_while_the_last_worker_leaves_is_sent() -> None:
    sender = ScriptedSender()
    run = Run(sender, 1)
    taken = False

    def settle(entry: Entry, reason: str | None) -> None:
        nonlocal taken
        if not taken:
            taken = True
            # Runs between the end of the worker and what the loop is told of it.
            asyncio.get_running_loop().call_soon(run.take, "b", "late")

    run.delivery.start(settle)
    run.take("a", "early")
    drained = await run.delivery.drain(60)
    await passes()
    await run.delivery.stop()

    assert drained
    assert sender.sent == ["early", "late"]


@in_virtual_time
async def test_a_message_past_its_time_is_dropped_without_a_send() -> None:
    sender = ScriptedSender(head=[5.0])
    async with running(sender) as run:
        run.take("a", "head")
        run.take("a", "short", ttl_seconds=5)
        run.take("a", "long", ttl_seconds=6)
        run.take("a", "forever", ttl_seconds=0)
        assert await run.delivery.drain(60)

    assert sender.sent == ["head", "long", "forever"]
    assert run.settled == [(1, None), (2, None), (3, None), (4, None)]
    assert (run.delivery.counts.expired, run.delivery.counts.sent, run.delivery.counts.dead) == (1, 3, 0)


@pytest.mark.parametrize("action", [b"", b"{", b"[]", b'{"actionName":"sing"}', b'{"actionName":"sendToAll"}', b"\xff"])
@in_virtual_time
async def test_a_stored_action_that_cannot_be_read_is_a_dead_letter(action: bytes) -> None:
    sender = ScriptedSender()
    async with running(sender) as run:
        run.take_raw("a", action)
        run.take("a", "next")
        await passes()

    assert run.settled == [(1, "the stored action cannot be read"), (2, None)]
    assert sender.sent == ["next"]


@in_virtual_time
async def test_draining_waits_for_retries_and_says_whether_it_was_in_time() -> None:
    sender = ScriptedSender(x=[failed(429, retry_after=5)])
    async with running(sender) as run:
        assert await run.delivery.drain(0)
        run.take("a", "x")
        assert not await run.delivery.drain(0)
        assert not await run.delivery.drain(4)
        assert await run.delivery.drain(2)
        assert await run.delivery.drain(0)


@in_virtual_time
async def test_a_stop_cuts_sends_off_and_leaves_them_unsettled() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        run.take("a", "a1", "a2")
        run.take("b", "b1")
        await passes()
        await run.delivery.stop()
        run.take("c", "c1")
        await passes(60)

    assert sender.begun == ["a1", "b1"]
    assert sender.sent == []
    assert run.settled == []
    assert len(run.delivery.lanes) == 4


@in_virtual_time
async def test_a_stop_ends_the_wait_for_retries() -> None:
    sender = ScriptedSender(x=[failed()])
    async with running(sender) as run:
        run.take("a", "x")
        await passes()
        await run.delivery.stop()
        await passes(60)

    assert [text for text, _ in sender.attempts] == ["x"]


@in_virtual_time
async def test_nothing_more_is_sent_where_a_sender_takes_the_stop_for_a_failure() -> None:
    class Stubborn(ScriptedSender):
        async def send(self, hub: str, action: object, *, waited_seconds: float) -> None:
            self.busy += 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise SendFailed("cut off") from None

    sender = Stubborn()
    async with running(sender) as run:
        run.take("a", "a1")
        await passes()
        run.delivery.lanes.add([Entry(9, "b", "chat", EPOCH, b"{}")])
        await run.delivery.stop()
        await passes(60)

    assert sender.busy == 1
    assert run.settled == []
