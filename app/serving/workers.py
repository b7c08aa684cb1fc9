"""`webpubsub serve --workers N`: several processes accept on one socket, and one that dies is replaced.

A socket pair leads to each worker: it says on it that it is ready, and ends when the other side is closed, so that no
worker outlives the process that looks after it.
"""

import asyncio
import socket
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import structlog

from app.serving.server import DidNotStart
from app.settings import Settings

log = structlog.get_logger(__name__)

READY = b"+"
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
WELL_SECONDS = 60.0
"""A worker that lived so long died of something new: it is replaced without the pauses of those before."""
ROOM_SECONDS = 5.0
"""After the grace period a worker is killed."""


def reason_against(settings: Settings) -> str | None:
    """Why several workers cannot share this configuration, in a sentence."""
    scheme = urlsplit(settings.store.get_secret_value()).scheme
    if scheme in ("redis", "rediss", "unix"):
        return None
    what = "a SQLite file, which serves one process" if scheme == "sqlite" else "the memory of one process"
    return f"STORE is {what}; several workers share what they keep through Redis: set STORE=redis://host:6379/0"


class Workers:
    """`run` until `stop` is called."""

    def __init__(self, listener: socket.socket, count: int, *, grace_seconds: float) -> None:
        self._listener = listener
        self._count = count
        self._grace_seconds = grace_seconds
        self._stopping = asyncio.Event()
        self._failed_starts = 0
        """Before any worker was ready."""
        self.ready = asyncio.Event()
        """Set when the first of them answers."""

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Returns when all have ended. Raises `DidNotStart` where none of the first ones could."""
        async with asyncio.TaskGroup() as group:
            for number in range(1, self._count + 1):
                group.create_task(self._keep(number))
        if self._failed_starts >= self._count:
            raise DidNotStart("no worker could start; the log says why")

    async def _keep(self, number: int) -> None:
        clock = asyncio.get_running_loop().time
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = clock()
            try:
                code, was_ready = await self._one(number)
            except OSError as error:  # no process or no memory left, which may pass
                code, was_ready = error.strerror or type(error).__name__, False
            if not was_ready and not self.ready.is_set():
                self._failed_starts += 1
                if self._failed_starts >= self._count:
                    self.stop()
            if self._stopping.is_set():
                return
            if clock() - began > WELL_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            log.error("a worker ended, and is replaced", worker=number, code=code, in_seconds=pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def _one(self, number: int) -> tuple[int | str, bool]:
        """Its exit code, and whether it got ready. Raises `OSError` where it cannot be started."""
        ours, its = socket.socketpair()
        with ours:
            with its:
                descriptors = self._listener.fileno(), its.fileno()
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "app.serving.worker", *map(str, descriptors), pass_fds=descriptors,
                    start_new_session=True,  # Ctrl-C is for the process that looks after it
                )  # fmt: skip
            log.info("a worker starts", worker=number, pid=process.pid)
            ours.settimeout(0)
            telling = asyncio.create_task(self._hear(ours))
            stopping = asyncio.create_task(self._stopping.wait())
            ended = asyncio.create_task(process.wait())
            try:
                await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not ended.done():
                    await self._end(process, ended)
            finally:
                stopping.cancel()
            return await ended, await telling

    async def _hear(self, ours: socket.socket) -> bool:
        with suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(ours, 1) == READY:
                self.ready.set()
                return True
        return False

    async def _end(self, process: asyncio.subprocess.Process, ended: "asyncio.Task[int]") -> None:
        process.terminate()
        await asyncio.wait({ended}, timeout=self._grace_seconds + ROOM_SECONDS)
        if not ended.done():
            log.error("a worker did not stop in time, and is killed", pid=process.pid)
            process.kill()
