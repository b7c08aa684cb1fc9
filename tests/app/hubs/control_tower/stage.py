"""A control tower under test: one or more replicas on one store, a clock that is set, and clients."""

from typing import Any

from pydantic_core import from_json

from app.hubs.control_tower.hub import ControlTowerHub
from app.upstream.history import History
from app.upstream.hub import Environment
from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Roster
from app.upstream.storage import Storage
from app.upstream.testing import HubClient, RecordingPublisher

START = 1_790_000_000.0
WAREHOUSE, OTHER_WAREHOUSE = "warehouse:WH1", "warehouse:WH2"
TRANSPORTER, VEHICLE, CUSTOMER, TOWER = "transporter:T1", "vehicle:V1", "customer:C1", "tower:main"

Message = dict[str, Any]


def plan(shipment: str = "S-1", **changes: Any) -> Message:
    """The data of `created`."""
    return {
        "shipment": shipment,
        "origin": WAREHOUSE,
        "destination": OTHER_WAREHOUSE,
        "customer": CUSTOMER,
        "transporter": TRANSPORTER,
        "goods": "vaccines",
        "departAt": START,
        "arriveAt": START + 3600,
        "route": [[52.52, 13.41], [51.05, 13.74], [50.08, 14.44]],
        "cold": {"min": 2, "max": 8},
        **changes,
    }


class Stage:
    """`storage` may be shared with another stage: that is another replica."""

    def __init__(
        self, storage: Storage | None = None, *, development: bool = False, believes_query: bool = True
    ) -> None:
        self.now = START
        self.storage = storage if storage is not None else MemoryStorage(lambda: self.now)
        self.publisher = RecordingPublisher()
        self.hub = ControlTowerHub(
            self.publisher,
            Environment(development=development, believes_query=believes_query),
            self.storage,
            History(self.storage),
            Roster(self.storage),
            clock=lambda: self.now,
        )
        self._clients: dict[str, HubClient] = {}

    async def client(self, party: str, *, connection_id: str | None = None) -> HubClient:
        """A new connection of the party."""
        client = HubClient(self.hub, connection_id=connection_id or f"{party}/{len(self._clients)}")
        await client.connect(user_id=party)
        await client.connected()
        return client

    async def send(self, party: str, event: str, data: Any = None) -> Message | None:
        """The answer to an event of the party, from the one connection it has."""
        if party not in self._clients:
            self._clients[party] = await self.client(party)
        reply = await self._clients[party].send(event, {} if data is None else data)
        return from_json(reply.body) if reply.body else None

    async def carry(self, shipment: str = "S-1", *, until: str, **changes: Any) -> None:
        """Brings a new shipment as far as the event `until`."""
        steps: list[tuple[str, str, Message]] = [
            (WAREHOUSE, "created", plan(shipment, **changes)),
            (WAREHOUSE, "picked", {"shipment": shipment}),
            (WAREHOUSE, "loaded", {"shipment": shipment, "vehicle": VEHICLE}),
            (VEHICLE, "departed", {"shipment": shipment}),
            (VEHICLE, "arrived", {"shipment": shipment}),
            (VEHICLE, "delivered", {"shipment": shipment}),
        ]
        for party, event, data in steps:
            answer = await self.send(party, event, data)
            assert answer is not None
            assert answer["type"] == "accepted", answer
            if event == until:
                return

    async def pass_seconds(self, seconds: float, *, step: float = 1.0, report: Message | None = None) -> None:
        """Time goes by, a turn of the watch each step; with `report` the vehicle says it first, each time."""
        end = self.now + seconds
        while self.now < end:
            self.now += step
            if report is not None:
                assert await self.send(VEHICLE, "position", report) is None
            await self.turn()

    async def turn(self) -> None:
        """One of each thing that goes on beside the events."""
        watch = self.hub.watch
        await watch.renew()
        await watch.show(self.now)
        await watch.work(self.now)

    def heard(self, group: str, kind: str | None = None) -> list[Message]:
        """What was sent to a group, of one type or of all."""
        values = [sent.value for sent in self.publisher.sent if sent.target == group]
        return [one for one in values if isinstance(one, dict) and kind in (None, one["type"])]
