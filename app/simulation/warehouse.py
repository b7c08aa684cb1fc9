"""A warehouse: it plans a shipment for each vehicle in its yard, picks the goods and loads them."""

import asyncio
from collections import deque

import structlog
from pydantic import JsonValue

from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.parties import name_of
from app.simulation.answers import ShipmentView
from app.simulation.config import COLD_GOODS, GOODS, WAREHOUSES
from app.simulation.journey import CRUISING_KMH
from app.simulation.peer import NoAnswer
from app.simulation.roads import route
from app.simulation.world import World

log = structlog.get_logger(__name__)

SPARE_TIME = 1.12
"""The plan's time on the road, as a multiple of that of an undisturbed journey."""
TELLS = 0.1
"""The share of shipments a warehouse says something about."""


class WarehouseAtWork:
    def __init__(self, party: str, world: World) -> None:
        self.party = party
        self._world = world
        self._peer = world.peer(party, lambda _: None)
        self._left_over: deque[ShipmentView] = deque()
        """What an earlier run planned and did not load."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._peer.run())
            async for one in self._peer.left_over():
                if one.origin == self.party and one.state in ("created", "picked"):
                    self._left_over.append(one)
            for _ in range(self._world.config.docks):
                tasks.create_task(self._work_on())

    async def _work_on(self) -> None:
        yard = self._world.yards[self.party]
        while True:
            vehicle = await yard.get()
            try:
                await self._load(vehicle)
            except NoAnswer as problem:
                log.debug("not loaded", reason=str(problem))
                await self._world.pause()
                yard.put_nowait(vehicle)

    async def _load(self, vehicle: str) -> None:
        is_picked, destination = False, None
        if self._left_over:
            one = self._left_over.popleft()
            shipment, is_picked = one.id, one.state == "picked"
        else:
            shipment = self._world.next_shipment()
            destination = self._world.rng.choice([other for other in WAREHOUSES if other != self.party])
            await self._peer.ask("created", self._plan(shipment, destination, vehicle))
        if not is_picked:
            await self._world.pause()
            await self._peer.ask("picked", {"shipment": shipment})
        await self._world.pause()
        await self._peer.ask("loaded", {"shipment": shipment, "vehicle": vehicle})
        if destination is not None and self._world.rng.random() < TELLS:
            text = f"{shipment} is on its way to you"
            await self._peer.ask("tell", {"to": destination, "shipment": shipment, "message": text})

    def _plan(self, shipment: str, destination: str, vehicle: str) -> dict[str, JsonValue]:
        world = self._world
        config, rng = world.config, world.rng
        places = route(name_of(self.party), name_of(destination))
        lasts = Line(places).metres / (CRUISING_KMH / 3.6) / config.speedup * SPARE_TIME
        departs = world.now() + 4 * config.pause_seconds
        is_cold = rng.random() < config.cold_share
        return {
            "shipment": shipment,
            "origin": self.party,
            "destination": destination,
            "customer": config.customer(rng.randrange(config.customers)),
            "transporter": world.transporters[vehicle],
            "goods": rng.choice(COLD_GOODS if is_cold else GOODS),
            "departAt": departs,
            "arriveAt": departs + max(lasts, 1.0),
            "route": [list(place) for place in places],
            "cold": {"min": 2, "max": 8} if is_cold else None,
            "limits": {
                "lateSeconds": max(10, round(0.1 * lasts)),
                "offRouteMetres": 4_000,
                "silentSeconds": max(10, round(5 / config.rate)),
                "holdSeconds": 3,
            },
        }
