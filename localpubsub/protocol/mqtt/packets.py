"""The control packets of MQTT 3.1.1 and 5.0. Properties exist in 5.0 only."""

from dataclasses import dataclass, field
from enum import IntEnum

from localpubsub.protocol.mqtt.properties import NONE, Properties
from localpubsub.protocol.mqtt.reasons import Reason

V3 = 4
V5 = 5
"""Protocol levels, as a CONNECT packet has them."""


class PacketType(IntEnum):
    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


@dataclass(frozen=True, slots=True)
class Will:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Connect:
    """`clean_start` is the clean session flag in 3.1.1."""

    client_id: str
    version: int = V5
    clean_start: bool = True
    keep_alive: int = 0
    will: Will | None = None
    username: str | None = None
    password: bytes | None = field(default=None, repr=False)
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class ConnAck:
    """`code` is a `Reason` in 5.0 and a `ConnectReturn` in 3.1.1."""

    code: int = 0
    session_present: bool = False
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Publish:
    """`packet_id` is 0 where the QoS is."""

    topic: str
    payload: bytes = b""
    qos: int = 0
    packet_id: int = 0
    dup: bool = False
    retain: bool = False
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class _Acknowledgement:
    packet_id: int
    reason: Reason = Reason.SUCCESS
    properties: Properties = NONE


class PubAck(_Acknowledgement):
    """Ends QoS 1."""

    __slots__ = ()


class PubRec(_Acknowledgement):
    """First answer of QoS 2; an error ends it."""

    __slots__ = ()


class PubRel(_Acknowledgement):
    """The sender lets go of the packet id."""

    __slots__ = ()


class PubComp(_Acknowledgement):
    """Ends QoS 2."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter with its options; all but the QoS are 5.0's."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class SubAck:
    """One code for each filter. 3.1.1 knows 0, 1, 2 and 0x80."""

    packet_id: int
    codes: tuple[Reason, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class UnsubAck:
    """3.1.1 has no codes."""

    packet_id: int
    codes: tuple[Reason, ...] = ()
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class PingReq:
    pass


@dataclass(frozen=True, slots=True)
class PingResp:
    pass


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Without reason and properties in 3.1.1."""

    reason: Reason = Reason.SUCCESS
    properties: Properties = NONE


@dataclass(frozen=True, slots=True)
class Auth:
    """5.0 only."""

    reason: Reason = Reason.SUCCESS
    properties: Properties = NONE


Acknowledgement = PubAck | PubRec | PubRel | PubComp
Packet = (
    Connect | ConnAck | Publish | PubAck | PubRec | PubRel | PubComp | Subscribe | SubAck
    | Unsubscribe | UnsubAck | PingReq | PingResp | Disconnect | Auth
)  # fmt: skip
