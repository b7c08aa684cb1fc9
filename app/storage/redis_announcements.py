"""Announcements to every replica, over one channel of Redis.

Redis keeps no announcement for who is away. So whenever this replica begins to hear again, its listeners are told that
they may have missed something.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from app.storage.redis_connection import ANSWER_SECONDS, Command, RedisConnection
from app.storage.redis_loops import Loops
from app.storage.redis_scripts import ANNOUNCE
from app.upstream.listeners import Listeners
from app.upstream.storage import StorageError

QUIET_SECONDS = 5.0
"""After so long without a word one is sent: a dead connection would say nothing for hours, and after a fail-over a
living one may lead to a server that nobody announces at any more."""


class Announcements:
    def __init__(self, connection: RedisConnection, prefix: str) -> None:
        self._connection = connection
        # Channels are the same in all databases of a Redis.
        self._channel = f"{prefix}:announcements:{connection.database}"
        self._never_there = f"{prefix}:announced"
        self._listeners = Listeners()
        self._loops = Loops("announcements")
        self._hears = asyncio.Event()

    async def open(self) -> None:
        """Returns when this replica hears. Raises `StorageError`."""
        await self._connection.call("PING")
        self._loops.start(announcements=self._hear)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._hears.wait()
            await self._connection.call(*self._command(b""))  # may it write?
        except TimeoutError:
            await self.close()
            raise StorageError("Redis lets this user not subscribe to announcements") from None
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        await self._loops.stop()

    def announcement(self, topic: str, body: bytes) -> Command:
        """What makes it, as a command."""
        return self._command(topic.encode() + b"\0" + body)

    def _command(self, message: bytes) -> Command:
        return "EVAL", ANNOUNCE, 1, self._never_there, self._channel, message

    def listen(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._listeners.listen(topic)

    async def _hear(self) -> None:
        run = self._connection.run
        async with self._connection.subscription() as subscription:
            await run(subscription.subscribe(self._channel))
            is_tried = False
            while True:
                message = await run(subscription.get_message(timeout=QUIET_SECONDS))
                if message is not None:
                    is_tried = False
                    self._take(message)
                elif is_tried:
                    raise StorageError("Redis does not answer where it is listened to")
                else:
                    is_tried = True
                    await self._connection.call(*self._command(b""))

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "subscribe":
                self._listeners.interrupt()
                self._hears.set()
                self._loops.succeeded("announcements")
            case "message":
                topic, is_announcement, body = message["data"].partition(b"\0")
                if is_announcement:
                    self._listeners.tell(topic.decode(), body)
