"""A whole simulation, and the line that tells how it goes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import aiohttp

from app.simulation.config import WAREHOUSES, Config
from app.simulation.dialects import JsonDialect, MqttDialect
from app.simulation.doors import Door
from app.simulation.onlookers import CustomerAtHome, TowerAtWork, TransporterAtDesk
from app.simulation.vehicle import VehicleAtWork
from app.simulation.warehouse import WarehouseAtWork
from app.simulation.world import World


class AtWork(Protocol):
    async def run(self) -> None:
        """Until it is cancelled."""


@dataclass(frozen=True)
class Standing:
    """How it goes; rates are since the one before, per second, ages in seconds."""

    seconds: float
    connected: int
    parties: int
    sent: float
    seen: float
    age_p50: float | None
    age_p99: float | None
    under_way: int
    delivered: int
    alerts: int
    raised: int
    refused: int
    unanswered: int
    lost: int
    failure: str

    def facts(self) -> dict[str, str]:
        """For people, by what they are about."""
        age = ""
        if self.age_p50 is not None and self.age_p99 is not None:
            age = f", {self.age_p50 * 1000:.0f} ms old (p99 {self.age_p99 * 1000:.0f})"
        counted = {"refused": self.refused, "unanswered": self.unanswered, "cut off": self.lost}
        troubles = [f"{count} {word}" for word, count in counted.items() if count]
        if self.connected < self.parties and self.failure:
            troubles.append(self.failure)
        facts = {
            "connected": f"{self.connected}/{self.parties}",
            "sent": f"{self.sent:.0f} events/s",
            "at the tower": f"{self.seen:.0f} events/s{age}",
            "under way": str(self.under_way),
            "delivered": str(self.delivered),
            "alerts": f"{self.alerts}, {self.raised} so far",
        }
        return facts | ({"trouble": ", ".join(troubles)} if troubles else {})

    def line(self) -> str:
        return f"{self.seconds:5.0f} s  " + "  ".join(f"{about} {fact}" for about, fact in self.facts().items())


class Simulation:
    """Runs inside `simulating`."""

    def __init__(self, world: World) -> None:
        self.world = world
        config = world.config
        vehicles = range(config.vehicles)
        world.transporters = {config.vehicle(one): config.transporter(one) for one in vehicles}
        self._parties: list[AtWork] = [
            TowerAtWork(world),
            *(WarehouseAtWork(one, world) for one in WAREHOUSES),
            *(TransporterAtDesk(one, world) for one in sorted(set(world.transporters.values()))),
            *(CustomerAtHome(config.customer(one), world) for one in range(config.customers)),
            *(self._vehicle(one) for one in vehicles),
        ]
        self._began = self._told_at = monotonic()
        self._told = 0, 0

    def _vehicle(self, number: int) -> VehicleAtWork:
        config = self.world.config
        party = config.vehicle(number)
        dialect = MqttDialect(party) if config.is_mqtt(number) else JsonDialect()
        return VehicleAtWork(party, WAREHOUSES[number % len(WAREHOUSES)], dialect, self.world)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for party in self._parties:
                tasks.create_task(party.run())

    def standing(self) -> Standing:
        """Resets what is counted since the last one."""
        counts, seen, now = self.world.counts, self.world.seen, monotonic()
        passed = max(now - self._told_at, 1e-6)
        sent, events = self._told
        self._told, self._told_at = (counts.sent, seen.events), now
        return Standing(
            seconds=now - self._began,
            connected=counts.connected,
            parties=len(self._parties),
            sent=(counts.sent - sent) / passed,
            seen=(seen.events - events) / passed,
            age_p50=seen.ages.percentile(0.5),
            age_p99=seen.ages.percentile(0.99),
            under_way=len(seen.under_way),
            delivered=seen.delivered,
            alerts=len(seen.alerts),
            raised=seen.raised,
            refused=counts.refused,
            unanswered=counts.unanswered,
            lost=counts.lost,
            failure=counts.failure,
        )


@asynccontextmanager
async def simulating(config: Config, door: Door) -> AsyncIterator[Simulation]:
    """Everybody is at work inside. What breaks in there ends the body with it."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        simulation = Simulation(World(config, door, session))
        work = tasks.create_task(simulation.run())
        yield simulation
        work.cancel()
