"""The Redis of `bench.soak`: a primary and its replica behind one address, as managed Redis has it."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis as Client
from redis.exceptions import RedisError

from bench.servers import free_port
from bench.soak_world import START_SECONDS, Life, Program, Proxy

NOTICE_SECONDS = 3.0
"""Until somebody sees that the primary is gone."""
MOVE_SECONDS = 2.0
"""How long the address leads to the one that was demoted."""
AHEAD_SECONDS = 1.0
AWAY_SECONDS = 15.0


class Node:
    """One server. Each write is on its disk before it is answered; a port of its own each time it starts."""

    def __init__(self, name: str, folder: Path, lives: list[Life]) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self.program = Program(name, folder, lives)
        self.port = 0

    async def start(self) -> None:
        """Alone, with what it had."""
        self.port = free_port()
        options = {
            "port": str(self.port), "bind": "127.0.0.1", "dir": str(self._folder),
            "appendonly": "yes", "appendfsync": "always", "save": "",
        }  # fmt: skip
        await self.program.start("redis-server", *(part for one in options.items() for part in (f"--{one[0]}", one[1])))
        await _until(self._answers)

    async def _answers(self) -> bool:
        with suppress(RedisError, OSError):
            return bool(await self.ask("PING"))
        return False

    async def ask(self, *command: str | int) -> Any:
        client: Any = self._client()
        async with client:
            return await client.execute_command(*command)

    def _client(self) -> Client:
        return Client(host="127.0.0.1", port=self.port)

    async def follow(self, primary: "Node") -> None:
        """Returns when it has all that the other has."""
        await self.ask("REPLICAOF", "127.0.0.1", primary.port)
        await _until(self.is_following)

    async def is_following(self) -> bool:
        role, *rest = await self.ask("ROLE")
        return bool(role == b"slave" and rest[2] == b"connected")

    async def is_primary(self) -> bool:
        return bool((await self.ask("ROLE"))[0] == b"master")

    async def answered(self) -> set[Any]:
        """The events whose answers it keeps; each was stored in one transaction with what it sends."""
        async with self._client() as client:
            keys = [key async for key in client.scan_iter(match="*:answer:*", count=1000)]
            values: list[Any] = await client.mget(keys) if keys else []
        return {key for key, value in zip(keys, values, strict=True) if value is not None and value[:1] == b"a"}


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(START_SECONDS):
        while not await condition():
            await asyncio.sleep(0.05)


class Redis:
    """The address stays; the server behind it does not. Replication is asynchronous, as it is by default."""

    def __init__(self, folder: Path, lives: list[Life]) -> None:
        self._address = Proxy()
        self._primary, self._replica = (Node(name, folder, lives) for name in ("redis-1", "redis-2"))
        self.answers_lost: list[int] = []
        """For each primary that died: how many it had kept, and its successor had not."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._address.port}/0"

    async def start(self) -> None:
        await self._address.start()
        await self._primary.start()
        await self._replica.start()
        await self._replica.follow(self._primary)
        self._address.ports = [self._primary.port]

    async def stop(self) -> None:
        await self._address.stop()
        for node in (self._replica, self._primary):
            await node.program.stop(kill=True)

    async def restart(self, seconds: float) -> None:
        """The primary is away for so long and nobody takes its place."""
        await self._primary.program.stop()
        await asyncio.sleep(seconds)
        await self._primary.start()
        self._address.ports = [self._primary.port]
        await self._replica.follow(self._primary)

    async def hand_over(self) -> None:
        """In order: Redis waits until the replica has everything. Who is connected stays so, to a server that refuses
        to write, and for a while the address leads there as well.
        """
        await self._primary.ask("FAILOVER", "TO", "127.0.0.1", self._replica.port)
        await _until(self._replica.is_primary)
        await asyncio.sleep(MOVE_SECONDS)
        demoted = self._primary
        self._swap()
        await _until(demoted.is_following)

    async def die(self) -> None:
        """The primary is killed, and its connections with it; some seconds later its replica is promoted."""
        await self._primary.program.stop(kill=True)
        await asyncio.sleep(NOTICE_SECONDS)
        await self._promote()

    async def hang(self) -> None:
        """The primary answers nothing any more, and its connections stay; as where a machine is gone."""
        self._primary.program.signal(signal.SIGSTOP)
        await asyncio.sleep(NOTICE_SECONDS)
        await self._promote()

    async def die_ahead(self) -> None:
        """The primary goes on for a while after the link to its replica has broken, and then is killed."""
        await self._replica.ask("REPLICAOF", "NO", "ONE")
        await asyncio.sleep(AHEAD_SECONDS)
        await self.die()

    async def _promote(self) -> None:
        """With what it has. The other one comes back later, as a replica."""
        await self._replica.ask("REPLICAOF", "NO", "ONE")
        lost = self._primary
        self._swap()
        await asyncio.sleep(AWAY_SECONDS)
        await lost.program.stop(kill=True)
        self.answers_lost.append(await self._only_in(lost))
        await lost.follow(self._primary)

    async def _only_in(self, lost: Node) -> int:
        known = await self._primary.answered()  # first, as they end with time
        await lost.start()
        return len(await lost.answered() - known)

    def _swap(self) -> None:
        self._primary, self._replica = self._replica, self._primary
        self._address.ports = [self._primary.port]
