"""What only storage in Redis does: several replicas, and a server that stops, forgets, fills up or refuses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import structlog
from redis.asyncio import Redis

from app.storage import redis_announcements
from app.storage.redis_connection import ANSWER_SECONDS
from app.storage.redis_storage import RedisStorage
from app.upstream.storage import Conflict, FellBehind, Record, StorageError
from tests.app.fanout.redis.conftest import eventually
from tests.app.fanout.redis.server import RedisServer
from tests.app.storage.conftest import PATIENCE, Clock
from tests.app.storage.test_announcements import next_of

Open = Callable[..., Awaitable[RedisStorage]]


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Open]:
    """Opens replicas; closes them in the end."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str = server.url) -> RedisStorage:
            one = RedisStorage(url)
            await one.open()
            stack.push_async_callback(one.close)
            return one

        yield open_one


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url, decode_responses=True)
    yield client
    await client.aclose()


async def test_replicas_share_logs_and_tables(replica: Open) -> None:
    one, two = await replica(), await replica()

    records = await asyncio.gather(*((one, two)[n % 2].append("log", b"%d" % n, id=str(n)) for n in range(100)))
    sizes = await asyncio.gather(*((one, two)[n % 2].write("table", {str(n): b""}) for n in range(100)))

    assert sorted(record.number for record in records) == list(range(1, 101))
    assert await two.read("log") == sorted(records)
    assert sorted(sizes) == list(range(1, 101))
    assert await one.rows("table") == await two.rows("table")


async def test_of_replicas_who_expect_the_same_one_is_first(replica: Open) -> None:
    replicas = [await replica() for _ in range(3)]

    outcomes = await asyncio.gather(
        *(one.append("log", b"", id=f"{number}", expected=0) for number, one in enumerate(replicas)),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict", "Conflict", "Record"]


async def test_every_replica_hears_what_one_announces(replica: Open) -> None:
    one, two = await replica(), await replica()
    async with one.listen("t") as first, two.listen("t") as second, two.listen("other") as other:
        await one.announce("t", b"1")
        await two.announce("t", b"2")
        await two.announce("other", b"3")

        assert [await next_of(first), await next_of(first)] == [b"1", b"2"]
        assert [await next_of(second), await next_of(second)] == [b"1", b"2"]
        assert await next_of(other) == b"3"


async def test_another_database_of_the_same_redis_is_another_place(replica: Open, server: RedisServer) -> None:
    one, two = await replica(), await replica(f"{server.url}?db=1")
    async with one.listen("t") as first, two.listen("t") as second:
        await one.append("log", b"", id="1")
        await one.announce("t", b"for one")
        await two.announce("t", b"for two")

        assert await two.logs() == []
        assert await next_of(first) == b"for one"
        assert await next_of(second) == b"for two"


async def test_many_calls_share_a_connection(replica: Open, redis: Redis) -> None:
    one = await replica()

    await asyncio.gather(
        *(one.append("log", b"", id=str(number)) for number in range(1_200)),
        *(one.read("log") for _ in range(100)),
    )

    assert len(await redis.client_list()) <= 4  # calls, announcements, the first question, and ours
    assert (await one.newest("log", limit=1))[0].number == 1_200


async def test_without_redis_nothing_opens_and_no_secret_is_told() -> None:
    storage = RedisStorage("redis://user:s3cret@localhost:1/0")

    with pytest.raises(StorageError, match="Redis cannot be reached") as raised:
        await storage.open()

    assert "s3cret" not in repr(raised.value)
    with pytest.raises(StorageError, match="closed"):
        await storage.logs()


async def test_who_may_not_subscribe_is_told_so_at_the_start(
    server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_announcements, "ANSWER_SECONDS", 0.05)
    await redis.acl_setuser("deaf", enabled=True, nopass=True, keys=["*"], commands=["+@all"], channels=[])

    with structlog.testing.capture_logs() as logs, pytest.raises(StorageError, match="not subscribe"):
        await RedisStorage(f"{server.url}?username=deaf&password=x").open()

    assert [(line["event"], line["part"]) for line in logs] == [("store failing", "announcements")]


async def test_an_outage_fails_calls_and_all_goes_on_when_it_is_over(replica: Open, server: RedisServer) -> None:
    one, two = await replica(), await replica()
    await one.append("log", b"", id="1")
    with structlog.testing.capture_logs() as logs:
        async with one.listen("t") as heard:
            await asyncio.to_thread(server.stop)
            for call in (one.append("log", b"", id="2"), one.rows("t"), one.logs(), one.announce("t", b"lost")):
                with pytest.raises(StorageError, match="cannot be reached"):
                    await call
            await asyncio.to_thread(server.start)

            with pytest.raises(FellBehind):
                await next_of(heard)
        async with one.listen("t") as heard:
            await two.announce("t", b"back")
            assert await next_of(heard) == b"back"
        await eventually(lambda: sum(line["event"] == "store is back" for line in logs) == 2)

    assert sorted(line["event"] for line in logs) == ["store failing"] * 2 + ["store is back"] * 2
    assert {line["part"] for line in logs} == {"announcements"}
    assert [record.id for record in await two.read("log")] == ["1"]
    assert (await one.append("log", b"", id="2", expected=1)).number == 2


async def test_a_restart_of_redis_between_calls_costs_none(replica: Open, server: RedisServer) -> None:
    one = await replica()
    await one.append("log", b"", id="1")
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)

    assert (await one.append("log", b"", id="2")).number == 2


