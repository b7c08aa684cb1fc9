"""What knows redis-py: its client and its failures."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline, PubSub
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

from app.upstream.storage import StorageError

Answer = TypeVar("Answer")
Command = Sequence[str | bytes | int]

ANSWER_SECONDS = 3.0

Script = Callable[[list[str], list[str | bytes | int]], Awaitable[Any]]
"""A script on the server: keys and arguments in, the raw reply out. Raises `StorageError`."""

# The order matters: some of these are kinds of `ConnectionError`.
_FAILURES: tuple[tuple[type[Exception], str], ...] = (
    (BusyLoadingError, "Redis is still loading its data"),
    (AuthenticationError, "Redis refuses the credentials"),
    (AuthorizationError, "Redis refuses the credentials"),
    (NoPermissionError, "Redis lets this user not run a command or use a key"),
    (TooLate, f"Redis gave no answer within {ANSWER_SECONDS:g} s"),
    (Unreachable, "Redis cannot be reached"),
    (OSError, "Redis cannot be reached"),
)
# What redis-py says of a failed pipeline holds the command, and so a client's data.
_CODE = re.compile(r"(?:^|caused error: \(['\"])([A-Z]{3,})\b")
_CODES = {"NOREPLICAS": "Redis has fewer replicas than its min-replicas-to-write"}
# Before version 7 the failure of a script is an `ERR` that holds the reason; who waits is told of the change itself.
_DEMOTED = re.compile(r"-READONLY |^UNBLOCKED ")


class StoreFull(StorageError):
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

    @property
    def database(self) -> int:
        """Its number. Keys of another are other keys; channels are not."""
        return int(self._client.connection_pool.connection_kwargs.get("db") or 0)

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

    async def call_all(self, commands: Sequence[Command]) -> list[Any]:
        """Sends them together. An answer for each, or the `StorageError` of that one; raises where none can be had."""
        pipeline = self.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers = await self.run(pipeline.execute(raise_on_error=False))
        return [await self._failure(one) if isinstance(one, Exception) else one for one in answers]

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[PubSub]:
        """A connection for announcements; its calls go under `run`."""
        subscription: Any = self._client.pubsub()
        try:
            yield subscription
        finally:
            with suppress(RedisError, OSError):
                await subscription.aclose()

    async def run(self, reply: Awaitable[Answer]) -> Answer:
        try:
            return await reply
        except (RedisError, OSError) as error:
            raise await self._failure(error) from None
        except RuntimeError as error:
            if not is_lost(error):
                raise
            raise StorageError("Redis cannot be reached") from None

    async def _failure(self, error: Exception) -> StorageError:
        if isinstance(error, OutOfMemoryError):
            return StoreFull("Redis is full: it has reached its maxmemory")
        if isinstance(error, TooLate) or _is_demoted(error):
            await drop_idle(self._client.connection_pool)
        return StorageError(_describe(error))

    async def close(self) -> None:
        with suppress(RedisError, OSError):
            await self._client.aclose()


def is_lost(error: RuntimeError) -> bool:
    """Whether this is what uvloop says where a connection goes in the moment something is written to it."""
    return "closed" in str(error)


async def drop_idle(pool: ConnectionPool) -> None:
    """After a fail-over the name may lead to another server; these connections still lead to the old one."""
    with suppress(RedisError, OSError):  # it may not even take a goodbye
        await pool.disconnect(inuse_connections=False)


def _is_demoted(error: Exception) -> bool:
    return isinstance(error, ReadOnlyError) or (isinstance(error, ResponseError) and bool(_DEMOTED.search(str(error))))


def _describe(error: Exception) -> str:
    if _is_demoted(error):
        return "Redis is a read-only replica"
    # Why a connection could not be made may be the cause of a plain `ConnectionError`.
    kinds = [type(error)] if error.__cause__ is None else [type(error.__cause__), type(error)]
    for kind, text in _FAILURES:
        if any(issubclass(one, kind) for one in kinds):
            return text
    found = _CODE.search(str(error)) if isinstance(error, ResponseError) else None
    code = found[1] if found else type(error).__name__
    return _CODES.get(code, f"Redis refuses a command: {code}")
