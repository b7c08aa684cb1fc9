"""The engine with MQTT clients, without sockets, and with a time that goes on when it is told to."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from localpubsub.config import EventHandler, HubSettings, ServiceConfig
from localpubsub.engine.knock import Knock
from localpubsub.engine.mqtt import Mqtt
from localpubsub.engine.mqtt_client import MqttClient
from localpubsub.engine.mqtt_connection import MqttConnection
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.service import Service
from localpubsub.engine.upstream import DeliveryFailed, UpstreamAnswer, UpstreamEvent
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V5, Packet
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.stream import PacketStream
from localpubsub.protocol.subprotocols import RawCodec

EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
HANDLER = EventHandler("http://localhost:1/{event}", ("connect", "connected", "disconnected"), "*")

Answer = Callable[[UpstreamEvent], UpstreamAnswer]


@dataclass
class FakeUpstream:
    """`answer` may raise `DeliveryFailed`; `gates` hold the answers to events of a name back until they are set."""

    events: list[UpstreamEvent] = field(default_factory=list)
    answer: Answer = lambda _: UpstreamAnswer()
    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def deliver(self, handler: EventHandler, event: UpstreamEvent) -> UpstreamAnswer:
        async with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        if event.name in self.gates:
            await self.gates[event.name].wait()
        return self.answer(event)

    def hold(self, name: str) -> asyncio.Event:
        gate = self.gates[name] = asyncio.Event()
        return gate

    async def wait_for(self, name: str, count: int = 1) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: self.names.count(name) >= count)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]


class Time:
    """A clock, and what is to happen when it gets there."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._due: list[tuple[float, Callable[[], None], Alarm]] = []

    def __call__(self) -> float:
        return self.now

    def schedule(self, seconds: float, then: Callable[[], None], /) -> "Alarm":
        alarm = Alarm()
        self._due.append((self.now + seconds, then, alarm))
        return alarm

    @property
    def pending(self) -> int:
        return sum(not alarm.is_cancelled for _, _, alarm in self._due)

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        while ready := sorted((one for one in self._due if one[0] <= until), key=lambda one: one[0]):
            self.now, then, alarm = ready[0]
            self._due.remove(ready[0])
            if not alarm.is_cancelled:
                then()
        self.now = until


@dataclass
class Alarm:
    is_cancelled: bool = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Client:
    """An MQTT client whose socket is a pair of queues."""

    def __init__(self, stage: "Stage", knock: Knock, hub: str) -> None:
        self.outbound = Outbound(lambda: None, stage.time)
        self.engine = MqttClient(stage.mqtt, hub, knock, self.outbound)
        self._stream: PacketStream | None = None
        self._version = V5

    async def send(self, *packets: Packet) -> list[Packet]:
        """What is written to the client then."""
        for packet in packets:
            if isinstance(packet, p.Connect):
                self._version = packet.version
            await self.engine.receive(encode(packet, self._version))
        return self.received()

    def received(self) -> list[Packet]:
        if self._stream is None:
            self._stream = PacketStream(self._version)
        packets: list[Packet] = []
        while (frame := self.outbound.take()) is not None:
            assert not frame.is_text
            packets += self._stream.feed(frame.data)
        return packets

    @property
    def closed(self) -> Close | None:
        return self.outbound.closing

    def drop(self) -> None:
        """The network is gone."""
        self.engine.lost()


class Stage:
    def __init__(self, *, handlers: tuple[EventHandler, ...] = (), **changes: Any) -> None:
        self.time = Time()
        self.upstream = FakeUpstream()
        config = ServiceConfig(hubs={"den": HubSettings(event_handlers=handlers)}, **changes)
        self.service = Service(config, self.upstream)
        self.mqtt = Mqtt(self.service, self.time, self.time.schedule)
        self.hub = self.service.hub("den")

    @staticmethod
    def knock(
        connection_id: str = "unused",
        user: str | None = "ivy",
        roles: tuple[str, ...] = EVERYTHING,
        groups: tuple[str, ...] = (),
    ) -> Knock:
        claims = {"sub": [user]} if user else {}
        return Knock(connection_id, user, roles, groups, claims, {}, {}, ("mqtt",), RawCodec())

    def client(self, **who: Any) -> Client:
        return Client(self, self.knock(**who), "den")

    async def connected(self, client_id: str = "buoy7", version: int = V5, **connect: Any) -> Client:
        """Accepted; its CONNACK is read already."""
        client = self.client(**{name: connect.pop(name) for name in ("user", "roles", "groups") if name in connect})
        packet = p.Connect(client_id, version, keep_alive=60)
        acknowledgement, *rest = await client.send(replace(packet, **connect))
        assert isinstance(acknowledgement, p.ConnAck)
        assert (acknowledgement.code, rest) == (0, [])
        return client

    def session(self, client_id: str = "buoy7") -> MqttConnection | None:
        connection = self.hub.connections.get(client_id)
        assert connection is None or isinstance(connection, MqttConnection)
        return connection

    async def settle(self) -> None:
        """Until the upstream has heard everything."""
        await self.mqtt.publishing.drain(5)
        await self.service.events.drain(5)


def refuse(status: int, body: bytes = b"", **answer: Any) -> Answer:
    """For `FakeUpstream.answer`."""

    def refusing(_: UpstreamEvent) -> UpstreamAnswer:
        raise DeliveryFailed(f"answered {status}", status, UpstreamAnswer(body, status=status, **answer))

    return refusing


COMING_BACK = p.Connect("buoy7", V5, False, 60, properties=Properties(session_expiry=20))


def payloads(packets: list[p.Packet]) -> list[bytes]:
    return [packet.payload for packet in packets if isinstance(packet, p.Publish)]


async def come_back(stage: Stage, connect: p.Connect = COMING_BACK, **who: Any) -> tuple[Client, bool, list[p.Packet]]:
    """The client, whether its session was still there, and what it missed."""
    client = stage.client(**who)
    connack, *missed = await client.send(connect)
    assert isinstance(connack, p.ConnAck)
    assert connack.code == 0
    return client, connack.session_present, missed
