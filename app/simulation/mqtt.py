"""As much of MQTT 3.1.1 as a vehicle needs: CONNECT, PUBLISH, PINGREQ, and reading what comes (spec/service.md 7)."""

from typing import NamedTuple

CONNACK, PUBLISH = 2, 3
KEEP_ALIVE_SECONDS = 60
PING = b"\xc0\x00"
EVENTS = "$webpubsub/server/events/"


class Packet(NamedTuple):
    """`flags` are the low four bits of the first byte."""

    kind: int
    flags: int
    body: bytes


class Publication(NamedTuple):
    """`packet_id` is `None` where it wants no acknowledgement."""

    topic: str
    packet_id: int | None
    payload: bytes


def connect(client_id: str) -> bytes:
    """A clean session."""
    return _packet(0x10, _text("MQTT") + b"\x04\x02" + KEEP_ALIVE_SECONDS.to_bytes(2) + _text(client_id))


def publish(topic: str, payload: bytes) -> bytes:
    """At most once."""
    return _packet(0x30, _text(topic) + payload)


def acknowledge(packet_id: int) -> bytes:
    return b"\x40\x02" + packet_id.to_bytes(2)


def read_publication(packet: Packet) -> Publication:
    """Raises `ValueError` where it is cut short."""
    size = 2 + int.from_bytes(packet.body[:2])
    has_id = bool(packet.flags & 0x06)
    if len(packet.body) < size + 2 * has_id:
        raise ValueError("a PUBLISH is cut short")
    topic, rest = packet.body[2:size].decode(), packet.body[size:]
    return Publication(topic, int.from_bytes(rest[:2]) if has_id else None, rest[2 * has_id :])


class Reader:
    """Bytes in, whole packets out: frames may split packets or hold several."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Raises `ValueError` for a length that never ends."""
        self._rest += data
        packets = []
        while (packet := self._next()) is not None:
            packets.append(packet)
        return packets

    def _next(self) -> Packet | None:
        length = 0
        for place, byte in enumerate(self._rest[1:5]):
            length |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                start = place + 2
                if len(self._rest) < start + length:
                    return None
                first, body = self._rest[0], self._rest[start : start + length]
                self._rest = self._rest[start + length :]
                return Packet(first >> 4, first & 0x0F, body)
        if len(self._rest) > 4:
            raise ValueError("a packet's length has more than four bytes")
        return None


def _packet(first: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while rest > 0x7F:
        length += bytes((rest & 0x7F | 0x80,))
        rest >>= 7
    return bytes((first,)) + length + bytes((rest,)) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded
