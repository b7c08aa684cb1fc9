"""A control packet from its bytes. Nothing but `MqttError` is raised, whatever the bytes."""

from collections.abc import Callable, Mapping

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt import properties, reasons
from localpubsub.protocol.mqtt.errors import MqttError, malformed, violation
from localpubsub.protocol.mqtt.packets import V3, V5, Packet, PacketType
from localpubsub.protocol.mqtt.properties import NONE, Properties
from localpubsub.protocol.mqtt.reasons import FAILURE, Reason
from localpubsub.protocol.mqtt.wire import Reader

PROTOCOL_NAMES: Mapping[str, frozenset[int]] = {"MQTT": frozenset({V3, V5}), "MQIsdp": frozenset()}
SHARED = "$share/"

_FLAGS = {PacketType.PUBREL: 0b0010, PacketType.SUBSCRIBE: 0b0010, PacketType.UNSUBSCRIBE: 0b0010}


def packet_type(first: int) -> PacketType:
    """Of a packet's first byte. Raises `MqttError` for one that does not exist, or has the wrong flags."""
    try:
        kind = PacketType(first >> 4)
    except ValueError:
        raise malformed("the packet type 0 is reserved") from None
    if kind is not PacketType.PUBLISH and first & 0x0F != _FLAGS.get(kind, 0):
        raise malformed(f"the flags of {kind.name} are not the ones it has")
    return kind


def protocol_level(body: bytes) -> int:
    """What a CONNECT says it speaks. Raises `MqttError` for what is not MQTT at all."""
    reader = Reader(body)
    name = reader.text()
    if name not in PROTOCOL_NAMES:
        raise malformed("the protocol name is not MQTT")
    return reader.integer(1)


def decode(first: int, body: bytes, version: int) -> Packet:
    """`first` is the packet's first byte, `body` what follows the remaining length."""
    kind = packet_type(first)
    reader = Reader(body)
    packet = _publish(first & 0x0F, reader, version) if kind is PacketType.PUBLISH else _DECODERS[kind](reader, version)
    reader.end()
    return packet


def _properties(reader: Reader, place: str, version: int) -> Properties:
    return properties.decode(reader, place) if version == V5 else NONE


def _packet_id(reader: Reader) -> int:
    packet_id = reader.integer(2)
    if not packet_id:
        raise violation("a packet identifier is 0")
    return packet_id


def _reason(code: int, allowed: frozenset[Reason]) -> Reason:
    try:
        reason = Reason(code)
    except ValueError:
        reason = None
    if reason not in allowed:
        raise violation(f"the reason code {code:#04x} is not one of this packet")
    return reason


def _connect(reader: Reader, version: int) -> p.Connect:
    name, level, flags = reader.text(), reader.integer(1), reader.integer(1)
    if level not in PROTOCOL_NAMES.get(name, ()):
        raise MqttError(Reason.UNSUPPORTED_PROTOCOL_VERSION, f"{name} {level} is not spoken here")
    if flags & 1:
        raise malformed("the reserved flag of CONNECT is set")
    keep_alive = reader.integer(2)
    own = _properties(reader, "connect", version)
    client_id = reader.text()
    will = _will(reader, flags, version)
    if version == V3 and flags & 0xC0 == 0x40:
        raise malformed("there is a password without a user name")
    return p.Connect(
        client_id,
        version,
        bool(flags & 2),
        keep_alive,
        will,
        reader.text() if flags & 0x80 else None,
        reader.binary() if flags & 0x40 else None,
        own,
    )


def _will(reader: Reader, flags: int, version: int) -> p.Will | None:
    qos, retain = flags >> 3 & 3, bool(flags & 0x20)
    if not flags & 4:
        if qos or retain:
            raise malformed("there are flags of a will, and no will")
        return None
    if qos == 3:
        raise malformed("the QoS of the will is 3")
    own = _properties(reader, "will", version)
    return p.Will(reader.text(), reader.binary(), qos, retain, own)


def _connack(reader: Reader, version: int) -> p.ConnAck:
    flags, code = reader.integer(1), reader.integer(1)
    if flags > 1 or (flags and code):
        raise malformed("the flags of CONNACK are not legal")
    if version == V5:
        _reason(code, reasons.CONNACK)
    elif code > reasons.ConnectReturn.NOT_AUTHORIZED:
        raise violation("the return code is reserved")
    return p.ConnAck(code, bool(flags), _properties(reader, "connack", version))


