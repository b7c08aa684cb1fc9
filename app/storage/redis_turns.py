"""Calls that share their way to Redis, however many there are at a time."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from app.storage.redis_connection import Command, RedisConnection
from app.storage.redis_loops import end
from app.upstream.storage import StorageError

MAX_PER_TURN = 500
CUT_SHORT = "the call was cut short"


class _Asked(NamedTuple):
    command: Command
    answer: asyncio.Future[Any]


class Turns:
    """One connection serves all: what is asked while a turn is on its way goes with the next."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._asked: list[_Asked] = []
        self._turn: asyncio.Task[None] | None = None
        self._is_open = False

    def open(self) -> None:
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        await end({self._turn} if self._turn else set())
        # Where it was cancelled before it began, it could tell nobody.
        _fail(self._asked, CUT_SHORT)

    async def ask(self, *command: str | bytes | int) -> Any:
        """The answer of Redis. Raises `StorageError`, and then it may have been done all the same."""
        if not self._is_open:
            raise StorageError("the store is closed")
        asked = _Asked(command, asyncio.get_running_loop().create_future())
        self._asked.append(asked)
        if self._turn is None:
            self._turn = asyncio.create_task(self._take_turns())
        return await asked.answer

    async def _take_turns(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked[:MAX_PER_TURN], self._asked[MAX_PER_TURN:]
                await self._take_turn(asked)
        finally:
            self._turn = None
            _fail(self._asked, CUT_SHORT)
            self._asked = []

    async def _take_turn(self, asked: Sequence[_Asked]) -> None:
        try:
            answers = await self._connection.call_all([one.command for one in asked])
        except StorageError as error:
            _fail(asked, str(error))
        except BaseException:
            _fail(asked, CUT_SHORT)
            raise
        else:
            for one, answer in zip(asked, answers, strict=True):
                if one.answer.done():
                    continue
                if isinstance(answer, StorageError):
                    one.answer.set_exception(answer)
                else:
                    one.answer.set_result(answer)


def _fail(asked: Sequence[_Asked], reason: str) -> None:
    for one in asked:
        if not one.answer.done():
            # Each its own: a traceback grows with every raise of the same exception.
            one.answer.set_exception(StorageError(reason))
