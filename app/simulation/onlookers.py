"""Those who mostly watch: customers, transporters, and a tower that helps where somebody is stuck."""

import asyncio
from collections.abc import Coroutine

import structlog

from app.simulation.answers import AlertTold, Changed, Positions, ShipmentView
from app.simulation.config import TOWER
from app.simulation.dialects import Message
from app.simulation.peer import NoAnswer, Peer
from app.simulation.world import World

log = structlog.get_logger(__name__)

TELLS = 0.05
"""The share of departures a transporter tells the customer of."""


class _Busy:
    """Does things beside listening."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


class CustomerAtHome:
    def __init__(self, party: str, world: World) -> None:
        self._peer = world.peer(party, lambda _: None)

    async def run(self) -> None:
        await self._peer.run()


class TransporterAtDesk:
    def __init__(self, party: str, world: World) -> None:
        self._world = world
        self._peer = world.peer(party, self._hear)
        self._busy = _Busy()

    async def run(self) -> None:
        try:
            await self._peer.run()
        finally:
            self._busy.stop()

    def _hear(self, message: Message) -> None:
        if message.get("type") != "shipment" or message.get("event") != "departed":
            return
        shipment = Changed.model_validate(message).shipment
        if shipment.customer is not None and self._world.rng.random() < TELLS:
            self._busy.start(self._tell(shipment.customer, shipment.id))

    async def _tell(self, customer: str, shipment: str) -> None:
        text = f"Your shipment {shipment} has left"
        await _try(self._peer, "tell", {"to": customer, "shipment": shipment, "message": text})


class TowerAtWork:
    """Keeps the books of the simulation, and resolves exceptions after a while."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._peer = world.peer(TOWER, self._hear)
        self._busy = _Busy()

    async def run(self) -> None:
        self._busy.start(self._look_around())
        try:
            await self._peer.run()
        finally:
            self._busy.stop()

    async def _look_around(self) -> None:
        async for shipment in self._peer.left_over():
            self._take(shipment)

    def _hear(self, message: Message) -> None:
        seen = self._world.seen
        match message.get("type"):
            case "positions":
                self._measure(Positions.model_validate(message))
            case "shipment":
                changed = Changed.model_validate(message)
                self._take(changed.shipment)
                seen.delivered += changed.event == "delivered"
            case "alert":
                alert = AlertTold.model_validate(message).alert
                if alert.cleared_at is not None:
                    seen.alerts.discard(alert.id)
                elif alert.id not in seen.alerts:
                    seen.alerts.add(alert.id)
                    seen.raised += 1

    def _measure(self, positions: Positions) -> None:
        seen, now = self._world.seen, self._world.now()
        seen.events += positions.events
        seen.rows += len(positions.rows)
        seen.ages.seconds.extend(now - row[6] for row in positions.rows if isinstance(row[6], float))

    def _take(self, shipment: ShipmentView) -> None:
        under_way = self._world.seen.under_way
        if shipment.state == "delivered":
            under_way.discard(shipment.id)
            return
        under_way.add(shipment.id)
        if shipment.state == "exception":
            self._busy.start(self._resolve(shipment.id))

    async def _resolve(self, shipment: str) -> None:
        await asyncio.sleep(self._world.config.help_seconds)
        await _try(self._peer, "resolved", {"shipment": shipment, "reason": "help came"})


async def _try(peer: Peer, event: str, data: Message) -> None:
    try:
        await peer.ask(event, data)
    except NoAnswer as problem:
        log.debug("not done", reason=str(problem))
