"""Sliding windows in Redis: all replicas count together."""

from time import time
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError as LimitsStorageError
from redis.asyncio import ConnectionPool

from app.storage.redis_connection import drop_idle, is_lost
from app.upstream.policy import Limit
from app.upstream.storage import StorageError


class RedisWindows:
    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(url, socket_timeout=3, socket_connect_timeout=3)
        self._strategy = SlidingWindowCounterRateLimiter(_storage(self._pool))

    async def admit(self, limit: Limit, *key: str) -> float | None:
        """As `Windows.admit`. Raises `StorageError` where Redis does not answer."""
        item: RateLimitItem = RateLimitItemPerSecond(limit.count, limit.seconds)
        try:
            if await self._strategy.hit(item, *key):
                return None
            stats = await self._strategy.get_window_stats(item, *key)
        except (LimitsStorageError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not is_lost(error):
                raise
            await drop_idle(self._pool)
            raise StorageError("the limits cannot be counted: Redis does not answer") from error
        seconds = stats.reset_time - time()
        # The library takes a remainder, which is 0 for a window that began this very millisecond: all of it is left.
        return seconds if seconds > 0 else float(limit.seconds)

    async def close(self) -> None:
        await self._pool.disconnect()


def _storage(pool: ConnectionPool) -> RedisStorage:
    options: dict[str, Any] = {"connection_pool": pool}  # typed as text and numbers only
    return RedisStorage(
        "async+redis://", implementation="redispy", key_prefix="webpubsub:limit", wrap_exceptions=True, **options
    )
