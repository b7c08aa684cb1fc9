"""Redis stops, forgets, fills up or refuses."""

import asyncio

import pytest
import structlog
from redis.asyncio import Redis

from app.fanout.redis.dead_letters import RedisDeadLetters
from app.fanout.redis.store import RedisStore
from app.fanout.store import Batch
from app.upstream.storage import StorageError
from tests.app.fanout.redis.conftest import KEY, PATIENCE, Open, eventually, new_entry
from tests.app.fanout.redis.server import RedisServer


async def test_without_redis_nothing_opens_and_no_secret_is_told() -> None:
    store = RedisStore("redis://user:s3cret@localhost:1/0")

    with pytest.raises(StorageError, match="Redis cannot be reached") as raised:
        await store.open(lambda _: None, lambda _: None)

    assert "s3cret" not in repr(raised.value)
    assert raised.value.__suppress_context__


async def test_a_wrong_password_is_told_as_such(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("requirepass", "right")
    letters = RedisDeadLetters(f"{server.url}?password=s3cret")

    with pytest.raises(StorageError, match="refuses the credentials") as raised:
        await letters.list(1)

    assert "s3cret" not in str(raised.value)


async def test_a_stopped_redis_fails_commits_and_all_goes_on_when_it_is_back(
    replica: Open, server: RedisServer
) -> None:
    one = await replica()
    await one.publish("lane", "1", "2")
    await one.received(2)
    with structlog.testing.capture_logs() as logs:
        await asyncio.to_thread(server.stop)
        for probe in (Batch(entries=[new_entry("lane", "lost")]), Batch()):
            with pytest.raises(StorageError, match="cannot be reached"):
                await one.store.commit(probe)
        with pytest.raises(StorageError):
            await one.store.claim(KEY)
        await eventually(lambda: not one.store._leases.readable())

        await asyncio.to_thread(server.start)
        await one.store.commit(Batch())
        await one.publish("lane", "3")

        await one.received(3)
        await eventually(lambda: any(line["event"] == "store is back" for line in logs))
    assert one.actions("lane") == ["1", "2", "3"]
    assert [line["event"] for line in logs if "store" in line["event"]] == [
        "store failing",
        "store is back",
    ]


async def test_a_restart_of_redis_costs_no_commit(replica: Open, server: RedisServer) -> None:
    one = await replica(lease_seconds=60.0)  # a replica that lost its lane meanwhile would be given the first again
    await one.publish("lane", "1")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)

    await one.publish("lane", "2")

    await one.received(2)
    assert one.actions("lane") == ["1", "2"]


async def test_a_claim_that_could_not_be_given_back_is_given_back_later(replica: Open, server: RedisServer) -> None:
    one = await replica("one")
    await one.store.claim(KEY)
    await asyncio.to_thread(server.stop)
    with pytest.raises(StorageError):
        await one.store.release(KEY)
    await asyncio.to_thread(server.start)
    two = await replica("two")

    async with asyncio.timeout(PATIENCE):
        assert await two.store.claim(KEY) is None


async def test_a_redis_that_lost_everything_is_set_up_again(replica: Open, server: RedisServer) -> None:
    one = await replica()
    await one.publish("lane", "1")
    lost = await one.received(1)
    await asyncio.to_thread(server.stop)
    server.lose_data()
    await asyncio.to_thread(server.start)

    await one.publish("lane", "2")
    await one.received(2)
    await one.finish(lost)

    assert one.actions("lane") == ["1", "2"]


async def test_a_deleted_stream_is_made_again(replica: Open, redis: Redis) -> None:
    one = await replica(partitions=1)
    await one.publish("lane", "1")
    await one.received(1)

    await redis.delete(one.store._keys.streams[0])
    await one.publish("lane", "2")

    await one.received(2)


async def test_a_full_redis_takes_nothing_new_and_lets_go_of_what_was_sent(
    replica: Open, redis: Redis, letters: RedisDeadLetters
) -> None:
    one = await replica()
    await one.publish("lane", "1", "2", "3", "4")
    entries = await one.received(4)
    await redis.config_set("maxmemory", "1mb")

    with pytest.raises(StorageError, match="maxmemory"):
        await one.publish("lane", "5")
    with pytest.raises(StorageError, match="maxmemory"):
        await one.store.commit(Batch())
    with pytest.raises(StorageError, match="maxmemory"):
        await one.store.claim(KEY)
    await one.store.commit(Batch(finished=[entries[0].id], dead=[(entries[1].id, "no success")]))
    with pytest.raises(StorageError, match="maxmemory"):
        await one.store.commit(Batch([new_entry("lane", "6")], finished=[entries[2].id]))
    await one.crash()
    two = await replica("two")

    await two.received(1)  # leases are taken all the same
    assert two.actions("lane") == ["4"]
    assert [letter.action for letter in await letters.list(10)] == [b"2"]


async def test_a_read_only_redis_takes_nothing(replica: Open, redis: Redis) -> None:
    one = await replica()
    await redis.replicaof("localhost", "1")

    said = ""
    async with asyncio.timeout(PATIENCE):
        while "read-only" not in said:  # at first its connections may be gone
            with pytest.raises(StorageError) as refused:
                await one.publish("lane", "1")
            said = str(refused.value)

    await redis.replicaof("NO", "ONE")
    await one.publish("lane", "2")
    await one.received(1)


async def test_a_closed_store_says_so(replica: Open) -> None:
    one = await replica()
    await one.store.close()

    with pytest.raises(StorageError, match="closed"):
        await one.store.claim(KEY)


# Dead letters
