"""The name of Redis leads to another server, while connections to the one before it live on."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.clients.limiter import RateLimiter
from app.fanout.redis.store import RedisStore
from app.fanout.store import Batch, Entry
from app.storage import redis_announcements
from app.storage.redis_connection import RedisConnection
from app.storage.redis_storage import RedisStorage
from app.upstream.policy import Limit
from app.upstream.storage import FellBehind, StorageError
from tests.app.fanout.redis.conftest import eventually, new_entry
from tests.app.fanout.redis.server import RedisServer, redis_of_its_own
from tests.app.storage.conftest import PATIENCE
from tests.app.storage.test_announcements import next_of

LIMIT = Limit(count=100, seconds=60)


class Name:
    """A path that leads to one server, and then to the other."""

    def __init__(self, folder: Path, old: RedisServer, new: RedisServer) -> None:
        self._path = folder / "name"
        self._old, self._new = old, new
        self._path.symlink_to(self._path_of(old))

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    @staticmethod
    def _path_of(server: RedisServer) -> str:
        return server.url.removeprefix("unix://")

    def move(self) -> None:
        self._path.unlink()
        self._path.symlink_to(self._path_of(self._new))

    async def fail_over(self) -> None:
        """The old server takes no writes any more, and hears of none."""
        async with Redis.from_url(self._old.url) as redis:
            await redis.replicaof("localhost", "1")
        self.move()


@pytest.fixture
def successor() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server


@pytest.fixture
def name(server: RedisServer, successor: RedisServer) -> Iterator[Name]:
    folder = Path(tempfile.mkdtemp(prefix="name-"))  # a Unix socket's path may have some hundred characters only
    yield Name(folder, server, successor)
    shutil.rmtree(folder)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def storage(name: Name, stack: AsyncExitStack) -> RedisStorage:
    return await opened(name, stack)


async def opened(name: Name, stack: AsyncExitStack) -> RedisStorage:
    one = RedisStorage(name.url)
    await one.open()
    stack.push_async_callback(one.close)
    return one


async def test_storage_goes_on_with_the_successor(storage: RedisStorage, name: Name, successor: RedisServer) -> None:
    await storage.write("table", {"before": b""})
    await name.fail_over()

    with pytest.raises(StorageError, match="read-only"):
        await storage.write("table", {"refused": b""})
    assert await storage.write("table", {"after": b""}) == 1

    async with Redis.from_url(successor.url) as redis:
        assert await redis.hkeys("{webpubsub}:table:table") == [b"after"]


async def test_storage_does_not_open_on_a_read_only_replica(server: RedisServer) -> None:
    async with Redis.from_url(server.url) as redis:
        await redis.replicaof("localhost", "1")

    with pytest.raises(StorageError, match="read-only"):
        await RedisStorage(server.url).open()


async def test_a_demoted_server_takes_no_announcement(storage: RedisStorage, name: Name, stack: AsyncExitStack) -> None:
    await storage.announce("t", b"before")
    await name.fail_over()
    other = await opened(name, stack)
    async with other.listen("t") as heard:
        with pytest.raises(StorageError, match="read-only"):
            await storage.announce("t", b"refused")
        await storage.announce("t", b"after")

        assert await next_of(heard) == b"after"


async def test_who_listens_in_the_wrong_place_finds_out(
    name: Name, stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_announcements, "QUIET_SECONDS", 0.2)
    storage = await opened(name, stack)
    async with storage.listen("t") as heard:
        await name.fail_over()
        with pytest.raises(FellBehind):
            await next_of(heard)
    other = await opened(name, stack)

    async with storage.listen("t") as heard:
        await other.announce("t", b"1")
        assert await next_of(heard) == b"1"


async def test_the_outbox_goes_on_with_the_successor(name: Name, stack: AsyncExitStack) -> None:
    came: list[Entry] = []
    store = RedisStore(name.url, lease_seconds=0.3)
    await store.open(came.extend, lambda _: None)
    stack.push_async_callback(store.close)
    await name.fail_over()

    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(StorageError):  # at first its connections lead to the old one
                await store.commit(Batch(entries=[new_entry("lane", "1")]))
                break
    await eventually(lambda: bool(came))

    assert {entry.action for entry in came} == {b"1"}


async def test_limits_go_on_with_the_successor(name: Name, stack: AsyncExitStack) -> None:
    limiter = RateLimiter(name.url)
    stack.push_async_callback(limiter.close)
    assert await limiter.admit(LIMIT, "chat", "mia") is None
    await name.fail_over()

    with pytest.raises(StorageError, match="cannot be counted"):
        await limiter.admit(LIMIT, "chat", "mia")
    assert await limiter.admit(LIMIT, "chat", "mia") is None


async def test_of_connections_to_a_server_that_hangs_one_is_tried(name: Name, server: RedisServer) -> None:
    connection = RedisConnection(name.url)
    await asyncio.gather(*(connection.call("PING") for _ in range(3)))
    async with Redis.from_url(server.url) as redis:
        await redis.client_pause(60_000)
    name.move()

    with pytest.raises(StorageError, match="no answer"):
        await connection.call("PING")
    await asyncio.gather(*(connection.call("PING") for _ in range(3)))
    await connection.close()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("unable to perform operation on <TCPTransport closed=True>; the handler is closed", StorageError),
        ("a mistake", RuntimeError),
    ],
)
async def test_a_connection_that_uvloop_closes_under_a_write_is_an_outage(said: str, kind: type[Exception]) -> None:
    async def write() -> None:
        raise RuntimeError(said)

    with pytest.raises(kind) as raised:
        await RedisConnection("redis://localhost:1/0").run(write())

    assert type(raised.value) is kind


async def test_too_few_replicas_are_told_as_such(
    storage: RedisStorage, name: Name, server: RedisServer, stack: AsyncExitStack
) -> None:
    outbox = RedisStore(name.url)
    await outbox.open(lambda _: None, lambda _: None)
    stack.push_async_callback(outbox.close)
    async with Redis.from_url(server.url) as redis:
        await redis.config_set("min-replicas-to-write", 1)

    for call in (storage.write("table", {"row": b""}), outbox.commit(Batch(entries=[new_entry("lane", "1")]))):
        with pytest.raises(StorageError, match="fewer replicas than its min-replicas-to-write"):
            await call


@pytest.mark.parametrize(
    "refusal",
    [
        "ERR Error running script (call to f_1): @user_script: 2: -READONLY You can't write against a replica.",
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    ],
)
async def test_other_ways_to_say_that_a_server_was_demoted_are_understood(
    refusal: str, name: Name, successor: RedisServer
) -> None:
    connection = RedisConnection(name.url)
    await connection.call("PING")
    name.move()

    with pytest.raises(StorageError, match="read-only"):
        await connection.call("EVAL", "return redis.error_reply(ARGV[1])", 0, refusal)

    await connection.call("SET", "key", "value")
    async with Redis.from_url(successor.url) as redis:
        assert await redis.get("key") == b"value"
    await connection.close()
