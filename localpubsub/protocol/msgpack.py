"""As much MessagePack as a tunnel needs: whole numbers, text, bytes, nil, and arrays of a known length."""

from struct import Struct

NIL = b"\xc0"

_U8, _U16, _U32, _U64 = Struct(">B"), Struct(">H"), Struct(">I"), Struct(">Q")
_I8, _I16, _I32, _I64 = Struct(">b"), Struct(">h"), Struct(">i"), Struct(">q")
_INTEGERS = {0xCC: _U8, 0xCD: _U16, 0xCE: _U32, 0xCF: _U64, 0xD0: _I8, 0xD1: _I16, 0xD2: _I32, 0xD3: _I64}
_STRINGS = {0xD9: _U8, 0xDA: _U16, 0xDB: _U32}
_BINARIES = {0xC4: _U8, 0xC5: _U16, 0xC6: _U32}
_ARRAYS = {0xDC: _U16, 0xDD: _U32}


def array_head(length: int) -> bytes:
    """Of fewer than 16 elements, which follow."""
    return bytes((0x90 | length,))


def small_integer(number: int) -> bytes:
    """From 0 to 127."""
    return bytes((number,))


def text(value: str) -> bytes:
    data = value.encode()
    if len(data) < 32:
        return bytes((0xA0 | len(data),)) + data
    return _head(len(data), _STRINGS) + data


def binary(data: bytes) -> bytes:
    return _head(len(data), _BINARIES) + data


def _head(length: int, formats: dict[int, Struct]) -> bytes:
    for mark, size in formats.items():
        if length < 1 << 8 * size.size:
            return bytes((mark,)) + size.pack(length)
    raise ValueError(f"{length} bytes are more than MessagePack can say")


class Reader:
    """Takes values one after another. Every method raises `ValueError` for anything but what it is named after."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0

    def array(self) -> int:
        """How many elements follow."""
        mark = self._mark()
        if mark & 0xF0 == 0x90:
            return mark & 0x0F
        return self._number(mark, _ARRAYS)

    def integer(self) -> int:
        mark = self._mark()
        if mark < 0x80:
            return mark
        if mark >= 0xE0:
            return mark - 0x100
        return self._number(mark, _INTEGERS)

    def text(self) -> str:
        mark = self._mark()
        length = mark & 0x1F if mark & 0xE0 == 0xA0 else self._number(mark, _STRINGS)
        return str(self._take(length), "utf-8")

    def binary_or_nil(self) -> bytes | None:
        mark = self._mark()
        if mark == NIL[0]:
            return None
        return bytes(self._take(self._number(mark, _BINARIES)))

    def end(self) -> None:
        if self._position != len(self._data):
            raise ValueError("bytes are left over")

    def _mark(self) -> int:
        return self._take(1)[0]

    def _number(self, mark: int, formats: dict[int, Struct]) -> int:
        if mark not in formats:
            raise ValueError(f"0x{mark:02x} does not start what is expected")
        size = formats[mark]
        number: int = size.unpack(self._take(size.size))[0]
        return number

    def _take(self, length: int) -> memoryview:
        taken = self._data[self._position : self._position + length]
        if len(taken) < length:
            raise ValueError("the bytes end too early")
        self._position += length
        return taken
