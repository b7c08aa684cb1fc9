"""What the parties of one simulation share."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from secrets import token_hex
from time import time

import aiohttp

from app.simulation.config import WAREHOUSES, Config
from app.simulation.dialects import Dialect, JsonDialect, Message
from app.simulation.doors import Door
from app.simulation.peer import Counts, Peer

CONNECTS_AT_A_TIME = 64


@dataclass
class Ages:
    """How old positions were when the tower got them, seconds; the last so many."""

    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))

    def percentile(self, share: float) -> float | None:
        ordered = sorted(self.seconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None


@dataclass
class Seen:
    """What the tower has seen."""

    ages: Ages = field(default_factory=Ages)
    rows: int = 0
    events: int = 0
    """Position events that the hub says it got."""
    under_way: set[str] = field(default_factory=set)
    delivered: int = 0
    alerts: set[str] = field(default_factory=set)
    raised: int = 0


class World:
    """`yards` holds the vehicles that wait for a load, by warehouse."""

    def __init__(self, config: Config, door: Door, session: aiohttp.ClientSession) -> None:
        self.config = config
        self.rng = Random(config.seed)  # noqa: S311 - a simulation, to be repeated
        self.counts = Counts()
        self.seen = Seen()
        self.yards: dict[str, asyncio.Queue[str]] = {warehouse: asyncio.Queue() for warehouse in WAREHOUSES}
        self.transporters: dict[str, str] = {}
        """Of each vehicle."""
        self._door = door
        self._session = session
        self._admission = asyncio.Semaphore(CONNECTS_AT_A_TIME)
        self._run = token_hex(2).upper()
        self._shipments = 0

    def peer(self, party: str, heard: Callable[[Message], None], dialect: Dialect | None = None) -> Peer:
        return Peer(party, dialect or JsonDialect(), self._door, self._session, self._admission, self.counts, heard)

    def next_shipment(self) -> str:
        self._shipments += 1
        return f"S-{self._run}-{self._shipments:05}"

    async def pause(self) -> None:
        """What a step at a warehouse takes."""
        await asyncio.sleep(self.config.pause_seconds * self.rng.uniform(0.5, 1.5))

    @staticmethod
    def now() -> float:
        return time()
