"""A control packet as bytes. Packets of our own making: what does not fit is a `ValueError`."""

from dataclasses import replace
from typing import assert_never

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt import properties
from localpubsub.protocol.mqtt.packets import V5, Packet, PacketType
from localpubsub.protocol.mqtt.properties import NONE, Properties
from localpubsub.protocol.mqtt.wire import binary, integer, text, varint


def encode(packet: Packet, version: int) -> bytes:  # noqa: C901, PLR0911, PLR0912 - one case for each packet
    match packet:
        case p.Publish():
            return _publish(packet, version)
        case p.PubAck():
            return _acknowledgement(PacketType.PUBACK, packet, version)
        case p.PubRec():
            return _acknowledgement(PacketType.PUBREC, packet, version)
        case p.PubRel():
            return _acknowledgement(PacketType.PUBREL, packet, version, flags=2)
        case p.PubComp():
            return _acknowledgement(PacketType.PUBCOMP, packet, version)
        case p.Connect():
            return _packet(PacketType.CONNECT, _connect(packet))
        case p.ConnAck(code, session_present, own):
            head = bytes([session_present, code])
            return _packet(PacketType.CONNACK, head + _properties(own, version))
        case p.Subscribe(packet_id, subscriptions, own):
            head = integer(packet_id, 2) + _properties(own, version)
            return _packet(PacketType.SUBSCRIBE, head + b"".join(map(_subscription, subscriptions)), flags=2)
        case p.SubAck(packet_id, codes, own):
            return _packet(PacketType.SUBACK, integer(packet_id, 2) + _properties(own, version) + bytes(codes))
        case p.Unsubscribe(packet_id, filters, own):
            head = integer(packet_id, 2) + _properties(own, version)
            return _packet(PacketType.UNSUBSCRIBE, head + b"".join(map(text, filters)), flags=2)
        case p.UnsubAck(packet_id, codes, own):
            tail = _properties(own, version) + bytes(codes) if version == V5 else b""
            return _packet(PacketType.UNSUBACK, integer(packet_id, 2) + tail)
        case p.PingReq():
            return _packet(PacketType.PINGREQ)
        case p.PingResp():
            return _packet(PacketType.PINGRESP)
        case p.Disconnect(reason, own):
            return _packet(PacketType.DISCONNECT, _short(reason, own) if version == V5 else b"")
        case p.Auth(reason, own):
            return _packet(PacketType.AUTH, _short(reason, own))
        case _:
            assert_never(packet)


def encode_within(packet: p.ConnAck | p.Disconnect, version: int, limit: int | None) -> bytes:
    """Without its words where they make it larger than the receiver takes (MQTT 5.0, 3.2.2.3.9, 3.14.2.2.3)."""
    data = encode(packet, version)
    if limit is None or len(data) <= limit:
        return data
    terse = replace(packet.properties, reason_string=None, user_properties=())
    return encode(replace(packet, properties=terse), version)


def _packet(kind: PacketType, body: bytes = b"", *, flags: int = 0) -> bytes:
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def _properties(own: Properties, version: int) -> bytes:
    return properties.encode(own) if version == V5 else b""


def _short(reason: int, own: Properties) -> bytes:
    """What is the default at the end is left out."""
    if own != NONE:
        return bytes([reason]) + properties.encode(own)
    return bytes([reason]) if reason else b""


def _publish(packet: p.Publish, version: int) -> bytes:
    head = text(packet.topic) + (integer(packet.packet_id, 2) if packet.qos else b"")
    flags = packet.dup << 3 | packet.qos << 1 | packet.retain
    return _packet(PacketType.PUBLISH, head + _properties(packet.properties, version) + packet.payload, flags=flags)


def _acknowledgement(kind: PacketType, packet: p.Acknowledgement, version: int, *, flags: int = 0) -> bytes:
    tail = _short(packet.reason, packet.properties) if version == V5 else b""
    return _packet(kind, integer(packet.packet_id, 2) + tail, flags=flags)


def _connect(packet: p.Connect) -> bytes:
    will, version = packet.will, packet.version
    flags = packet.clean_start << 1 | (packet.username is not None) << 7 | (packet.password is not None) << 6
    tail = b""
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        tail += _properties(will.properties, version) + text(will.topic) + binary(will.payload)
    if packet.username is not None:
        tail += text(packet.username)
    if packet.password is not None:
        tail += binary(packet.password)
    head = text("MQTT") + bytes([version, flags]) + integer(packet.keep_alive, 2)
    return head + _properties(packet.properties, version) + text(packet.client_id) + tail


def _subscription(one: p.Subscription) -> bytes:
    options = one.qos | one.no_local << 2 | one.retain_as_published << 3 | one.retain_handling << 4
    return text(one.topic_filter) + bytes([options])
