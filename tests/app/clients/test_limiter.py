"""Counting events, in memory and in Redis."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio.connection import AbstractConnection

from app.clients.limiter import RateLimiter
from app.upstream.policy import Limit
from app.upstream.storage import StorageError
from tests.app.fanout.redis.server import RedisServer, redis_of_its_own

LIMIT = Limit(count=3, seconds=60)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server


@pytest.fixture(params=["memory://", "sqlite:///data/x.db", "redis"])
async def limiter(request: pytest.FixtureRequest) -> AsyncIterator[RateLimiter]:
    url = request.getfixturevalue("server").url if request.param == "redis" else request.param
    limiter = RateLimiter(url)
    yield limiter
    await limiter.close()


async def test_so_many_are_admitted_and_then_it_takes_a_while(limiter: RateLimiter) -> None:
    assert [await limiter.admit(LIMIT, "chat", "mia") for _ in range(3)] == [None, None, None]

    seconds = await limiter.admit(LIMIT, "chat", "mia")

    assert seconds is not None
    assert 0 < seconds <= 60


async def test_each_key_and_each_limit_counts_for_itself(limiter: RateLimiter) -> None:
    for _ in range(4):
        await limiter.admit(LIMIT, "chat", "mia")

    assert await limiter.admit(LIMIT, "chat", "jonas") is None
    assert await limiter.admit(Limit(count=3, seconds=30), "chat", "mia") is None


async def test_replicas_count_together(server: RedisServer) -> None:
    one, two = RateLimiter(server.url), RateLimiter(server.url)

    admitted = [await limiter.admit(LIMIT, "chat", "mia") for limiter in (one, two, one, two)]

    assert admitted[:3] == [None, None, None]
    assert admitted[3] is not None
    await one.close()
    await two.close()


async def test_without_redis_nothing_is_decided(server: RedisServer) -> None:
    limiter = RateLimiter(server.url)
    server.stop()

    with pytest.raises(StorageError, match="Redis does not answer"):
        await limiter.admit(LIMIT, "chat", "mia")
    await limiter.close()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("unable to perform operation on <TCPTransport closed=True>; the handler is closed", StorageError),
        ("a mistake", RuntimeError),
    ],
)
async def test_a_connection_that_uvloop_closes_under_a_write_is_an_outage(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, said: str, kind: type[Exception]
) -> None:
    async def write(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    limiter = RateLimiter(server.url)
    await limiter.admit(LIMIT, "chat", "mia")
    monkeypatch.setattr(AbstractConnection, "send_packed_command", write)

    with pytest.raises(kind) as raised:
        await limiter.admit(LIMIT, "chat", "mia")

    assert type(raised.value) is kind
    await limiter.close()
