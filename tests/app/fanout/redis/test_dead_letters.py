"""Dead letters in Redis."""

from time import time

from app.fanout.redis.dead_letters import RedisDeadLetters
from app.fanout.store import Batch, EntryId
from tests.app.fanout.redis.conftest import Open, Replica, eventually


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

    await eventually(lambda: one.store.dead_letters() == 3)
    assert await letters.drop([newest, "no id"]) == 1
    await eventually(lambda: one.store.dead_letters() == 2)
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
