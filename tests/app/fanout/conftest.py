"""SQLite files, and stores over them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.fanout.sqlite import SqliteDeadLetters, SqliteStore
from tests.app.fanout.opened import Open, Opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
async def open_store(path: Path) -> AsyncIterator[Open]:
    """Opens a store over the file; closed in the end."""
    stores: list[Opened] = []

    async def open_one(**options: object) -> Opened:
        one = Opened(SqliteStore(path, **options))  # type: ignore[arg-type]
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
