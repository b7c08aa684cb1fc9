"""SQLite files, and stores over them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.storage.sqlite_file import SqliteFile
from tests.app.fanout.opened import Open, Opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
async def open_store(path: Path) -> AsyncIterator[Open]:
    """Opens a store over the file; closed in the end."""
    stores: list[Opened] = []

    async def open_one(*, busy_seconds: float = 0.5, **options: int) -> Opened:
        one = Opened(SqliteStore(SqliteFile(path, busy_seconds=busy_seconds), **options))
        await one.open()
        stores.append(one)
        return one

    yield open_one
    for one in stores:
        await one.store.close()


@pytest.fixture
async def letters(path: Path) -> AsyncIterator[SqliteDeadLetters]:
    letters = SqliteDeadLetters(path)
    yield letters
    await letters.close()
