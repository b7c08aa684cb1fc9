"""What a session sends: QoS 1 and 2, packet ids, the receiver's window (spec/service.md 7.5; MQTT 5.0, 4.3 to 4.9)."""

from collections import deque
from dataclasses import dataclass, replace

from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.errors import violation
from localpubsub.protocol.mqtt.packets import V5, Acknowledgement, Packet, PubAck, PubComp, Publish, PubRec, PubRel
from localpubsub.protocol.mqtt.properties import NONE, Properties
from localpubsub.protocol.mqtt.reasons import FAILURE, Reason

MESSAGE_LIMIT = 1000
BYTE_LIMIT = 16 * 1024 * 1024
WINDOW = 65535
"""Where the receiver names none."""


class BufferFull(Exception):
    """More waits for the receiver than the service keeps (spec/service.md 4.1)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message on its way to one receiver. `expires_at` is on the session's clock."""

    topic: str
    payload: bytes
    qos: int
    properties: Properties = NONE
    expires_at: float | None = None

    def publish(self, now: float, packet_id: int = 0) -> Publish:
        own = self.properties
        if self.expires_at is not None:
            own = replace(own, message_expiry=max(0, round(self.expires_at - now)))
        return Publish(self.topic, self.payload, self.qos, packet_id, properties=own)

    def is_expired(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(slots=True)
class _Flight:
    delivery: Delivery
    released: bool = False


class Outgoing:
    """No socket and no clock: every call gets the time and returns the packets to write now.

    While `detached` nothing is written; QoS 0 is lost, the rest is kept.
    """

    def __init__(self) -> None:
        self._flights: dict[int, _Flight] = {}
        self._waiting: deque[Delivery] = deque()
        self._bytes = 0
        self._last_id = 0
        self._attached = False
        self._version = V5
        self._window = WINDOW
        self._size_limit: int | None = None

    def __len__(self) -> int:
        """How many messages of QoS 1 and 2 are not done with."""
        return len(self._flights) + len(self._waiting)

    def attach(
        self, now: float, version: int, window: int | None = None, size_limit: int | None = None
    ) -> list[Packet]:
        """A transport is there. What was on its way goes out again first, in its order; then what waits."""
        self._attached, self._version = True, version
        self._window, self._size_limit = window or WINDOW, size_limit
        packets: list[Packet] = []
        for packet_id, flight in tuple(self._flights.items()):
            if flight.released:
                packets.append(PubRel(packet_id))
            elif self._fits(again := replace(flight.delivery.publish(now, packet_id), dup=True)):
                packets.append(again)
            else:
                self._done(packet_id)
        return packets + self._pump(now)

    def detach(self) -> None:
        self._attached = False

    def takes(self, size: int) -> bool:
        """Whether a packet of QoS 0 and that size can be written now; otherwise it is lost."""
        return self._attached and (self._size_limit is None or size <= self._size_limit)

    def offer(self, delivery: Delivery, now: float) -> list[Packet]:
        """Raises `BufferFull`."""
        if not delivery.qos:
            packet = delivery.publish(now)
            return [packet] if self._attached and self._fits(packet) else []
        if not self._has_room(delivery):
            self._drop_expired(now)
            if not self._has_room(delivery):
                raise BufferFull
        self._waiting.append(delivery)
        self._bytes += len(delivery.payload)
        return self._pump(now)

    def acknowledge(self, packet: Acknowledgement, now: float) -> list[Packet]:
        """A PUBACK, PUBREC or PUBCOMP of the receiver. Raises `MqttError` for one of the wrong QoS."""
        flight = self._flights.get(packet.packet_id)
        goes_on = isinstance(packet, PubRec) and packet.reason < FAILURE
        if flight is None:
            return [PubRel(packet.packet_id, Reason.PACKET_IDENTIFIER_NOT_FOUND)] if goes_on else []
        if flight.released and isinstance(packet, PubRec):
            return [PubRel(packet.packet_id)]  # the first one was lost with its transport
        expected = PubAck if flight.delivery.qos == 1 else PubComp if flight.released else PubRec
        if not isinstance(packet, expected):
            raise violation(f"a {type(packet).__name__} does not follow what was sent with its packet identifier")
        if goes_on:
            self._release(flight)
            return [PubRel(packet.packet_id)]
        self._done(packet.packet_id)
        return self._pump(now)

    def _pump(self, now: float) -> list[Packet]:
        packets: list[Packet] = []
        while self._attached and self._waiting and len(self._flights) < self._window:
            delivery = self._waiting.popleft()
            if not delivery.is_expired(now) and self._fits(packet := delivery.publish(now, self._free_id())):
                self._flights[packet.packet_id] = _Flight(delivery)
                packets.append(packet)
            else:
                self._bytes -= len(delivery.payload)
        return packets

    def _has_room(self, delivery: Delivery) -> bool:
        return len(self) < MESSAGE_LIMIT and self._bytes + len(delivery.payload) <= BYTE_LIMIT

    def _release(self, flight: _Flight) -> None:
        """The receiver has the payload."""
        self._bytes -= len(flight.delivery.payload)
        flight.released, flight.delivery = True, replace(flight.delivery, payload=b"")

    def _done(self, packet_id: int) -> None:
        self._bytes -= len(self._flights.pop(packet_id).delivery.payload)

    def _drop_expired(self, now: float) -> None:
        kept = [one for one in self._waiting if not one.is_expired(now)]
        self._bytes -= sum(len(one.payload) for one in self._waiting) - sum(len(one.payload) for one in kept)
        self._waiting = deque(kept)

    def _fits(self, packet: Publish) -> bool:
        """What the receiver calls too large is as good as sent (MQTT 5.0, 3.1.2.11.4)."""
        return self._size_limit is None or len(encode(packet, self._version)) <= self._size_limit

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % 0xFFFF + 1
            if self._last_id not in self._flights:
                return self._last_id
