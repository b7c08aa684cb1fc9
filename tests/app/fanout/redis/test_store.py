"""Entries on their way through Redis."""

from redis.asyncio import Redis

from app.fanout.redis.entries import partition_of
from app.fanout.store import Entry
from tests.app.fanout.redis.conftest import Open, eventually


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
