"""Which shipments changed: every replica tells the others, and knows when it has heard all of them."""

import asyncio
from collections.abc import Callable
from itertools import count
from secrets import token_hex

import structlog
from pydantic_core import from_json, to_json

from app.hubs.control_tower.trails import Trails
from app.upstream.storage import FellBehind, Storage

log = structlog.get_logger(__name__)

TOPIC = "changed"
PATIENCE_SECONDS = 1.0
"""So long an announcement of our own may be under way."""


class Changes:
    """Makes `trails` forget what others changed. `missed` is told when changes may have gone unheard."""

    def __init__(self, storage: Storage, trails: Trails, missed: Callable[[], None]) -> None:
        self._storage = storage
        self._trails = trails
        self._missed = missed
        self._name = token_hex(8)
        self._marks = count()
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._is_listening = False
        self._changed: set[str] = set()

    async def tell(self, shipment_id: str) -> None:
        """May raise `StorageError`."""
        self._changed.add(shipment_id)
        await self._storage.announce(TOPIC, to_json([self._name, shipment_id]))

    def take(self) -> set[str]:
        """Those that changed since the last call, here or anywhere."""
        changed, self._changed = self._changed, set()
        return changed

    async def catch_up(self) -> bool:
        """Whether everything that was told before this call has been heard. May raise `StorageError`.

        Who is connected when it asks gets live what is told later: together they miss nothing.
        """
        if not self._is_listening:
            return False
        mark = next(self._marks)
        heard: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[mark] = heard
        try:
            await self._storage.announce(TOPIC, to_json([self._name, mark]))
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await heard
        except TimeoutError:
            return False
        finally:
            del self._waiting[mark]

    async def listen(self) -> None:
        """Until it is cancelled. May raise `StorageError`."""
        while True:
            async with self._storage.listen(TOPIC) as bodies:
                self._trails.forget()
                self._missed()
                self._is_listening = True
                try:
                    async for body in bodies:
                        self._hear(*from_json(body))
                except FellBehind:
                    log.warning("changes of shipments missed")
                finally:
                    self._is_listening = False
                    for heard in self._waiting.values():
                        _answer(heard, is_caught_up=False)

    def _hear(self, who: str, what: str | int) -> None:
        if isinstance(what, str):
            if who != self._name:
                self._trails.forget(what)
                self._changed.add(what)
        elif who == self._name and what in self._waiting:
            _answer(self._waiting[what], is_caught_up=True)


def _answer(heard: asyncio.Future[bool], *, is_caught_up: bool) -> None:
    if not heard.done():
        heard.set_result(is_caught_up)
