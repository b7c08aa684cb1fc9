"""A vehicle: it waits for a load, drives it along the planned line, and says where it is."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog

from app.hubs.control_tower.geometry import Line
from app.hubs.control_tower.parties import name_of, role_of
from app.simulation.answers import Changed, Detail, Page
from app.simulation.config import MISHAPS
from app.simulation.dialects import Dialect, Message
from app.simulation.journey import BREAKDOWN_AT, Journey
from app.simulation.peer import NoAnswer
from app.simulation.roads import CITIES
from app.simulation.world import World

log = structlog.get_logger(__name__)

PATIENCE_SECONDS = 60.0
MOVING = ("departed", "delayed")


@dataclass
class Load:
    shipment: str
    destination: str
    journey: Journey
    is_reported: bool = False
    """Whether the mishap was told."""


class VehicleAtWork:
    def __init__(self, party: str, home: str, dialect: Dialect, world: World) -> None:
        self.party = party
        self._place = home
        self._world = world
        self._peer = world.peer(party, self._hear, dialect)
        self._loaded: asyncio.Queue[str] = asyncio.Queue()
        self._load: Load | None = None
        self._resolved = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._peer.run())
            await self._peer.ready()
            tasks.create_task(self._report_on())
            await self._finish_left_over()
            while True:
                self._world.yards[self._place].put_nowait(self.party)
                await self._carry(await self._loaded.get())

    def _hear(self, message: Message) -> None:
        if message.get("type") != "shipment":
            return
        changed = Changed.model_validate(message)
        if changed.event == "loaded":
            self._loaded.put_nowait(changed.shipment.id)
        elif changed.event == "resolved":
            self._resolved.set()

    async def _finish_left_over(self) -> None:
        """Brings to its end what an earlier run left on this vehicle."""
        try:
            page = Page.model_validate(await self._peer.ask("snapshot", {}))
            for one in page.shipments:
                if one.state in ("loaded", *MOVING, "arrived"):
                    await self._finish(one.id, one.state)
        except NoAnswer as problem:
            log.debug("left as it was", reason=str(problem))

    async def _finish(self, shipment: str, state: str) -> None:
        steps = ("departed", "arrived", "delivered")
        begin = 0 if state == "loaded" else 1 if state in MOVING else 2
        for step in steps[begin:]:
            await self._peer.ask(step, {"shipment": shipment})

    async def _carry(self, shipment: str) -> None:
        try:
            load = self._load_of(Detail.model_validate(await self._peer.ask("shipment", {"shipment": shipment})))
            await self._peer.ask("departed", {"shipment": shipment})
            self._load = load
            await self._drive(load)
            await self._peer.ask("arrived", {"shipment": shipment})
            await self._world.pause()
            await self._peer.ask("delivered", {"shipment": shipment})
            if role_of(load.destination) == "warehouse":
                self._place = load.destination
        except NoAnswer as problem:
            log.debug("not delivered", reason=str(problem))
        finally:
            self._load = None

    def _load_of(self, detail: Detail) -> Load:
        world = self._world
        kinds, weights = zip(*MISHAPS, strict=True)
        is_cold = detail.shipment.cold is not None
        mishap = world.rng.choices(kinds, weights)[0]
        if mishap == "cooler" and not is_cold:
            mishap = "none"
        line = Line(detail.route)
        journey = Journey(line, mishap, world.rng, is_cold=is_cold, speedup=world.config.speedup)
        return Load(detail.shipment.id, detail.shipment.destination, journey)

    async def _drive(self, load: Load) -> None:
        """The positions are sent beside this."""
        pause = 1 / self._world.config.rate
        while not load.journey.has_arrived:
            load.journey.advance(pause)
            await self._tell_mishap(load)
            await asyncio.sleep(pause)

    async def _tell_mishap(self, load: Load) -> None:
        journey = load.journey
        if load.is_reported or journey.share < BREAKDOWN_AT:
            return
        if journey.mishap == "slow":
            load.is_reported = True
            lost = round(journey.seconds_lost)
            await self._peer.ask("delayed", {"shipment": load.shipment, "seconds": lost, "reason": "heavy traffic"})
        elif journey.mishap == "breakdown":
            load.is_reported = True
            journey.is_standing = True
            self._resolved.clear()
            await self._peer.ask("exception", {"shipment": load.shipment, "reason": "flat tyre"})
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._resolved.wait()
            journey.is_standing = False

    async def _report_on(self) -> None:
        world, pause = self._world, 1 / self._world.config.rate
        lat, lon = CITIES[name_of(self._place)]
        await asyncio.sleep(world.rng.uniform(0, pause))
        while True:
            journey = self._load.journey if self._load is not None else None
            if journey is None:
                lat, lon = CITIES[name_of(self._place)]
                await self._peer.say("position", {"lat": lat, "lon": lon, "speed": 0.0, "at": world.now()})
            elif not journey.is_silent:
                await self._peer.say("position", journey.report(world.now()))
            await asyncio.sleep(pause)
