"""Storages of every kind, each over a place that outlives it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from app.fanout.stores import OwnedStorage
from app.storage.redis_storage import RedisStorage
from app.storage.sqlite_file import SqliteFile
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.memory_storage import MemoryStorage
from tests.app.fanout.redis.server import RedisServer, redis_of_its_own

PATIENCE = 30
KINDS = ("memory", "sqlite", "redis")


class Clock:
    """Unix seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 1_750_000_000.25

    def __call__(self) -> float:
        return self.now


Open = Callable[[], Awaitable[OwnedStorage]]
"""Opens a storage over the same place as the one before."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "upstream.db"


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server


@pytest.fixture(scope="session")
def shared_server() -> Iterator[RedisServer]:
    """For tests that leave it as it is: a start takes longer than most of them."""
    with redis_of_its_own() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def make(kind: str, request: pytest.FixtureRequest, path: Path, clock: Clock) -> Callable[[], OwnedStorage]:
    match kind:
        case "memory":
            return lambda: MemoryStorage(clock)
        case "sqlite":
            return lambda: SqliteStorage(SqliteFile(path), clock)
        case _:
            server: RedisServer = request.getfixturevalue("shared_server")
            prefix = f"{{{request.node.name}}}"
            return lambda: RedisStorage(server.url, prefix=prefix, clock=clock)


@pytest.fixture
async def open_storage(make: Callable[[], OwnedStorage]) -> AsyncIterator[Open]:
    opened: list[OwnedStorage] = []

    async def open_one() -> OwnedStorage:
        one = make()
        await one.open()
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        await one.close()


@pytest.fixture
async def storage(open_storage: Open) -> OwnedStorage:
    return await open_storage()
