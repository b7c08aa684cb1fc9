"""What is tried again, when, and for how long."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
import structlog

from app.fanout.delivery import RetryPolicy
from tests.app.fanout.delivery_run import POLICY, running
from tests.app.fanout.senders import HeldSender, ScriptedSender, failed
from tests.app.fanout.virtual_time import in_virtual_time, passes

A_LITTLE = 0.001


def pauses(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


@in_virtual_time
async def test_pauses_double_up_to_the_longest_and_vary_by_half() -> None:
    sender = ScriptedSender(x=[failed(503)] * 6)
    async with running(sender, policy=RetryPolicy(1000, first_pause_seconds=1, longest_pause_seconds=8)) as run:
        run.take("a", "x")
        assert await run.delivery.drain(1000)

    for pause, longest in zip(pauses(sender.times("x")), (1, 2, 4, 8, 8, 8), strict=True):
        assert longest / 2 <= pause <= longest + A_LITTLE
    assert run.settled == [(1, None)]
    assert (run.delivery.counts.retried, run.delivery.counts.failures) == (6, {"503": 6})


def test_pauses_are_spread_over_half_their_length() -> None:
    pauses = [RetryPolicy(first_pause_seconds=1).pause(1) for _ in range(200)]

    assert 0.5 <= min(pauses) < 0.6
    assert 0.9 < max(pauses) <= 1


def test_the_pause_after_very_many_attempts_is_still_the_longest() -> None:
    assert 15 <= RetryPolicy(longest_pause_seconds=30).pause(10_000) <= 30


@pytest.mark.parametrize("retryable", [None, 401, 408, 429, 500, 503])
def test_these_are_tried_again(retryable: int | None) -> None:
    assert not failed(retryable).is_final


@in_virtual_time
async def test_retry_after_is_never_anticipated() -> None:
    sender = ScriptedSender(x=[failed(429, retry_after=7)], y=[failed(429, retry_after=0.01)])
    async with running(sender) as run:
        run.take("a", "x")
        run.take("b", "y")
        assert await run.delivery.drain(60)

    assert pauses(sender.times("x")) == [pytest.approx(7, abs=A_LITTLE)]
    assert pauses(sender.times("y"))[0] >= 0.5  # the own pause is longer


@in_virtual_time
async def test_an_earlier_rest_is_not_delayed_by_a_later_one() -> None:
    sender = ScriptedSender(slow=[failed(429, retry_after=9)], soon=[failed(429, retry_after=2)])
    async with running(sender) as run:
        run.take("a", "slow")
        await passes()
        run.take("b", "soon")
        await passes(2.5)
        assert sender.sent == ["soon"]
        await passes(7)

    assert sender.sent == ["soon", "slow"]


@in_virtual_time
async def test_after_the_deadline_an_entry_is_given_up_and_its_lane_goes_on() -> None:
    sender = ScriptedSender(x=[failed(503)] * 100)
    async with running(sender) as run:
        run.take("a", "x", "next")
        with structlog.testing.capture_logs() as logs:
            assert await run.delivery.drain(60)

    first, *_, last = sender.times("x")
    assert last - first == pytest.approx(POLICY.deadline_seconds, abs=A_LITTLE)
    attempts = len(sender.times("x"))
    reason = f"no success in {attempts} attempts, the last: the service answered 503"
    assert run.settled == [(1, reason), (2, None)]
    assert run.delivery.counts.dead == 1
    assert [(one["event"], one["entry"], one["reason"]) for one in logs] == [("action given up", 1, reason)]


@in_virtual_time
async def test_the_deadline_runs_from_the_begin_of_the_first_attempt() -> None:
    sender = HeldSender()
    async with running(sender) as run:
        run.take("a", "x")
        await passes(POLICY.deadline_seconds + 1)
        sender.release("x", failed())
        await passes()

    assert run.settled == [(1, "no success in 1 attempts, the last: the service answered None")]


@in_virtual_time
async def test_a_retry_after_beyond_the_deadline_is_not_waited_for() -> None:
    sender = ScriptedSender(x=[failed(503, retry_after=POLICY.deadline_seconds + 1)])
    async with running(sender) as run:
        run.take("a", "x", "next")
        await passes()

    assert [text for text, _ in sender.attempts] == ["x", "next"]
    assert run.settled[0] == (1, "no success in 1 attempts, the last: the service answered 503")


@pytest.mark.parametrize("status", [400, 403, 404, 413])
@in_virtual_time
async def test_a_final_refusal_is_not_tried_again(status: int) -> None:
    sender = ScriptedSender(x=[failed(status)])
    async with running(sender) as run:
        run.take("a", "x", "next")
        await passes()

    assert [text for text, _ in sender.attempts] == ["x", "next"]
    assert run.settled == [(1, f"the service answered {status}"), (2, None)]
    assert run.delivery.counts.failures == {str(status): 1}


@pytest.mark.parametrize("error", [RuntimeError("secret"), ValueError(), asyncio.CancelledError(), TimeoutError()])
@in_virtual_time
async def test_a_sender_that_breaks_its_promise_is_tried_again(error: BaseException) -> None:
    sender = ScriptedSender(x=[error])
    async with running(sender) as run:
        run.take("a", "x", "next")
        with structlog.testing.capture_logs() as logs:
            assert await run.delivery.drain(60)

    assert sender.sent == ["x", "next"]
    assert run.delivery.counts.failures == {"none": 1}
    assert [one["event"] for one in logs] == ["sending failed unexpectedly"]


@in_virtual_time
async def test_a_sender_that_breaks_its_promise_for_good_is_named_in_the_dead_letter() -> None:
    sender = ScriptedSender(x=[RuntimeError("secret")] * 100)
    async with running(sender) as run:
        run.take("a", "x")
        with structlog.testing.capture_logs():
            assert await run.delivery.drain(60)

    reason = run.settled[0][1]
    assert reason is not None
    assert reason.endswith("the last: RuntimeError")
    assert "secret" not in reason


@in_virtual_time
async def test_every_attempt_is_counted_by_what_came_of_it() -> None:
    sender = ScriptedSender(a=[failed(503), failed(), None], b=[failed(400)], c=[failed(503), failed(503)])
    async with running(sender) as run:
        for text in "abc":
            run.take(text, text)
        assert await run.delivery.drain(60)

    counts = run.delivery.counts
    assert (counts.sent, counts.retried, counts.dead, counts.expired) == (2, 4, 1, 0)
    assert counts.failures == {"503": 3, "none": 1, "400": 1}
