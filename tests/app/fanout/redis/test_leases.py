"""Which replica sends what, also after one has crashed."""

import pytest
from redis.asyncio import Redis

from app.fanout.redis.entries import partition_of
from app.upstream.storage import StorageError
from tests.app.fanout.redis.conftest import Open, eventually


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

    with pytest.raises(StorageError, match="in 4 partitions, this replica expects 8"):
        await replica("two", partitions=8)


# Answers


async def test_a_replica_about_to_stop_takes_nothing_more(replica: Open) -> None:
    one = await replica("one")
    await one.publish("a", "1")
    await one.received(1)

    one.store.quiesce()
    await one.publish("a", "2")
    await one.finish(one.entries)
    await one.store.close()
    two = await replica("two")

    assert [entry.action for entry in await two.received(1)] == [b"2"]
    assert one.actions("a") == ["1"]
