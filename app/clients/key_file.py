"""`WEBPUBSUB_CONNECTION_STRING_FILE`: connection strings that change while the process runs.

The file is read, not watched: Kubernetes swaps a symbolic link two folders up, Docker replaces what is mounted, and
network folders announce nothing. A few hundred bytes every few seconds cost nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from app.upstream.connection_string import ConnectionString, read_connection_strings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
SETTLE_SECONDS = 1.0
"""A file that was written in place may be cut off in the middle of a key: it counts when it stays the same so long."""

Take = Callable[[tuple[ConnectionString, ...]], None]
Found = tuple[ConnectionString, ...] | str
"""What is in the file, or why that cannot be said."""


class KeyFile:
    """`take` gets what the file says whenever that is something new, and may raise `ValueError` to refuse it.

    `known` is what it said at the start. What cannot be used leaves everything as it was, and is said once.
    """

    def __init__(
        self,
        path: Path,
        known: tuple[ConnectionString, ...],
        take: Take,
        *,
        look_seconds: float,
        settle_seconds: float,
    ) -> None:
        self._path = path
        self._take = take
        self._look_seconds = look_seconds
        self._settle_seconds = settle_seconds
        self._settled: Found = known

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            await self.look()

    async def look(self) -> None:
        found = await asyncio.to_thread(self._read)
        if found == self._settled:
            return
        await asyncio.sleep(self._settle_seconds)
        if await asyncio.to_thread(self._read) == found:
            self._settled = found
            self._tell(found)

    def _tell(self, found: Found) -> None:
        if isinstance(found, str):
            log.warning("access keys stay as they were", reason=found)
            return
        try:
            self._take(found)
        except ValueError as error:
            log.error(  # noqa: TRY400 - the sentence says it all
                "access keys stay as they were; another service needs a restart", reason=str(error)
            )
        else:
            log.info("access keys changed", connection_strings=len(found))

    def _read(self) -> Found:
        try:
            return read_connection_strings(self._path)
        except ValueError as error:
            return str(error)


@asynccontextmanager
async def followed(path: Path, known: tuple[ConnectionString, ...], take: Take) -> AsyncIterator[None]:
    """The file is looked at inside."""
    file = KeyFile(path, known, take, look_seconds=LOOK_SECONDS, settle_seconds=SETTLE_SECONDS)
    watching = asyncio.create_task(file.watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
