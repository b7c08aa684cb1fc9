"""What only the SQLite store does: one file that fails, fills up, and an operator beside it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from sqlite3 import Connection
from unittest.mock import patch

import pytest

from app.fanout import outbox as outbox_module
from app.fanout import sqlite
from app.fanout.delivery import Delivery
from app.fanout.outbox import Outbox
from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.fanout.store import Batch, KeptAnswer
from app.models.actions import SendToAll
from app.storage.sqlite_file import SqliteFile
from app.upstream.errors import Overloaded
from app.upstream.idempotency import IdempotencyWindow
from app.upstream.reply import Reply
from app.upstream.storage import StorageError
from tests.app.fanout.opened import PATIENCE, Open, Opened, actions, beside, kept, new_entry
from tests.app.fanout.senders import ScriptedSender

MESSAGE = SendToAll(data="x")


def execute(one: Opened, statement: str) -> None:
    """In the store's own connection, where limits and pragmas are set."""
    store = one.store
    assert isinstance(store, SqliteStore)
    file = store._file
    file._thread.submit(lambda: file._connection.execute(statement).fetchall()).result(PATIENCE)


async def test_a_lock_of_another_connection_fails_a_commit_and_only_that(path: Path, open_store: Open) -> None:
    one = await open_store(busy_seconds=0.01)
    (first,) = await one.publish("lane", "1")
    with beside(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked"):
            await one.publish("lane", "lost")
        with pytest.raises(StorageError, match="database is locked"):
            await one.finish(first)
        assert one.store.waiting() == 1

    await one.finish(first)
    (second,) = await one.publish("lane", "2")

    assert actions(one.entries) == ["1", "2"]
    assert one.store.waiting() == 1
    assert second.id != first.id


async def test_a_commit_that_fails_half_way_leaves_nothing(path: Path, open_store: Open) -> None:
    one = Opened(SqliteStore(SqliteFile(path)))
    await one.open()
    sent, dead = await one.publish("lane", "sent", "dead")
    whole = Batch([new_entry("lane", "new")], [kept()], [sent.id], [(dead.id, "refused")])
    with beside(path) as other:
        other.execute("CREATE TRIGGER full BEFORE INSERT ON dead BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(StorageError):
            await one.store.commit(whole)
        other.execute("DROP TRIGGER full")
    assert one.store.waiting() == 2
    await one.store.close()

    two = await open_store()

    assert actions(two.entries) == ["sent", "dead"]
    assert two.answers == []


def fail_at_the_end_of_commits(one: Opened) -> None:
    """As a disk does that is full: the statements succeed, the COMMIT does not."""
    execute(one, "PRAGMA foreign_keys = ON")
    execute(one, "CREATE TABLE nobody (id INTEGER PRIMARY KEY)")
    execute(one, "CREATE TABLE orphan (parent REFERENCES nobody (id) DEFERRABLE INITIALLY DEFERRED)")
    execute(one, "CREATE TRIGGER full AFTER INSERT ON answers BEGIN INSERT INTO orphan VALUES (1); END")


async def test_a_commit_that_fails_at_its_end_leaves_nothing_and_the_next_succeeds(open_store: Open) -> None:
    one = await open_store()
    fail_at_the_end_of_commits(one)
    with pytest.raises(StorageError, match="FOREIGN KEY"):
        await one.store.commit(Batch([new_entry("lane", "lost")], [kept()]))
    assert one.store.waiting() == 0

    await one.publish("lane", "1")

    assert actions(one.entries) == ["1"]


async def test_an_answer_is_kept_for_its_whole_time_though_one_before_it_was_lost(path: Path, open_store: Open) -> None:
    """A commit that failed must not leave its expiry with the number that the next answer gets."""
    now = 1000.0
    with patch.object(sqlite, "time", lambda: now):
        one = Opened(SqliteStore(SqliteFile(path)))
        await one.open()
        fail_at_the_end_of_commits(one)
        with pytest.raises(StorageError):
            await one.store.commit(Batch(answers=[KeptAnswer(("chat", "c", None, "1"), Reply(204), now + 180)]))
        execute(one, "DROP TRIGGER full")
        now = 1170.0
        late = KeptAnswer(("chat", "c", None, "2"), Reply(204), now + 180)
        await one.store.commit(Batch(answers=[late]))
        now = 1181.0
        await one.publish("lane", "1")
        await one.store.close()

        assert (await open_store()).answers == [late]


async def test_answers_leave_the_file_when_their_time_is_over(path: Path, open_store: Open) -> None:
    now = 1000.0

    def answer(number: int) -> KeptAnswer:
        return KeptAnswer(("chat", "c", None, str(number)), Reply(204), now + 180)

    with patch.object(sqlite, "time", lambda: now), beside(path) as other:
        one = await open_store()
        await one.store.commit(Batch(answers=[answer(1), answer(2)]))
        now = 1100.0
        await one.store.commit(Batch(answers=[answer(3)]))
        now = 1181.0
        await one.publish("lane", "1")

        left = other.execute("SELECT json_extract(key, '$[3]') FROM answers").fetchall()
    assert left == [("3",)]


async def test_with_a_full_disk_events_are_refused_until_there_is_room(
    open_store: Open, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "PROBE_SECONDS", 0.01)
    store, sender = SqliteStore(SqliteFile(path)), ScriptedSender()
    outbox = Outbox(store, Delivery(sender))
    await outbox.open(IdempotencyWindow())
    full, large = Opened(store), SendToAll(data="large" * 10_000)
    execute(full, "PRAGMA max_page_count = 8")
    with pytest.raises(Overloaded, match="database or disk is full") as refusal:
        await outbox.commit("lane", [("chat", large)])
    assert refusal.value.status == 503
    assert outbox.failure is not None

    execute(full, "PRAGMA max_page_count = 100000")
    async with asyncio.timeout(PATIENCE):
        while outbox.failure is not None:  # noqa: ASYNC110 - the probe tells nobody
            await asyncio.sleep(0)
    await outbox.commit("lane", [("chat", MESSAGE)])
    await outbox.drain(PATIENCE)
    await outbox.close()

    assert sender.sent == ["x"]
    assert (await open_store()).entries == []


async def test_many_events_share_a_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore(SqliteFile(path))
    commits: list[int] = []
    commit = store._commit

    def counted(connection: Connection, batches: Sequence[Batch]) -> object:
        commits.append(sum(len(batch.entries) for batch in batches))
        return commit(connection, batches)

    monkeypatch.setattr(store, "_commit", counted)
    outbox = Outbox(store, Delivery(ScriptedSender()))
    await outbox.open(IdempotencyWindow())

    await asyncio.gather(*(outbox.commit(f"lane-{number}", [("chat", MESSAGE)]) for number in range(500)))
    await outbox.drain(PATIENCE)
    await outbox.close()

    assert sum(commits) == 500
    assert len([size for size in commits if size]) <= 2


async def test_a_running_store_takes_up_retried_letters(
    open_store: Open, letters: SqliteDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOOK_FOR_RETRIES_SECONDS", 0.001)
    one = await open_store()
    dead, other = await one.publish("lane", "dead", "other")
    await one.bury("refused", dead)
    assert one.store.waiting() == 1

    assert await letters.retry([dead.id]) == 1

    again = (await one.received(3))[2]
    assert again == dead._replace(id=again.id)
    assert again.id not in (dead.id, other.id)
    assert one.store.waiting() == 2
    assert await letters.list(10) == []
    assert actions(await one.publish("lane", "next")) == ["next"]
    async with asyncio.timeout(PATIENCE):
        while one.store.dead_letters():  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.001)


async def test_letters_are_still_looked_for_after_a_failure(
    path: Path, open_store: Open, letters: SqliteDeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOOK_FOR_RETRIES_SECONDS", 0.001)
    one = await open_store(busy_seconds=0)
    await one.bury("refused", *await one.publish("lane", "dead"))
    store, failures = one.store, asyncio.Event()
    assert isinstance(store, SqliteStore)
    write = store._file.write

    async def watched(*arguments: object) -> object:
        try:
            return await write(*arguments)  # type: ignore[arg-type]
        except StorageError:
            failures.set()
            raise

    monkeypatch.setattr(store._file, "write", watched)
    await letters.retry(None)
    with beside(path) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(PATIENCE):
            await failures.wait()

    assert actions(await one.received(2)) == ["dead", "dead"]


async def test_the_oldest_dead_letters_make_room_but_not_those_that_are_retried(
    open_store: Open, letters: SqliteDeadLetters
) -> None:
    one = await open_store(max_dead_letters=2)
    entries = await one.publish("lane", "1", "2", "3", "4")
    await one.bury("refused", entries[0])
    await letters.retry(None)

    await one.bury("refused", *entries[1:])

    assert actions(await letters.list(10)) == ["4", "3"]
    await one.store.close()
    again = await open_store()
    assert actions(again.entries) == ["1"]


async def test_letters_can_be_seen_while_the_store_is_used_and_after(
    open_store: Open, letters: SqliteDeadLetters
) -> None:
    one = await open_store()
    await one.bury("refused", *await one.publish("lane", "1"))
    assert actions(await letters.list(10)) == ["1"]

    await one.store.close()

    assert actions(await letters.list(10)) == ["1"]


def test_letters_of_a_file_that_is_no_outbox_are_an_error(path: Path, letters: SqliteDeadLetters) -> None:
    path.write_bytes(b"garbage" * 1000)

    with pytest.raises(StorageError, match="file is not a database"):
        asyncio.run(letters.list(10))