def _publish(flags: int, reader: Reader, version: int) -> p.Publish:
    qos, dup = flags >> 1 & 3, bool(flags & 8)
    if qos == 3 or (dup and not qos):
        raise malformed("the flags of PUBLISH are not legal")
    topic = reader.text()
    if "+" in topic or "#" in topic:
        raise MqttError(Reason.TOPIC_NAME_INVALID, "a topic name holds a wildcard")
    packet_id = _packet_id(reader) if qos else 0
    own = _properties(reader, "publish", version)
    if not topic and own.topic_alias is None:
        raise violation("there is neither a topic nor an alias")
    response = own.response_topic
    if response is not None and ("+" in response or "#" in response):
        raise violation("the response topic holds a wildcard")
    return p.Publish(topic, reader.rest(), qos, packet_id, dup, bool(flags & 1), own)


def _acknowledgement(
    packet: Callable[[int, Reason, Properties], Packet], place: str, allowed: frozenset[Reason]
) -> Callable[[Reader, int], Packet]:
    def read(reader: Reader, version: int) -> Packet:
        packet_id, reason, own = _packet_id(reader), Reason.SUCCESS, NONE
        if version == V5 and len(reader):
            reason = _reason(reader.integer(1), allowed)
            own = properties.decode(reader, place) if len(reader) else NONE
        return packet(packet_id, reason, own)

    return read


def _subscription(reader: Reader, version: int) -> p.Subscription:
    topic_filter, options = reader.text(), reader.integer(1)
    if options & (0xC0 if version == V5 else 0xFC):
        raise malformed("reserved bits of a subscription are set")
    qos, retain_handling = options & 3, options >> 4
    if qos == 3 or retain_handling == 3:
        raise malformed("the options of a subscription are not legal")
    if options & 4 and topic_filter.startswith(SHARED):
        raise violation("a shared subscription cannot be without the local messages")
    return p.Subscription(topic_filter, qos, bool(options & 4), bool(options & 8), retain_handling)


def _subscribe(reader: Reader, version: int) -> p.Subscribe:
    packet_id, own = _packet_id(reader), _properties(reader, "subscribe", version)
    subscriptions = []
    while len(reader):
        subscriptions.append(_subscription(reader, version))
    if not subscriptions:
        raise violation("a SUBSCRIBE is empty")
    return p.Subscribe(packet_id, tuple(subscriptions), own)


def _suback(reader: Reader, version: int) -> p.SubAck:
    packet_id, own = _packet_id(reader), _properties(reader, "suback", version)
    allowed = reasons.SUBACK if version == V5 else frozenset({*map(Reason, range(3)), Reason(FAILURE)})
    return p.SubAck(packet_id, tuple(_reason(code, allowed) for code in reader.rest()), own)


def _unsubscribe(reader: Reader, version: int) -> p.Unsubscribe:
    packet_id, own = _packet_id(reader), _properties(reader, "unsubscribe", version)
    filters = []
    while len(reader):
        filters.append(reader.text())
    if not filters:
        raise violation("an UNSUBSCRIBE is empty")
    return p.Unsubscribe(packet_id, tuple(filters), own)


def _unsuback(reader: Reader, version: int) -> p.UnsubAck:
    packet_id, own = _packet_id(reader), _properties(reader, "unsuback", version)
    codes = reader.rest() if version == V5 else b""
    return p.UnsubAck(packet_id, tuple(_reason(code, reasons.UNSUBACK) for code in codes), own)


def _disconnect(reader: Reader, version: int) -> p.Disconnect:
    if version != V5 or not len(reader):
        return p.Disconnect()
    reason = _reason(reader.integer(1), reasons.DISCONNECT)
    return p.Disconnect(reason, properties.decode(reader, "disconnect") if len(reader) else NONE)


def _auth(reader: Reader, version: int) -> p.Auth:
    if version != V5:
        raise malformed("the packet type 15 is reserved")
    if not len(reader):
        return p.Auth()
    reason = _reason(reader.integer(1), reasons.AUTH)
    return p.Auth(reason, properties.decode(reader, "auth") if len(reader) else NONE)


_DECODERS: Mapping[PacketType, Callable[[Reader, int], Packet]] = {
    PacketType.CONNECT: _connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBACK: _acknowledgement(p.PubAck, "puback", reasons.PUBACK),
    PacketType.PUBREC: _acknowledgement(p.PubRec, "pubrec", reasons.PUBREC),
    PacketType.PUBREL: _acknowledgement(p.PubRel, "pubrel", reasons.PUBREL),
    PacketType.PUBCOMP: _acknowledgement(p.PubComp, "pubcomp", reasons.PUBCOMP),
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: _unsuback,
    PacketType.PINGREQ: lambda _reader, _version: p.PingReq(),
    PacketType.PINGRESP: lambda _reader, _version: p.PingResp(),
    PacketType.DISCONNECT: _disconnect,
    PacketType.AUTH: _auth,
}
