"""Which replica watches. One at a time, but for moments that do no harm."""

from collections.abc import Callable
from secrets import token_hex
from time import monotonic

from app.upstream.storage import Conflict, Keep, Record, Storage

LOG = "leader"
KEEP = Keep(count=2)
LEASE_SECONDS = 6.0
"""A leader that was not heard of for so long is replaced. Each replica measures with its own clock."""
RESIGNED = b""


class Leadership:
    """The leader goes on writing to a log; who is first to write after it fell silent is the next."""

    def __init__(self, storage: Storage, *, clock: Callable[[], float] = monotonic) -> None:
        self._storage = storage
        self._clock = clock
        self._name = token_hex(8).encode()
        self._number = 0
        self._seen_at = 0.0
        self.is_held = False

    async def renew(self) -> bool:
        """Whether this replica leads from now on. To be called several times per lease. May raise `StorageError`."""
        if self.is_held or await self._is_vacant():
            self.is_held = await self._write(self._name)
        return self.is_held

    async def resign(self) -> None:
        """Another replica may begin at once."""
        if self.is_held:
            self.is_held = False
            await self._write(RESIGNED)

    async def _is_vacant(self) -> bool:
        newest = await self._storage.newest(LOG, limit=1, keep=KEEP)
        last = newest[0] if newest else Record(0, 0.0, "", RESIGNED)
        if last.number != self._number:
            self._number, self._seen_at = last.number, self._clock()
        return last.body in (RESIGNED, self._name) or self._clock() - self._seen_at >= LEASE_SECONDS

    async def _write(self, body: bytes) -> bool:
        """Whether nobody else wrote since we looked."""
        try:
            record = await self._storage.append(LOG, body, id=token_hex(8), expected=self._number, keep=KEEP)
        except Conflict:
            return False
        self._number = record.number
        return True
