"""A process that uses an outbox file, for tests that kill it: `python sqlite_process.py WHAT FILE`.

It says what is true on its standard output, a line each, and may be killed after any of them.
"""

import asyncio
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from app.fanout.sqlite import SqliteStore
from app.fanout.store import Batch, Entry, KeptAnswer, NewEntry
from app.storage.sqlite_file import SqliteFile
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.reply import Reply
from app.upstream.storage import StorageError

FOREVER = 4e9


def batch_of(number: int) -> Batch:
    """Two entries and an answer."""
    entries = [NewEntry(f"lane-{number % 3}", "chat", 1.0, b"%d.%d" % (number, part)) for part in (0, 1)]
    return Batch(entries, [KeptAnswer(("chat", "conn-1", None, str(number)), Reply(204), FOREVER)])


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def commit_for_ever(store: SqliteStore) -> None:
    """Says the number of each commit that is safe."""
    number = 0
    while True:
        await store.commit(batch_of(number))
        say(number)
        number += 1


async def keep_for_ever(storage: SqliteStorage) -> None:
    """As a hub: says the number of each record that is safe, and of the row beside it."""
    await storage.open()
    number = 0
    while True:
        number += 1
        await asyncio.gather(
            storage.append("log", b"%d" % number, id=str(number)), storage.write("table", {str(number): b""})
        )
        say(number)


async def hold(store: SqliteStore) -> None:
    say("open")
    await asyncio.Event().wait()


async def fill(store: SqliteStore, path: Path) -> None:
    """The disk ends where the file ends, until it grows again."""
    await store.commit(batch_of(0))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    size = path.with_name(f"{path.name}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    say(await outcome(store, batch_of(1)))
    say(await outcome(store, Batch()))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    say(await outcome(store, Batch()))
    say(await outcome(store, batch_of(2)))
    await store.close()


async def outcome(store: SqliteStore, batch: Batch) -> str:
    try:
        await store.commit(batch)
    except StorageError:
        return "refused"
    return "safe"


async def main(what: str, path: Path) -> None:
    file = SqliteFile(path)
    store = SqliteStore(file)
    await store.open(_ignore, lambda kept: None)
    match what:
        case "commit":
            await commit_for_ever(store)
        case "keep":
            await keep_for_ever(SqliteStorage(file))
        case "hold":
            await hold(store)
        case "fill":
            await fill(store, path)


def _ignore(entries: Sequence[Entry]) -> None: ...


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
