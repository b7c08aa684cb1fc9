"""The store of several replicas, against a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from time import time
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from app.fanout.redis import RedisDeadLetters, RedisStore
from app.fanout.redis_entries import partition_of
from app.fanout.store import Batch, Entry, EntryId, KeptAnswer, NewEntry, StoreError
from app.upstream.errors import Overloaded
from app.upstream.idempotency import Key
from app.upstream.reply import Reply
from tests.app.fanout.redis_server import EXECUTABLE, RedisServer

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="redis-server is not installed")

PATIENCE = 10
KEY: Key = ("chat", "conn-1", None, "1")
ANSWER = Reply(200, b"\x00\xff\nbody", ((b"content-type", b"text/plain"), (b"ce-connectionState", b"e30=")))


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.005)


class Replica:
    """A store, and everything it was given to send."""

    def __init__(self, server: RedisServer, name: str, options: dict[str, Any]) -> None:
        self.store = RedisStore(server.url, replica=name, **{"partitions": 4, "lease_seconds": 0.3} | options)
        self.entries: list[Entry] = []
        self._came = asyncio.Event()

    async def open(self) -> None:
        await self.store.open(self._accept, lambda _: None)

    def _accept(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self._came.set()

    async def received(self, count: int) -> list[Entry]:
        """The first `count` entries, as soon as there are so many."""
        async with asyncio.timeout(PATIENCE):
            while len(self.entries) < count:
                self._came.clear()
                await self._came.wait()
        return self.entries[:count]

    async def publish(self, lane: str, *actions: str) -> None:
        await self.store.commit(Batch(entries=[new_entry(lane, action) for action in actions]))

    async def finish(self, entries: Sequence[Entry]) -> None:
        await self.store.commit(Batch(finished=[entry.id for entry in entries]))

    def actions(self, lane: str) -> list[str]:
        return [entry.action.decode() for entry in self.entries if entry.lane == lane]

    @property
    def partitions(self) -> list[int]:
        return self.store._leases.partitions

    async def crash(self) -> None:
        """Ends without a word to Redis."""
        await self.store._stop_tasks()
        await self.store._connection.close()


def new_entry(lane: str, action: str, hub: str = "chat") -> NewEntry:
    return NewEntry(lane, hub, 1700000000.25, action.encode())


def kept(reply: Reply = ANSWER, key: Key = KEY, seconds: float = 60) -> KeptAnswer:
    return KeptAnswer(key, reply, time() + seconds)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.remove()


Open = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def replica(server: RedisServer) -> AsyncIterator[Open]:
    """Opens replicas; closes them in the end."""
    replicas: list[Replica] = []

    async def open_one(name: str = "one", **options: Any) -> Replica:
        one = Replica(server, name, options)
        replicas.append(one)
        await one.open()
        return one

    yield open_one
    await asyncio.gather(*(one.store.close() for one in replicas))


@pytest.fixture
async def redis(server: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(server.url, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def letters(server: RedisServer) -> AsyncIterator[RedisDeadLetters]:
    letters = RedisDeadLetters(server.url)
    yield letters
    await letters.close()


# Entries


async def test_entries_arrive_whole_and_in_the_order_of_their_commits(replica: Open) -> None:
    one = await replica()

    await one.publish("lane", "1", "2")
    await one.publish("lane", "3")

    first, *_ = await one.received(3)
    assert one.actions("lane") == ["1", "2", "3"]
    assert first == Entry(first.id, "lane", "chat", 1700000000.25, b"1")
    assert isinstance(first.id, str)
    assert first.id.startswith(f"{partition_of('lane', 4)}:")


async def test_finished_entries_are_gone(replica: Open, redis: Redis) -> None:
    one = await replica()
    await one.publish("lane", "1", "2")
    entries = await one.received(2)
    assert one.store.waiting() == 2

    await one.finish(entries[:1])
    await one.finish(entries[:1])  # as after a commit whose answer was lost

    assert await redis.xlen(one.store._keys.streams[partition_of("lane", 4)]) == 1
    await eventually(lambda: one.store.waiting() == 1)


async def test_all_replicas_know_how_much_is_waiting(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")

    await one.publish("lane", *"12345")

    assert one.store.waiting() == 5
    await eventually(lambda: two.store.waiting() == 5)


async def test_a_name_no_encoding_takes_is_kept(replica: Open) -> None:
    one = await replica()

    await one.publish("half a pair: \ud83d", "1")

    assert (await one.received(1))[0].lane == "half a pair: \ud83d"


async def test_no_more_is_read_than_there_is_room_for(replica: Open) -> None:
    one = await replica(window=2)
    await eventually(lambda: all(not held.reread for held in one.store._leases.readable()))

    await one.publish("lane", *"12345")
    entries = await one.received(2)
    await one.publish("other lane", "1")
    assert len(one.entries) == 2

    await one.finish(entries)
    await one.received(4)
    assert one.actions("lane")[:3] == ["1", "2", "3"]


def test_a_lane_is_in_the_same_partition_in_every_run() -> None:
    assert [partition_of(lane, 16) for lane in ("", "chat/conn-1", "chat/connexión")] == [0, 14, 7]


async def test_an_entry_of_another_version_does_not_hold_up_others(replica: Open, redis: Redis) -> None:
    one = await replica()
    await redis.xadd(one.store._keys.streams[partition_of("lane", 4)], {"form": "2"})

    await one.publish("lane", "1")

    await one.received(1)


# Owners


async def test_what_a_crashed_replica_left_comes_in_order_before_what_is_new(replica: Open) -> None:
    one = await replica("one")
    await one.publish("lane", *"1234")
    await one.finish((await one.received(4))[:1])
    await one.crash()
    two = await replica("two")
    await two.publish("lane", "5", "6")

    await two.received(5)
    assert two.actions("lane") == ["2", "3", "4", "5", "6"]


async def test_more_than_one_page_is_taken_over(replica: Open) -> None:
    one = await replica("one")
    actions = [str(number) for number in range(700)]
    await one.publish("lane", *actions)
    await one.received(700)
    await one.crash()
    two = await replica("two", window=300)

    while len(two.entries) < 700:
        seen = len(two.entries)
        await two.received(seen + 1)
        await two.finish(two.entries[seen:])
    assert two.actions("lane") == actions


async def test_a_closed_replica_is_relieved_at_once_even_by_its_own_name(replica: Open) -> None:
    one = await replica("one", lease_seconds=300)
    await one.publish("lane", "1", "2")
    await one.finish((await one.received(2))[:1])
    await one.store.close()

    again = await replica("one", lease_seconds=300)

    await again.received(1)
    assert again.actions("lane") == ["2"]


async def test_a_restarted_crashed_replica_waits_for_the_leases_of_its_former_run(replica: Open) -> None:
    one = await replica("one")
    await one.publish("lane", "1")
    await one.received(1)
    await one.crash()

    again = await replica("one")

    assert again.partitions == []
    await again.received(1)


async def test_two_replicas_share_the_partitions_and_the_lanes(replica: Open) -> None:
    one, two = await replica("one"), await replica("two")
    await eventually(lambda: len(one.partitions) == len(two.partitions) == 2)
    lanes = [f"lane {number}" for number in range(12)]

    for action in "123":
        for lane in lanes:
            await (one if int(action) % 2 else two).publish(lane, action)

    await eventually(lambda: len(one.entries) + len(two.entries) == 36)
    assert sorted(one.partitions + two.partitions) == [0, 1, 2, 3]
    for lane in lanes:
        assert sorted([one.actions(lane), two.actions(lane)]) == [[], ["1", "2", "3"]]


async def test_a_third_replica_gets_its_share(replica: Open) -> None:
    one, two = await replica("one", partitions=5), await replica("two", partitions=5)
    await eventually(lambda: len(one.partitions) + len(two.partitions) == 5)

    three = await replica("three", partitions=5)

    def shares() -> list[int]:
        return sorted(len(each.partitions) for each in (one, two, three))

    await eventually(lambda: shares() == [1, 2, 2])
    assert sorted(one.partitions + two.partitions + three.partitions) == [0, 1, 2, 3, 4]


async def test_more_replicas_than_partitions_do_no_harm(replica: Open) -> None:
    one, two, three = await replica("one", partitions=2), await replica("two", partitions=2), None
    await eventually(lambda: len(one.partitions) == len(two.partitions) == 1)

    three = await replica("three", partitions=2)
    await one.store.close()
    await two.store.close()

    await eventually(lambda: three.partitions == [0, 1])


async def test_a_partition_is_not_given_back_while_its_entries_are_being_sent(replica: Open) -> None:
    one = await replica("one", partitions=2)
    lanes = [next(lane for lane in "abcdefgh" if partition_of(lane, 2) == number) for number in range(2)]
    for lane in lanes:
        await one.publish(lane, "1")
    entries = await one.received(2)
    two = await replica("two", partitions=2)
    await eventually(lambda: len(one.store._leases.readable()) == 1)

    for lane in lanes:
        await two.publish(lane, "2")  # the partition to be given back is not read any more
    await one.received(3)
    assert two.partitions == []

    await one.finish(entries)
    await two.received(1)
    assert sorted([one.actions(lanes[0]), one.actions(lanes[1])]) == [["1"], ["1", "2"]]


async def test_who_lost_a_lease_reads_no_more_and_takes_up_where_it_was(replica: Open, redis: Redis) -> None:
    one = await replica("one", partitions=1)
    await one.publish("lane", "1")
    await one.received(1)
    lease = one.store._keys.leases[0]

    await redis.set(lease, "somebody else")
    await one.publish("lane", "2")
    await eventually(lambda: one.partitions == [])
    await redis.delete(lease)

    await one.received(2)
    assert one.actions("lane") == ["1", "2"]


async def test_a_reply_that_comes_after_the_lease_is_left_to_the_next_owner(replica: Open) -> None:
    one = await replica("one", partitions=1)
    await eventually(lambda: bool(one.store._leases.readable()))
    held = one.store._leases.readable()[0]

    held.until = 0.0  # as if the process had stood still
    assert one.store._reader._take(held, b"read", [(b"1-0", [b"lane"])], []) is True

    assert (held.seen, held.reread) == ("0-0", True)
    await eventually(lambda: one.store._leases.readable() not in ([], [held]))


async def test_replicas_with_other_partitions_are_refused(replica: Open) -> None:
    await replica("one", partitions=4)

    with pytest.raises(StoreError, match="in 4 partitions, this replica expects 8"):
        await replica("two", partitions=8)


# Answers


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


async def test_without_redis_nothing_opens_and_no_secret_is_told() -> None:
    store = RedisStore("redis://user:s3cret@localhost:1/0")

    with pytest.raises(StoreError, match="Redis cannot be reached") as raised:
        await store.open(lambda _: None, lambda _: None)

    assert "s3cret" not in repr(raised.value)
    assert raised.value.__suppress_context__


async def test_a_wrong_password_is_told_as_such(server: RedisServer, redis: Redis) -> None:
    await redis.config_set("requirepass", "right")
    letters = RedisDeadLetters(f"{server.url}?password=s3cret")

    with pytest.raises(StoreError, match="refuses the credentials") as raised:
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
            with pytest.raises(StoreError, match="cannot be reached"):
                await one.store.commit(probe)
        with pytest.raises(StoreError):
            await one.store.claim(KEY)
        await eventually(lambda: not one.store._leases.readable())

        await asyncio.to_thread(server.start)
        await one.store.commit(Batch())
        await one.publish("lane", "3")

        await one.received(3)
        await eventually(lambda: any(line["event"] == "outbox store is back" for line in logs))
    assert one.actions("lane") == ["1", "2", "3"]
    assert [line["event"] for line in logs if "store" in line["event"]] == [
        "outbox store failing",
        "outbox store is back",
    ]


async def test_a_restart_of_redis_costs_no_commit(replica: Open, server: RedisServer) -> None:
    one = await replica()
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
    with pytest.raises(StoreError):
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

    with pytest.raises(StoreError, match="maxmemory"):
        await one.publish("lane", "5")
    with pytest.raises(StoreError, match="maxmemory"):
        await one.store.commit(Batch())
    with pytest.raises(StoreError, match="maxmemory"):
        await one.store.claim(KEY)
    await one.store.commit(Batch(finished=[entries[0].id], dead=[(entries[1].id, "no success")]))
    with pytest.raises(StoreError, match="maxmemory"):
        await one.store.commit(Batch([new_entry("lane", "6")], finished=[entries[2].id]))
    await one.crash()
    two = await replica("two")

    await two.received(1)  # leases are taken all the same
    assert two.actions("lane") == ["4"]
    assert [letter.action for letter in await letters.list(10)] == [b"2"]


async def test_a_read_only_redis_takes_nothing(replica: Open, redis: Redis) -> None:
    one = await replica()
    await redis.replicaof("localhost", "1")

    with pytest.raises(StoreError, match="read-only"):
        await one.publish("lane", "1")

    await redis.replicaof("NO", "ONE")
    await one.publish("lane", "2")
    await one.received(1)


async def test_a_closed_store_says_so(replica: Open) -> None:
    one = await replica()
    await one.store.close()

    with pytest.raises(StoreError, match="closed"):
        await one.store.claim(KEY)


# Dead letters


async def bury(one: Replica, lane: str, *actions: str) -> list[EntryId]:
    """Publishes and gives up; the ids of the entries."""
    await one.publish(lane, *actions)
    entries = (await one.received(len(one.entries) + len(actions)))[-len(actions) :]
    await one.store.commit(Batch(dead=[(entry.id, f"{entry.action.decode()} failed") for entry in entries]))
    return [entry.id for entry in entries]


async def test_what_was_given_up_is_listed_the_newest_first(replica: Open, letters: RedisDeadLetters) -> None:
    one = await replica()
    before = time()
    buried = await bury(one, "lane", "1", "2", "3")
    await one.store.commit(Batch(dead=[(entry_id, "again") for entry_id in buried]))

    newest, *others = await letters.list(10)

    assert (newest.hub, newest.lane, newest.accepted_at, newest.action) == ("chat", "lane", 1700000000.25, b"3")
    assert newest.reason == "3 failed"
    assert before <= newest.died_at <= time()
    assert [letter.action for letter in others] == [b"2", b"1"]
    assert [letter.action for letter in await letters.list(1)] == [b"3"]
    assert one.store.waiting() == 0


async def test_letters_are_retried_once(replica: Open, letters: RedisDeadLetters) -> None:
    one = await replica()
    await bury(one, "lane", "1", "2")
    await bury(one, "other lane", "1")
    oldest = (await letters.list(10))[-1].id

    assert await letters.retry([oldest, "1-1", "no id", 7]) == 1
    assert await letters.retry([oldest]) == 0
    await one.received(4)
    assert one.actions("lane") == ["1", "2", "1"]

    assert await letters.retry(None) == 2
    await one.received(6)
    assert one.actions("lane") == ["1", "2", "1", "2"]
    assert await letters.list(10) == []


async def test_letters_are_dropped(replica: Open, letters: RedisDeadLetters) -> None:
    one = await replica()
    await bury(one, "lane", *"123")
    newest = (await letters.list(1))[0].id

    assert await letters.drop([newest, "no id"]) == 1
    assert await letters.drop([]) == 0
    assert await letters.drop(None) == 2
    assert await letters.drop(None) == 0
    assert await letters.retry(None) == 0


async def test_old_letters_make_room_for_new_ones(replica: Open, letters: RedisDeadLetters) -> None:
    one = await replica(max_dead_letters=100)

    await bury(one, "lane", *map(str, range(450)))

    kept_letters = await letters.list(1000)
    assert 100 <= len(kept_letters) < 250
    assert kept_letters[0].action == b"449"
