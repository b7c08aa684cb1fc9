"""An MQTT session, which is a connection to everybody else (spec/service.md 7.2)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any
from uuid import uuid4

from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Outbound
from localpubsub.engine.upstream import MqttContext
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import Command, Frame, Message
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.content import SERVER_QOS, MqttMessage, properties_of
from localpubsub.protocol.mqtt.encoder import encode, encode_within
from localpubsub.protocol.mqtt.incoming import Incoming
from localpubsub.protocol.mqtt.outgoing import BufferFull, Delivery, Outgoing
from localpubsub.protocol.mqtt.packets import V5
from localpubsub.protocol.mqtt.properties import Properties, UserProperties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.subscriptions import GIVEN, Subscriptions
from localpubsub.protocol.mqtt.terms import Terms
from localpubsub.protocol.mqtt.topics import SERVER_MESSAGES, is_topic
from localpubsub.protocol.subprotocols import Codec

SUBPROTOCOL = "mqtt"


def user_properties_json(properties: UserProperties) -> list[dict[str, str]] | None:
    return [{"name": name, "value": value} for name, value in properties] or None


@dataclass(frozen=True)
class MqttCodec(Codec):
    """What the hub has to say when it ends a session. Everything else goes through the session itself."""

    goodbye: Callable[[str], Frame | None]
    key = SUBPROTOCOL
    is_pubsub = False

    def decode(self, frame: Frame) -> Command:  # noqa: ARG002
        raise Disconnect(1003)

    def encode(self, message: Message) -> Frame:
        return Frame(message.payload.data, is_text=False)

    def connected(self, _connection_id: str, _user_id: str | None, /) -> None:
        return None

    def disconnected(self, reason: str, /) -> Frame | None:
        return self.goodbye(reason)

    def ack(self, _ack_id: int, _error: tuple[str, str] | None = None, /) -> None:
        return None

    def pong(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Parting:
    """How the last transport of a session ended. `packet` is the DISCONNECT that was exchanged."""

    by_client: bool = False
    packet: p.Disconnect | None = None
    reason: str | None = None


@dataclass(eq=False)
class MqttConnection(Connection):
    """`transport` is the physical connection id of its socket, the last one where it has none now.

    `overflowed` is called when more waits for the client than the service keeps.
    """

    codec: Codec = field(init=False)
    groups: Subscriptions = field(default_factory=Subscriptions)
    terms: Terms = field(kw_only=True)
    transport: str = field(kw_only=True)
    overflowed: Callable[["MqttConnection"], None] = field(kw_only=True)
    clock: Callable[[], float] = monotonic
    session_id: str = field(default_factory=lambda: uuid4().hex)
    session_expiry: int = 0
    will: p.Will | None = None
    outgoing: Outgoing = field(default_factory=Outgoing)
    incoming: Incoming = field(default_factory=Incoming)
    parting: Parting = field(default_factory=Parting)
    is_attached: bool = False

    def __post_init__(self) -> None:
        self.codec = MqttCodec(self._goodbye)

    @property
    def mqtt_context(self) -> MqttContext:
        return MqttContext(self.transport, self.session_id)

    def farewell(self, reason: str | None) -> Mapping[str, Any]:
        """The body of `disconnected` (spec/service.md 7.5)."""
        parting = self.parting
        packet = parting.packet and {
            "code": int(parting.packet.reason),
            "userProperties": user_properties_json(parting.packet.properties.user_properties),
        }
        return {
            "reason": self.end_reason or parting.reason or reason,
            "mqtt": {"initiatedByClient": parting.by_client, "disconnectPacket": packet},
        }

    def attach(self, terms: Terms, transport: str, outbound: Outbound) -> None:
        """A client is there, which has its CONNACK already: what it missed follows."""
        self.terms, self.transport, self.outbound = terms, transport, outbound
        self.session_expiry, self.will = terms.session_expiry, terms.will
        self.is_attached, self.parting = True, Parting()
        self.write(self.outgoing.attach(self.clock(), terms.version, terms.receive_maximum, terms.packet_size_limit))

    def detach(self, parting: Parting, outbound: Outbound) -> None:
        """`outbound` leads nowhere, but tells of a close."""
        self.is_attached, self.parting, self.outbound = False, parting, outbound
        self.outgoing.detach()

    def say(self, packet: p.Disconnect) -> None:
        """The last packet to a client, where its version knows such a one."""
        self.outbound.put_control(self._last_word(packet), counted=False)

    def _goodbye(self, reason: str) -> Frame | None:
        return self._last_word(p.Disconnect(Reason.ADMINISTRATIVE_ACTION, Properties(reason_string=reason or None)))

    def _last_word(self, packet: p.Disconnect) -> Frame | None:
        if not self.is_attached or self.terms.version != V5:
            return None
        self.parting = Parting(packet=packet)
        return Frame(encode_within(packet, V5, self.terms.packet_size_limit), is_text=False)

    def enqueue(self, message: Message, encoded: dict[str, Frame], ttl_seconds: int = 0) -> None:
        """With QoS 0 the bytes are shared by all who hear it alike; otherwise everybody has packet ids of their own."""
        if message.stream is not None and message.stream.is_last and not message.payload.data:
            return  # it says that a stream ended, which MQTT has no word for
        if message.group is not None and not is_topic(message.group):
            return
        options = GIVEN if message.group is None else self.groups.options(message.group)
        qos = SERVER_QOS
        if isinstance(message, MqttMessage):
            qos = message.qos
            if options.no_local and message.origin == self.id:
                return
        own = properties_of(message)
        if options.identifier:
            own = replace(own, subscription_identifiers=(options.identifier,))
        expires_at = self.clock() + ttl_seconds if ttl_seconds else None
        topic = SERVER_MESSAGES if message.group is None else message.group
        delivery = Delivery(topic, message.payload.data, min(qos, options.qos), own, expires_at)
        if delivery.qos:
            self.send(delivery)
            return
        key = f"{SUBPROTOCOL} {self.terms.version} {options.identifier}"
        shared = encoded.get(key)
        if shared is None:
            shared = encoded[key] = self._frame(delivery.publish(self.clock()))
        if self.outgoing.takes(len(shared.data)):
            self.outbound.put(shared, ttl_seconds=ttl_seconds)

    def send(self, delivery: Delivery) -> None:
        """What is for this client alone, or has a packet id."""
        try:
            packets = self.outgoing.offer(delivery, self.clock())
        except BufferFull:
            self.overflowed(self)
        else:
            self.write(packets)

    def write(self, packets: Iterable[p.Packet]) -> None:
        """The payloads of what has a packet id are counted by the session, and not once more by the socket."""
        for packet in packets:
            frame = self._frame(packet)
            if isinstance(packet, p.Publish) and not packet.qos:
                self.outbound.put(frame)
            else:
                self.outbound.put_control(frame, counted=not isinstance(packet, p.Publish))

    def _frame(self, packet: p.Packet) -> Frame:
        return Frame(encode(packet, self.terms.version), is_text=False)
