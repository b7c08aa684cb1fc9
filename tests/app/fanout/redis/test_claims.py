"""Which replica runs a delivery."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from app.fanout.store import Batch
from app.upstream.errors import Overloaded
from tests.app.fanout.redis.conftest import ANSWER, KEY, PATIENCE, Open, kept


async def test_the_first_to_claim_runs_and_the_others_get_its_answer(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")
    assert await one.store.claim(KEY) is None
    twin = asyncio.create_task(two.store.claim(KEY))
    await asyncio.wait([twin], timeout=0.1)
    assert not twin.done()

    await one.store.commit(Batch(answers=[kept()]))

    assert await twin == ANSWER
    assert await one.store.claim(KEY) == ANSWER
    assert await two.store.claim(("chat", "conn-1", "physical", "1")) is None


async def test_a_released_claim_is_a_new_attempt(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")
    await one.store.claim(KEY)
    await two.store.release(KEY)  # not its own
    twin = asyncio.create_task(two.store.claim(KEY))
    await asyncio.wait([twin], timeout=0.1)
    assert not twin.done()

    await one.store.release(KEY)

    assert await twin is None


async def test_a_release_after_the_answer_leaves_it(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")
    await one.store.claim(KEY)
    await one.store.commit(Batch(answers=[kept()]))

    await one.store.release(KEY)

    assert await two.store.claim(KEY) == ANSWER


async def test_a_dead_replica_s_claim_is_taken_over_by_one(replica: Open) -> None:
    one = await replica("one")
    await one.store.claim(KEY)
    await one.crash()
    two, three = await replica("two"), await replica("three")
    claims = {asyncio.create_task(each.store.claim(KEY)) for each in (two, three)}

    done, others = await asyncio.wait(claims, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)

    assert [claim.result() for claim in done] == [None]
    await asyncio.wait(others, timeout=0.1)
    assert not any(claim.done() for claim in others)
    await two.store.commit(Batch(answers=[kept()]))
    assert [await claim for claim in others] == [ANSWER]


async def test_a_long_wait_for_another_replica_is_refused(replica: Open) -> None:
    one, two = await replica("one"), await replica("two", claim_wait_seconds=0.1)
    await one.store.claim(KEY)

    with pytest.raises(Overloaded):
        await two.store.claim(KEY)


async def test_claims_made_together_share_a_round_trip(replica: Open, redis: Redis) -> None:
    one = await replica()
    before: dict[str, Any] = await redis.info("commandstats")

    found = await asyncio.gather(*(one.store.claim(("chat", "conn-1", None, str(number))) for number in range(100)))

    after: dict[str, Any] = await redis.info("commandstats")
    assert found == [None] * 100
    assert after["cmdstat_evalsha"]["calls"] - before["cmdstat_evalsha"]["calls"] < 20


async def test_a_claim_that_was_given_up_is_given_back(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")
    claim = asyncio.create_task(one.store.claim(KEY))
    await asyncio.sleep(0)
    claim.cancel()
    await asyncio.wait([claim])

    async with asyncio.timeout(PATIENCE):
        assert await two.store.claim(KEY) is None


async def test_an_answer_ends_with_its_time(replica: Open) -> None:
    one = await replica("one")
    await one.store.commit(Batch(answers=[kept(seconds=-1)]))

    async with asyncio.timeout(PATIENCE):
        while await one.store.claim(KEY) is not None:
            await one.store.release(KEY)


# Outages
