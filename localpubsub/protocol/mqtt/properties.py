"""The properties of MQTT 5.0 (section 2.2.2)."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from localpubsub.protocol.mqtt import wire
from localpubsub.protocol.mqtt.errors import violation
from localpubsub.protocol.mqtt.wire import Reader

UserProperties = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """`None` and empty are absent. User properties keep their order, and their names may repeat."""

    payload_format: int | None = None
    message_expiry: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifiers: tuple[int, ...] = ()
    session_expiry: int | None = None
    assigned_client_id: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_properties: UserProperties = ()
    maximum_packet_size: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_identifier_available: int | None = None
    shared_subscription_available: int | None = None


NONE = Properties()
_NAMES = tuple(field.name for field in fields(Properties))
_REPEATED = frozenset({"subscription_identifiers", "user_properties"})


@dataclass(frozen=True, slots=True)
class _Kind:
    read: Callable[[Reader], Any]
    write: Callable[[Any], bytes]
    lowest: int = 0
    highest: int | None = None


def _number(size: int, lowest: int = 0, highest: int | None = None) -> _Kind:
    return _Kind(lambda reader: reader.integer(size), lambda value: wire.integer(value, size), lowest, highest)


_FLAG = _number(1, highest=1)
_TWO = _number(2)
_TWO_POSITIVE = _number(2, lowest=1)
_FOUR = _number(4)
_FOUR_POSITIVE = _number(4, lowest=1)
_VARINT_POSITIVE = _Kind(Reader.varint, wire.varint, lowest=1)
_TEXT = _Kind(Reader.text, wire.text)
_BINARY = _Kind(Reader.binary, wire.binary)
_PAIR = _Kind(lambda reader: (reader.text(), reader.text()), lambda pair: wire.text(pair[0]) + wire.text(pair[1]))

_EVERYWHERE = (
    "connect connack publish will puback pubrec pubrel pubcomp subscribe suback unsubscribe unsuback disconnect auth"
)

# Identifier: name, kind, and the packets it belongs to; `will` stands for the will inside a CONNECT.
_TABLE: dict[int, tuple[str, _Kind, str]] = {
    0x01: ("payload_format", _FLAG, "publish will"),
    0x02: ("message_expiry", _FOUR, "publish will"),
    0x03: ("content_type", _TEXT, "publish will"),
    0x08: ("response_topic", _TEXT, "publish will"),
    0x09: ("correlation_data", _BINARY, "publish will"),
    0x0B: ("subscription_identifiers", _VARINT_POSITIVE, "publish subscribe"),
    0x11: ("session_expiry", _FOUR, "connect connack disconnect"),
    0x12: ("assigned_client_id", _TEXT, "connack"),
    0x13: ("server_keep_alive", _TWO, "connack"),
    0x15: ("authentication_method", _TEXT, "connect connack auth"),
    0x16: ("authentication_data", _BINARY, "connect connack auth"),
    0x17: ("request_problem_information", _FLAG, "connect"),
    0x18: ("will_delay", _FOUR, "will"),
    0x19: ("request_response_information", _FLAG, "connect"),
    0x1A: ("response_information", _TEXT, "connack"),
    0x1C: ("server_reference", _TEXT, "connack disconnect"),
    0x1F: ("reason_string", _TEXT, "connack puback pubrec pubrel pubcomp suback unsuback disconnect auth"),
    0x21: ("receive_maximum", _TWO_POSITIVE, "connect connack"),
    0x22: ("topic_alias_maximum", _TWO, "connect connack"),
    0x23: ("topic_alias", _TWO, "publish"),
    0x24: ("maximum_qos", _FLAG, "connack"),
    0x25: ("retain_available", _FLAG, "connack"),
    0x26: ("user_properties", _PAIR, _EVERYWHERE),
    0x27: ("maximum_packet_size", _FOUR_POSITIVE, "connect connack"),
    0x28: ("wildcard_subscription_available", _FLAG, "connack"),
    0x29: ("subscription_identifier_available", _FLAG, "connack"),
    0x2A: ("shared_subscription_available", _FLAG, "connack"),
}  # fmt: skip
_BY_NAME = {name: (identifier, kind) for identifier, (name, kind, _) in _TABLE.items()}
ALLOWED: dict[str, frozenset[str]] = {
    place: frozenset(name for name, _, places in _TABLE.values() if place in places.split())
    for place in _EVERYWHERE.split()
}
"""The names of the properties a packet may carry."""


def decode(reader: Reader, place: str) -> Properties:
    """`place` is a packet in small letters, or `will`. Raises `MqttError`."""
    length = reader.varint()
    if not length:
        return NONE
    part = Reader(reader.take(length))
    allowed = ALLOWED[place]
    values: dict[str, Any] = {}
    while len(part):
        name, kind, _ = _TABLE.get(part.varint(), ("", _FLAG, ""))
        if name not in allowed:
            raise violation(f"a property of {place} is not known there")
        value = kind.read(part)
        if isinstance(value, int) and (value < kind.lowest or (kind.highest is not None and value > kind.highest)):
            raise violation(f"{name} is out of range")
        if name in _REPEATED:
            values[name] = (*values.get(name, ()), value)
        elif name in values:
            raise violation(f"{name} is there twice")
        else:
            values[name] = value
    if place == "subscribe" and len(values.get("subscription_identifiers", ())) > 1:
        raise violation("a SUBSCRIBE has one subscription identifier")
    if "authentication_data" in values and "authentication_method" not in values:
        raise violation("there is authentication data without a method")
    return Properties(**values)


def encode(properties: Properties) -> bytes:
    """With the length in front."""
    if properties is NONE:
        return b"\0"
    encoded = bytearray()
    for name in _NAMES:
        value = getattr(properties, name)
        if value is None or value == ():
            continue
        identifier, kind = _BY_NAME[name]
        for one in value if name in _REPEATED else (value,):
            encoded.append(identifier)
            encoded += kind.write(one)
    return wire.varint(len(encoded)) + encoded
