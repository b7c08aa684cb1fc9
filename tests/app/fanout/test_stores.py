"""What every store keeps to, whatever it is made of."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import time

import pytest

from app.fanout.memory import MemoryStore
from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.fanout.store import Batch, DeadLetter, DeadLetters, Entry, EntryId, Store
from app.storage.sqlite_file import SqliteFile
from app.upstream.reply import Reply
from tests.app.fanout.opened import KEY, Opened, actions, kept, new_entry


@dataclass
class Kind:
    make: Callable[[], Store]
    """Each time a store over the same place."""
    letters: Callable[[], DeadLetters] | None
    """`None` where only the process itself sees them."""


LASTING = ["sqlite"]
of_lasting_stores = pytest.mark.parametrize("kind", LASTING, indirect=True)


@pytest.fixture(params=["memory", *LASTING])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    path = tmp_path / "outbox.db"
    return {
        "memory": Kind(MemoryStore, None),
        "sqlite": Kind(lambda: SqliteStore(SqliteFile(path)), lambda: SqliteDeadLetters(path)),
    }[request.param]


Open = Callable[[], Awaitable[Opened]]


@pytest.fixture
async def open_store(kind: Kind) -> AsyncIterator[Open]:
    """Opens a store; the one that was open before is closed, as after a restart."""
    stores: list[Opened] = []

    async def open_one() -> Opened:
        if stores:
            await stores.pop().store.close()
        one = Opened(kind.make())
        await one.open()
        stores.append(one)
        return one

    yield open_one
    for one in stores:
        await one.store.close()


@pytest.fixture
async def letters(kind: Kind) -> AsyncIterator[DeadLetters]:
    assert kind.letters is not None
    letters = kind.letters()
    yield letters
    await letters.close()


async def test_entries_are_handed_over_whole_and_in_the_order_of_their_commits(open_store: Open) -> None:
    one = await open_store()

    await one.publish("chat/key/größe", "1", "2")
    await one.publish("other", "3")
    await one.publish("chat/key/größe", "\x00\n4")

    first, *_ = await one.received(4)
    assert actions(one.entries) == ["1", "2", "3", "\x00\n4"]
    assert first == Entry(first.id, "chat/key/größe", "chat", 1_750_000_000.25, b"1")
    assert isinstance(first, Entry)


async def test_a_large_batch_is_handed_over_in_order(open_store: Open) -> None:
    one = await open_store()

    await one.publish("lane", *map(str, range(1000)))

    assert actions(one.entries) == [str(number) for number in range(1000)]
    assert one.store.waiting() == 1000


@of_lasting_stores
async def test_a_large_batch_is_kept_whole(open_store: Open) -> None:
    entries = await (await open_store()).publish("lane", *map(str, range(1000)))

    assert await (await open_store()).received(1000) == entries


async def test_no_id_is_given_twice(open_store: Open) -> None:
    one = await open_store()
    ids: list[EntryId] = []
    for _ in range(3):
        entries = await one.publish("lane", "x", "y")
        ids += [entry.id for entry in entries]
        await one.finish(entries[0])
        await one.bury("refused", entries[1])

    assert len(set(ids)) == 6


async def test_waiting_counts_what_is_neither_sent_nor_given_up(open_store: Open) -> None:
    one = await open_store()
    assert one.store.waiting() == 0
    entries = await one.publish("lane", "1", "2", "3")
    assert one.store.waiting() == 3

    await one.finish(entries[0])
    assert one.store.waiting() == 2
    await one.bury("refused", entries[1])
    assert one.store.waiting() == 1


async def test_dead_letters_are_counted(open_store: Open) -> None:
    one = await open_store()
    assert one.store.dead_letters() == 0
    await one.bury("refused", *(await one.publish("lane", "1", "2", "3"))[:2])

    assert one.store.dead_letters() == 2


@of_lasting_stores
async def test_dead_letters_of_an_earlier_run_are_counted(open_store: Open) -> None:
    one = await open_store()
    await one.bury("refused", *await one.publish("lane", "1", "2"))

    assert (await open_store()).store.dead_letters() == 2


async def test_a_note_that_comes_twice_does_no_harm(open_store: Open) -> None:
    one = await open_store()
    sent, dead, waiting = await one.publish("lane", "1", "2", "3")
    await one.finish(sent)
    await one.bury("refused", dead)

    await one.finish(sent, dead)
    await one.bury("refused", sent, dead)

    assert one.store.waiting() == 1
    assert one.entries == [sent, dead, waiting]


async def test_entries_and_notes_of_one_commit_are_all_kept(open_store: Open) -> None:
    one = await open_store()
    sent, dead = await one.publish("lane", "1", "2")

    await one.store.commit(
        Batch([new_entry("lane", "3")], [kept()], finished=[sent.id], dead=[(dead.id, "refused")]),
    )

    assert actions(await one.received(3)) == ["1", "2", "3"]
    assert one.store.waiting() == 1


async def test_an_empty_commit_is_a_question(open_store: Open) -> None:
    one = await open_store()

    await one.store.commit(Batch())

    assert one.entries == []
    assert one.store.waiting() == 0


async def test_a_batch_that_cannot_be_taken_changes_nothing(open_store: Open) -> None:
    one = await open_store()
    (first,) = await one.publish("lane", "1")

    with pytest.raises(TypeError):
        await one.store.commit(Batch([new_entry("lane", "2"), None], finished=[first.id]))  # type: ignore[list-item]

    assert one.store.waiting() == 1
    assert one.entries == [first]
    (second,) = await one.publish("lane", "2")
    assert second.id != first.id


@of_lasting_stores
async def test_after_a_restart_what_is_unsent_is_handed_over_in_order_and_nothing_else(open_store: Open) -> None:
    one = await open_store()
    a1, a2, b1 = await one.publish("a", "a1", "a2", "b1")
    await one.publish("a", "a3")
    await one.finish(a2)
    await one.bury("refused", b1)

    two = await open_store()

    assert actions(await two.received(2)) == ["a1", "a3"]
    assert two.entries[0] == a1
    assert two.store.waiting() == 2
    assert actions(await two.publish("a", "a4")) == ["a4"]
    assert len({entry.id for entry in two.entries}) == 3


@of_lasting_stores
async def test_answers_come_back_after_a_restart_with_the_time_they_have_left(open_store: Open) -> None:
    one = await open_store()
    first, second = kept(seconds=60), kept(("chat", "ünï", "phys", "2"), Reply(204), seconds=120)
    await one.store.commit(Batch([new_entry("lane", "1")], [first]))
    await one.store.commit(Batch(answers=[second]))

    two = await open_store()

    assert two.answers == [first, second]


@of_lasting_stores
async def test_expired_answers_do_not_come_back(open_store: Open) -> None:
    one = await open_store()
    await one.store.commit(Batch(answers=[kept(seconds=-1), kept(("chat", "c", None, "2"), seconds=60)]))

    two = await open_store()

    assert [answer.key[3] for answer in two.answers] == ["2"]


async def test_a_delivery_nobody_answered_is_this_process_s(open_store: Open) -> None:
    one = await open_store()

    assert await one.store.claim(KEY) is None
    await one.store.release(KEY)
    assert await one.store.claim(KEY) is None


@of_lasting_stores
async def test_dead_letters_are_listed_the_newest_first(open_store: Open, letters: DeadLetters) -> None:
    one = await open_store()
    before = time()
    a, b, _ = await one.publish("lane", "a", "b", "c")
    await one.bury("the service answered 400", a)
    await one.bury("gone", b)

    listed = await letters.list(10)

    assert actions(listed) == ["b", "a"]
    assert listed[1]._replace(id=0, died_at=0) == DeadLetter(
        0, "chat", "lane", a.accepted_at, 0, "the service answered 400", b"a"
    )
    assert before - 1 <= listed[1].died_at <= time()
    assert actions(await letters.list(1)) == ["b"]


@of_lasting_stores
async def test_letters_of_different_runs_do_not_replace_each_other(open_store: Open, letters: DeadLetters) -> None:
    for action in ("first run", "second run"):
        one = await open_store()
        await one.bury("refused", *await one.publish("lane", action))

    assert actions(await letters.list(10)) == ["second run", "first run"]


@of_lasting_stores
async def test_retried_letters_go_to_the_end_of_their_lanes(open_store: Open, letters: DeadLetters) -> None:
    one = await open_store()
    x, y, _ = await one.publish("lane", "x", "y", "z")
    await one.bury("refused", x, y)
    by_action = {letter.action: letter.id for letter in await letters.list(10)}

    assert await letters.retry([by_action[b"x"]]) == 1

    assert actions(await letters.list(10)) == ["y"]
    two = await open_store()
    assert actions(await two.received(2)) == ["z", "x"]
    again = two.entries[1]
    assert again == x._replace(id=again.id)
    assert two.store.waiting() == 2
    await two.finish(again)
    assert two.store.waiting() == 1


@of_lasting_stores
async def test_all_letters_can_be_retried_at_once(open_store: Open, letters: DeadLetters) -> None:
    one = await open_store()
    await one.bury("refused", *await one.publish("lane", "x", "y"))

    assert await letters.retry(None) == 2
    assert await letters.retry(None) == 0

    two = await open_store()
    assert actions(await two.received(2)) == ["x", "y"]


@of_lasting_stores
async def test_dropped_letters_are_gone(open_store: Open, letters: DeadLetters) -> None:
    one = await open_store()
    await one.bury("refused", *await one.publish("lane", "x", "y", "z"))
    first, *_ = await letters.list(10)

    assert await letters.drop([first.id]) == 1
    assert await letters.drop([first.id]) == 0
    assert actions(await letters.list(10)) == ["y", "x"]
    assert await letters.drop(None) == 2
    assert await letters.list(10) == []


@of_lasting_stores
async def test_unknown_letters_are_not_counted(open_store: Open, letters: DeadLetters) -> None:
    await open_store()

    assert await letters.retry([999, "no such id"]) == 0
    assert await letters.drop([999, "no such id"]) == 0
    assert await letters.retry([]) == 0
    assert await letters.drop([]) == 0


async def test_memory_keeps_its_last_dead_letters() -> None:
    store = MemoryStore(max_dead_letters=2)
    one = Opened(store)
    await one.open()
    for entry in await one.publish("lane", "x", "y", "z"):
        await one.bury("refused", entry)

    assert isinstance(store.dead, deque)
    assert [(letter.action, letter.reason) for letter in store.dead] == [(b"y", "refused"), (b"z", "refused")]
