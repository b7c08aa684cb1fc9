"""Packets out of a stream of bytes: WebSocket frames may split and join them (spec/service.md 7.1)."""

from collections.abc import Iterator

from localpubsub.protocol.mqtt.decoder import decode, packet_type, protocol_level
from localpubsub.protocol.mqtt.errors import MqttError, malformed, violation
from localpubsub.protocol.mqtt.packets import V3, V5, Packet, PacketType
from localpubsub.protocol.mqtt.reasons import Reason

PACKET_LIMIT = 1024 * 1024


class PacketStream:
    """`version` is what the peer speaks: known from its CONNECT on, which has to come first.

    A peer of ours is read with the version given. After an error there is nothing more to read.
    """

    def __init__(self, version: int | None = None, limit: int = PACKET_LIMIT) -> None:
        self.version = version
        self._limit = limit
        self._buffer = bytearray()
        self._error: MqttError | None = None

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete now. Raises `MqttError` behind the last one that is right."""
        self._buffer += data
        return self._packets()

    def _packets(self) -> Iterator[Packet]:
        if self._error is not None:
            raise self._error
        try:
            while (packet := self._next()) is not None:
                yield packet
        except MqttError as error:
            self._error = error
            self._buffer.clear()
            raise

    def _next(self) -> Packet | None:
        """Its size is checked as soon as the fixed header is there."""
        buffer = self._buffer
        if not buffer:
            return None
        kind = packet_type(buffer[0])
        if self.version is None and kind is not PacketType.CONNECT:
            raise violation("the first packet is not a CONNECT")
        length = start = 0
        while True:
            start += 1
            if start > 4:
                raise malformed("the remaining length has more than four bytes")
            if start >= len(buffer):
                return None
            length |= (buffer[start] & 0x7F) << 7 * (start - 1)
            if buffer[start] < 0x80:
                break
        start += 1
        if start + length > self._limit:
            raise MqttError(Reason.PACKET_TOO_LARGE, f"a packet has at most {self._limit} bytes")
        if len(buffer) < start + length:
            return None
        first, body = buffer[0], bytes(memoryview(buffer)[start : start + length])
        del buffer[: start + length]
        return self._decode(kind, first, body)

    def _decode(self, kind: PacketType, first: int, body: bytes) -> Packet:
        if kind is PacketType.CONNECT:
            if self.version is not None:
                raise violation("there is a second CONNECT")
            self.version = V3 if protocol_level(body) < V5 else V5
        return decode(first, body, self.version or V3)
