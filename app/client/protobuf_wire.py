"""The protobuf encoding, as far as the subprotocol needs it: varints, and bytes with their length."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_LONGEST_VARINT = 10


class Malformed(ValueError):
    """The bytes are no message."""


class Fields:
    """The fields of one message. What is repeated overrides what came before; what has another type is not there."""

    def __init__(self, data: bytes) -> None:
        """Raises `Malformed`."""
        self._fields = list(_read(data))

    def number(self, field: int) -> int | None:
        values = [value for number, value in self._fields if number == field and isinstance(value, int)]
        return values[-1] if values else None

    def all_bytes(self, field: int) -> list[bytes]:
        return [value for number, value in self._fields if number == field and isinstance(value, bytes)]

    def message(self, field: int) -> "Fields":
        """Without any field where there is none."""
        return Fields(b"".join(self.all_bytes(field)[-1:]))

    def text(self, field: int) -> str | None:
        """Raises `UnicodeDecodeError`."""
        values = self.all_bytes(field)
        return values[-1].decode() if values else None

    def texts(self, field: int) -> dict[str, str]:
        """A `map<string, string>`."""
        entries = [Fields(entry) for entry in self.all_bytes(field)]
        return {entry.text(1) or "": entry.text(2) or "" for entry in entries}

    def last(self) -> tuple[int, bytes] | None:
        """The last field that holds bytes: in a oneof, the member that is set."""
        members = [(number, value) for number, value in self._fields if isinstance(value, bytes)]
        return members[-1] if members else None


def _read(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise Malformed("there is no field 0")
        if kind == VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == BYTES:
            length, position = _varint(data, position)
        elif kind in _WIDTHS:
            length = _WIDTHS[kind]
        else:
            raise Malformed("groups are not part of proto3")
        if position + length > len(data):
            raise Malformed("a field is cut off")
        if kind == BYTES:
            yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[position : position + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:
            return value & (2**64 - 1), position + count + 1
    raise Malformed("a number is cut off")


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def number(field: int, value: int | None) -> bytes:
    """Nothing where there is no value; a zero is written."""
    return b"" if value is None else varint(field << 3 | VARINT) + varint(value)


def delimited(field: int, value: bytes) -> bytes:
    return varint(field << 3 | BYTES) + varint(len(value)) + value
