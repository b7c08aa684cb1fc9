"""Counts events against limits, in this process or in Redis for all replicas."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.clients.windows import Windows
from app.upstream.policy import Limit

if TYPE_CHECKING:
    from app.clients.redis_windows import RedisWindows


class RateLimiter:
    """`store` is the URL of the upstream's store: only Redis is shared, anything else counts in memory.

    Windows slide: what was admitted in the window before counts in proportion.
    """

    def __init__(self, store: str) -> None:
        self._own = Windows()
        self._shared = _shared(store)

    async def admit(self, limit: Limit, *key: str) -> float | None:
        """As `app.upstream.guard.Limiter`. Raises `StorageError` where Redis does not answer."""
        if self._shared is None:
            return self._own.admit(limit, *key)
        return await self._shared.admit(limit, *key)

    async def close(self) -> None:
        if self._shared is not None:
            await self._shared.close()


def _shared(store: str) -> "RedisWindows | None":
    if urlsplit(store).scheme not in ("redis", "rediss", "unix"):
        return None
    # A fifth of a second to import, and only deployments with Redis need it.
    from app.clients.redis_windows import RedisWindows  # noqa: PLC0415 - its libraries are slow to load

    return RedisWindows(store)
