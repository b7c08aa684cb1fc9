"""`STORE`: which stores a URL names."""

from pathlib import Path

import pytest

from app.fanout.memory import MemoryStore
from app.fanout.sqlite import SqliteStore
from app.fanout.sqlite_dead_letters import SqliteDeadLetters
from app.fanout.stores import check_store_url, dead_letters_for, stores_for
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import StorageError


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///data/upstream.db", "data/upstream.db"), ("sqlite:////var/outbox.db", "/var/outbox.db")],
)
def test_sqlite_paths_are_relative_with_three_slashes_and_absolute_with_four(url: str, path: str) -> None:
    outbox, storage = stores_for(check_store_url(url))

    assert isinstance(outbox, SqliteStore)
    assert isinstance(storage, SqliteStorage)
    assert outbox._file is storage._file
    assert outbox._file.path == Path(path)
    assert isinstance(dead_letters_for(url), SqliteDeadLetters)


@pytest.mark.parametrize("url", ["memory://", "redis://host:6379/0", "rediss://host", "unix:///run/redis.sock"])
def test_these_urls_name_a_store(url: str) -> None:
    assert check_store_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "outbox.db", "sqlite:", "sqlite://", "sqlite:///", "sqlite://outbox.db", "sqlite:///:memory:", "mysql://host"],
)
def test_these_urls_are_refused_with_the_forms_there_are(url: str) -> None:
    with pytest.raises(ValueError, match="must be sqlite:///relative/path"):
        check_store_url(url)


def test_memory_has_no_dead_letters_for_another_process() -> None:
    outbox, storage = stores_for("memory://")
    assert isinstance(outbox, MemoryStore)
    assert isinstance(storage, MemoryStorage)
    with pytest.raises(ValueError, match="keeps nothing"):
        dead_letters_for("memory://")


async def test_dead_letters_of_a_file_that_is_not_there_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no file"):
        await SqliteDeadLetters(tmp_path / "outbox.db").list(10)
    assert not (tmp_path / "outbox.db").exists()
