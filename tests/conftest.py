"""What tests of every kind share."""

from collections.abc import Iterator

import pytest

from tests.app.fanout.redis.server import RedisServer, redis_of_its_own


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server
