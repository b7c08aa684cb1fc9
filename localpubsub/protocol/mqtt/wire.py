"""The data types of MQTT (5.0, section 1.5)."""

from localpubsub.protocol.mqtt.errors import malformed

VARINT_LIMIT = 0x0FFF_FFFF
STRING_LIMIT = 0xFFFF


class Reader:
    """Reads a packet's body from front to back. Everything raises `MqttError` where there is too little."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def __len__(self) -> int:
        """How much is left."""
        return len(self._data) - self._position

    def take(self, size: int) -> bytes:
        if size > len(self):
            raise malformed("the packet ends too early")
        self._position += size
        return self._data[self._position - size : self._position]

    def rest(self) -> bytes:
        return self.take(len(self))

    def integer(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def varint(self) -> int:
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.integer(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if shift and not byte:
                    raise malformed("an integer uses more bytes than it needs")
                return value
        raise malformed("an integer has more than four bytes")

    def binary(self) -> bytes:
        return self.take(self.integer(2))

    def text(self) -> str:
        try:
            text = self.binary().decode()
        except UnicodeDecodeError:
            raise malformed("a text is not UTF-8") from None
        if "\0" in text:
            raise malformed("a text holds the null character")
        return text

    def end(self) -> None:
        if len(self):
            raise malformed("the packet goes on behind its end")


def integer(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def varint(value: int) -> bytes:
    """Raises `ValueError` past 268,435,455."""
    if not 0 <= value <= VARINT_LIMIT:
        raise ValueError(f"{value} does not fit a variable byte integer")
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def binary(value: bytes) -> bytes:
    """Raises `ValueError` past 65,535 bytes."""
    if len(value) > STRING_LIMIT:
        raise ValueError("a string has at most 65,535 bytes")
    return integer(len(value), 2) + value


def is_legal(value: str) -> bool:
    """Whether it can be a text in MQTT."""
    try:
        return len(value.encode()) <= STRING_LIMIT and "\0" not in value
    except UnicodeEncodeError:
        return False


def text(value: str) -> bytes:
    return binary(value.encode())
