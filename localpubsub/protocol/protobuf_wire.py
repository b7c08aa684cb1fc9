"""The protobuf encoding: numbered fields and nothing of what they mean (spec/service.md 5).

Written by hand, because a received `Any` has to go on byte for byte, and because it is all the subprotocol needs.
"""

from collections.abc import Collection, Iterator, Mapping

VARINT, FIXED64, BYTES, GROUP, END_GROUP, FIXED32 = range(6)
MASK64 = 2**64 - 1
FIELD_LIMIT = 2**29
NESTING_LIMIT = 100
_VARINT_BYTES = 10
_FIXED = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """The bytes are no protobuf message."""


class Fields:
    """The fields of one message, in order. One that has an unexpected wire type counts as unknown, as in protobuf."""

    def __init__(self, data: bytes) -> None:
        """Raises `WireError`."""
        self._fields = list(_read(data))

    def _values(self, number: int, wire_type: int) -> list[int | bytes]:
        return [value for field, kind, value in self._fields if (field, kind) == (number, wire_type)]

    def uint(self, number: int, bits: int = 64) -> int | None:
        """The last value. A wider one is cut, as every protobuf library does."""
        values = self._values(number, VARINT)
        return int(values[-1]) & (2**bits - 1) if values else None

    def flag(self, number: int) -> bool:
        return bool(self.uint(number))

    def text(self, number: int) -> str | None:
        """Raises `WireError` for what is not UTF-8."""
        values = [_text(value) for value in self.all_bytes(number)]
        return values[-1] if values else None

    def all_bytes(self, number: int) -> list[bytes]:
        return [value for value in self._values(number, BYTES) if isinstance(value, bytes)]

    def message(self, number: int) -> bytes | None:
        """An embedded message. One sent in pieces is their concatenation: that is how protobuf merges."""
        pieces = self.all_bytes(number)
        return b"".join(pieces) if pieces else None

    def one_of(self, numbers: Collection[int], merged: Collection[int]) -> tuple[int, bytes] | None:
        """The member of a oneof that is set: the last one. Those in `merged` are messages and merge with themselves."""
        chosen: tuple[int, bytes] | None = None
        for number, kind, value in self._fields:
            if number not in numbers or kind != BYTES or not isinstance(value, bytes):
                continue
            again = chosen is not None and chosen[0] == number and number in merged
            chosen = (number, chosen[1] + value) if again and chosen is not None else (number, value)
        return chosen

    def texts(self, number: int) -> dict[str, str]:
        """A `map<string, string>`. Raises `WireError`."""
        entries = (Fields(entry) for entry in self.all_bytes(number))
        return {entry.text(1) or "": entry.text(2) or "" for entry in entries}


def is_any(data: bytes) -> bool:
    """Whether the bytes are a serialised `google.protobuf.Any`: a type's URL and a value."""
    try:
        Fields(data).text(1)
    except WireError:
        return False
    return True


def _text(data: int | bytes) -> str:
    try:
        return bytes(data).decode() if isinstance(data, bytes) else ""
    except UnicodeDecodeError:
        raise WireError("a string is not UTF-8") from None


def _read(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    position = 0
    while position < len(data):
        number, kind, position = _tag(data, position)
        if kind == VARINT:
            value, position = _varint(data, position)
            yield number, kind, value
        elif kind == BYTES:
            end, start = _delimited(data, position)
            yield number, kind, data[start:end]
            position = end
        else:
            position = _skip(data, position, number, kind, NESTING_LIMIT)


def _tag(data: bytes, position: int) -> tuple[int, int, int]:
    tag, position = _varint(data, position)
    number, kind = tag >> 3, tag & 7
    if not 0 < number < FIELD_LIMIT or kind > FIXED32:
        raise WireError("there is no such field")
    return number, kind, position


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for index in range(_VARINT_BYTES):
        if position + index >= len(data):
            raise WireError("a number is cut off")
        byte = data[position + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value & MASK64, position + index + 1
    raise WireError("a number is too long")


def _delimited(data: bytes, position: int) -> tuple[int, int]:
    """Where it ends, and where it starts."""
    length, start = _varint(data, position)
    if start + length > len(data):
        raise WireError("a field is cut off")
    return start + length, start


def _skip(data: bytes, position: int, number: int, kind: int, depth: int) -> int:
    """Behind the field at `position`."""
    if kind == VARINT:
        return _varint(data, position)[1]
    if kind == BYTES:
        return _delimited(data, position)[0]
    if kind in _FIXED:
        if position + _FIXED[kind] > len(data):
            raise WireError("a field is cut off")
        return position + _FIXED[kind]
    if kind == END_GROUP or not depth:
        raise WireError("groups are not nested properly")
    while True:
        inner, inner_kind, position = _tag(data, position)
        if inner_kind == END_GROUP:
            if inner != number:
                raise WireError("groups are not nested properly")
            return position
        position = _skip(data, position, inner, inner_kind, depth - 1)


def varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def uint(number: int, value: int) -> bytes:
    """A field, whatever its value: leaving out a zero is the caller's choice."""
    return varint(number << 3 | VARINT) + varint(value)


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def text(number: int, value: str | None) -> bytes:
    """Nothing where the value is `None`."""
    return b"" if value is None else delimited(number, value.encode())


def texts(number: int, values: Mapping[str, str]) -> bytes:
    return b"".join(delimited(number, text(1, key) + text(2, value)) for key, value in values.items())


def numbered(frame: bytes, sequence_fields: Mapping[int, int], sequence_id: int) -> bytes:
    """A frame whose one embedded message gets a sequence id at its end: fields may come in any order.

    `sequence_fields` names, for each field of the frame, the number the id has inside it.
    """
    number, _, position = _tag(frame, 0)
    _, start = _delimited(frame, position)
    return delimited(number, frame[start:] + uint(sequence_fields[number], sequence_id))
