"""What knows redis-py: its client and its failures."""

import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as Unreachable
from redis.exceptions import TimeoutError as TooLate

from app.fanout.store import StoreError

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

ANSWER_SECONDS = 3.0

Script = Callable[[list[str], list[str | bytes | int]], Awaitable[Any]]
"""A script on the server: keys and arguments in, the raw reply out. Raises `StoreError`."""

# The order matters: some of these are kinds of `ConnectionError`.
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (BusyLoadingError, "Redis is still loading its data"),
    (AuthenticationError, "Redis refuses the credentials"),
    (AuthorizationError, "Redis refuses the credentials"),
    (NoPermissionError, "Redis lets this user not run a command or use a key"),
    (ReadOnlyError, "Redis is a read-only replica"),
    (TooLate, f"Redis gave no answer within {ANSWER_SECONDS:g} s"),
    (Unreachable, "Redis cannot be reached"),
    (OSError, "Redis cannot be reached"),
)
# What redis-py says of a failed pipeline holds the command, and so a client's data.
_CODE = re.compile(r"(?:^|caused error: \(['\"])([A-Z]{3,})\b")


class StoreFull(StoreError):
    """Redis has no memory left, so nothing can be added. Removing still works."""


class RedisConnection:
    """A client that connects when it is used. Its failures name no address, password or content."""

    def __init__(self, url: str) -> None:
        tcp_only: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
        # Nothing is sent twice in silence: a repeated commit would store its entries twice. A restart of Redis costs no
        # failure for that, as the pool replaces a connection the server has closed before it is used.
        self._client: Redis = Redis.from_url(
            url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            **tcp_only,
        )

    def script(self, text: str) -> Script:
        registered = self._client.register_script(text)

        async def call(keys: list[str], arguments: list[str | bytes | int]) -> Any:
            return await self.run(registered(keys, arguments))

        return call

    def pipeline(self, *, transaction: bool = True) -> Pipeline:
        """Commands to send together, where it is a transaction between MULTI and EXEC; to be executed under `run`."""
        return self._client.pipeline(transaction=transaction)

    async def call(self, *command: str | bytes | int) -> Any:
        client: Any = self._client  # the typed commands of redis-py are typed for all of its clients at once
        return await self.run(client.execute_command(*command))

    async def wait_for_entries(self, after: Mapping[str, str], milliseconds: int) -> None:
        """Returns once a stream has an entry after the given one, or when the time is over."""
        await self.call("XREAD", "COUNT", 1, "BLOCK", milliseconds, "STREAMS", *after, *after.values())

    async def run(self, reply: Awaitable[Answer]) -> Answer:
        try:
            return await reply
        except ReadOnlyError as error:
            # After a failover the name may lead to another server; these connections still lead to the old one.
            await self._client.connection_pool.disconnect(inuse_connections=False)
            raise StoreError(_describe(error)) from None
        except OutOfMemoryError:
            raise StoreFull("Redis is full: it has reached its maxmemory") from None
        except (RedisError, OSError) as error:
            raise StoreError(_describe(error)) from None

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self._client.aclose()


def _describe(error: Exception) -> str:
    # Why a connection could not be made may be the cause of a plain `ConnectionError`.
    kinds = [type(error)] if error.__cause__ is None else [type(error.__cause__), type(error)]
    for kind, text in _FAILURES:
        if any(issubclass(one, kind) for one in kinds):
            return text
    code = _CODE.search(str(error)) if isinstance(error, ResponseError) else None
    return f"Redis refuses a command: {code[1] if code else type(error).__name__}"


class Outage:
    """Tells the log once that Redis fails and once that it is back, however many loops notice and how often."""

    def __init__(self) -> None:
        self._failing: set[str] = set()
        self._since = 0.0

    def begins(self, loop_name: str, error: StoreError) -> None:
        if not self._failing:
            self._since = monotonic()
            log.error("outbox store failing", reason=str(error))
        self._failing.add(loop_name)

    def ends(self, loop_name: str) -> None:
        if loop_name not in self._failing:
            return
        self._failing.remove(loop_name)
        if not self._failing:
            log.warning("outbox store is back", outage_seconds=round(monotonic() - self._since, 1))
