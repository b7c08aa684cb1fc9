"""Counts events against limits, in this process or in Redis for all replicas."""

from time import time
from typing import Any
from urllib.parse import urlsplit

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError as LimitsStorageError
from redis.asyncio import ConnectionPool

from app.upstream.policy import Limit
from app.upstream.storage import StorageError


class RateLimiter:
    """`store` is the URL of the upstream's store: only Redis is shared, anything else counts in memory.

    Windows slide: what was admitted in the window before counts in proportion.
    """

    def __init__(self, store: str) -> None:
        is_shared = urlsplit(store).scheme in ("redis", "rediss", "unix")
        self._pool = ConnectionPool.from_url(store, socket_timeout=3, socket_connect_timeout=3) if is_shared else None
        storage = MemoryStorage() if self._pool is None else _redis(self._pool)
        self._strategy = SlidingWindowCounterRateLimiter(storage)

    async def admit(self, limit: Limit, *key: str) -> float | None:
        """As `app.upstream.guard.Limiter`. Raises `StorageError` where Redis does not answer."""
        item: RateLimitItem = RateLimitItemPerSecond(limit.count, limit.seconds)
        try:
            if await self._strategy.hit(item, *key):
                return None
            stats = await self._strategy.get_window_stats(item, *key)
        except LimitsStorageError as error:
            raise StorageError("the limits cannot be counted: Redis does not answer") from error
        seconds = stats.reset_time - time()
        # The library takes a remainder, which is 0 for a window that began this very millisecond: all of it is left.
        return seconds if seconds > 0 else float(limit.seconds)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.disconnect()


def _redis(pool: ConnectionPool) -> RedisStorage:
    options: dict[str, Any] = {"connection_pool": pool}  # typed as text and numbers only
    return RedisStorage(
        "async+redis://", implementation="redispy", key_prefix="webpubsub:limit", wrap_exceptions=True, **options
    )