async def test_a_connection_that_is_lost_may_have_missed_something(replica: Open, redis: Redis) -> None:
    one, two = await replica(), await replica()
    async with one.listen("t") as heard:
        await redis.client_kill_filter(_type="pubsub")

        with pytest.raises(FellBehind):
            await next_of(heard)
    async with one.listen("t") as heard:
        await two.announce("t", b"again")
        assert await next_of(heard) == b"again"


async def test_a_redis_that_says_nothing_is_tried(replica: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_announcements, "QUIET_SECONDS", 0.05)
    one = await replica()
    async with one.listen("t") as heard:
        with structlog.testing.capture_logs() as logs:
            await redis.client_pause(round(ANSWER_SECONDS * 1000) + 4_000)
            with pytest.raises(FellBehind):
                await next_of(heard)
        await eventually(lambda: any(line["event"] == "store is back" for line in logs))

    assert "no answer" in logs[0]["reason"]


async def test_a_quiet_connection_that_answers_is_kept(
    replica: Open, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_announcements, "QUIET_SECONDS", 0.2)
    one = await replica()

    async def tries() -> int:
        return int((await redis.info("commandstats")).get("cmdstat_publish", {"calls": 0})["calls"])

    async with one.listen("t") as heard:
        async with asyncio.timeout(PATIENCE):
            while await tries() < 3:
                pass
        await one.announce("t", b"1")
        assert await next_of(heard) == b"1"


async def test_a_redis_that_lost_everything_is_an_empty_one(replica: Open, server: RedisServer) -> None:
    one = await replica()
    await one.append("log", b"", id="1")
    await one.write("table", {"row": b""})
    await asyncio.to_thread(server.stop)
    server.lose_data()
    await asyncio.to_thread(server.start)

    assert (await one.logs(), await one.tables(), await one.rows("table")) == ([], [], {})
    with pytest.raises(Conflict):
        await one.append("log", b"", id="2", expected=1)
    assert (await one.append("log", b"", id="2")).number == 1


async def test_a_full_redis_takes_nothing_new_and_lets_go_of_what_there_is(replica: Open, redis: Redis) -> None:
    one = await replica()
    await one.append("log", b"", id="1")
    await one.write("table", {"a": b"1", "b": b"2"})
    await redis.config_set("maxmemory", "1mb")

    with pytest.raises(StorageError, match="maxmemory"):
        await one.append("log", b"", id="2")
    with pytest.raises(StorageError, match="maxmemory"):
        await one.append("new log", b"", id="1")
    with pytest.raises(StorageError, match="maxmemory"):
        await one.write("table", {"c": b"3", "a": None})
    with pytest.raises(StorageError, match="maxmemory"):
        await one.write("new table", {"c": b"3"})

    assert await one.logs() == ["log"]
    assert len(await one.read("log")) == 1
    assert await one.write("table", {"a": None, "never there": None}) == 1
    assert await one.write("table", {"b": None}) == 0
    await one.drop("log")
    assert (await one.logs(), await one.tables()) == ([], [])


async def test_a_call_that_fails_fails_alone(replica: Open, redis: Redis) -> None:
    one = await replica()
    await redis.set("{webpubsub}:log:bad", "no stream")

    outcomes = await asyncio.gather(
        *(one.append(log, b"", id=log) for log in ("a", "bad", "b")), return_exceptions=True
    )

    assert [type(outcome) for outcome in outcomes] == [Record, StorageError, Record]
    assert str(outcomes[1]) == "Redis refuses a command: WRONGTYPE"


async def test_a_read_only_redis_is_read(replica: Open, redis: Redis) -> None:
    one = await replica()
    await one.append("log", b"", id="1")
    await redis.replicaof("localhost", "1")

    with pytest.raises(StorageError):
        await one.append("log", b"", id="2")

    await redis.replicaof("NO", "ONE")
    assert (await one.append("log", b"", id="2")).number == 2


@pytest.mark.parametrize("passes", [1, 5])
async def test_who_waits_when_it_is_closed_is_told(server: RedisServer, redis: Redis, passes: int) -> None:
    one = RedisStorage(server.url)
    await one.open()
    await redis.client_pause(300)
    calls = [asyncio.create_task(one.append("log", b"", id=str(number))) for number in range(600)]
    for _ in range(passes):  # the calls are on their way, or about to be
        await asyncio.sleep(0)

    await one.close()

    async with asyncio.timeout(PATIENCE):
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, StorageError) for outcome in outcomes)
    with pytest.raises(StorageError, match="closed"):
        await one.rows("table")


async def test_nothing_lies_outside_the_prefix_and_nothing_is_left_of_what_is_dropped(
    server: RedisServer, redis: Redis
) -> None:
    one = RedisStorage(server.url, prefix="{ours}", clock=Clock())
    await one.open()
    await one.append("log", b"", id="1")
    await one.write("table", {"a": b""})
    assert all(str(key).startswith("{ours}:") for key in await redis.keys())

    await one.drop("log")
    await one.write("table", {"a": None})

    assert await redis.keys() == []
    await one.close()
