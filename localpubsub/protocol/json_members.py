"""A JSON object, read member by member (spec/service.md 3.1). Numbers go on byte for byte as they were written."""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from localpubsub.protocol import names
from localpubsub.protocol.errors import malformed
from localpubsub.protocol.messages import DataType, Payload
from localpubsub.protocol.protobuf_wire import is_any

UINT64 = 2**64

_WHITESPACE = " \t\n\r"
_INTEGER = re.compile(r"-?[0-9]{1,20}")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members


# Python refuses to make an `int` of more than 4,300 digits, which are JSON all the same.
DECODER = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
_strict = json.JSONDecoder(object_pairs_hook=_unique)


class Members:
    """`values` by name, and in `raw` the text each was written as: `integer` reads that, since `values` has floats.

    Every reader raises `Disconnect` 1007.
    """

    def __init__(self, text: str) -> None:
        """Raises `ValueError` for anything but one JSON object; `RecursionError` for absurd nesting."""
        self.values: dict[str, Any] = {}
        self.raw: dict[str, str] = {}
        end = self._object(text, self._skip(text, 0))
        if self._skip(text, end) != len(text):
            raise ValueError("text behind the object")

    @staticmethod
    def _skip(text: str, position: int) -> int:
        while position < len(text) and text[position] in _WHITESPACE:
            position += 1
        return position

    def _object(self, text: str, position: int) -> int:
        if text[position : position + 1] != "{":
            raise ValueError("not an object")
        position = self._skip(text, position + 1)
        if text[position : position + 1] == "}":
            return position + 1
        while True:
            if text[position : position + 1] != '"':
                raise ValueError("not a member name")
            name, position = DECODER.raw_decode(text, position)
            position = self._skip(text, position)
            if text[position : position + 1] != ":":
                raise ValueError("no colon")
            start = self._skip(text, position + 1)
            self.values[name], position = DECODER.raw_decode(text, start)
            self.raw[name] = text[start:position]
            position = self._skip(text, position)
            if text[position : position + 1] == "}":
                return position + 1
            if text[position : position + 1] != ",":
                raise ValueError("no comma")
            position = self._skip(text, position + 1)

    def text(self, name: str, is_legal: Callable[[str], bool]) -> str:
        value = self.optional_text(name)
        if value is None or not is_legal(value):
            raise malformed()
        return value

    def optional_text(self, name: str) -> str | None:
        """Half a surrogate pair is legal JSON, but no text."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise malformed()
        value.encode()
        return value

    def integer(self, name: str, below: int, lowest: int = 0) -> int | None:
        if self.values.get(name) is None:
            return None
        written = self.raw[name]
        if not _INTEGER.fullmatch(written) or not lowest <= int(written) < below:
            raise malformed()
        return int(written)

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise malformed()
        return value

    def object(self, name: str) -> "Members | None":
        if self.values.get(name) is None:
            return None
        return Members(self.raw[name])

    def texts(self, name: str) -> Mapping[str, str] | None:
        """An object of texts, no name twice; `None` where there is none."""
        if self.values.get(name) is None:
            return None
        value = _strict.decode(self.raw[name])
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise malformed()
        for key, text in value.items():
            (key + text).encode()
        return value

    def metadata(self) -> Mapping[str, str]:
        metadata = self.texts("metadata") or {}
        if not names.is_metadata(metadata):
            raise malformed()
        return metadata

    def payload(self) -> Payload:
        """Only metadata can stand in for data."""
        payload = self.optional_payload()
        if payload is not None:
            return payload
        if not self.values.get("metadata"):
            raise malformed()
        return Payload(DataType.TEXT, b"")

    def optional_payload(self) -> Payload | None:
        data_type = self.values.get("dataType")
        try:
            kind = DataType.JSON if data_type is None else DataType(str(data_type).lower())
        except ValueError:
            raise malformed() from None
        value = self.values.get("data")
        if value is None:
            return None
        if kind is DataType.JSON:
            return Payload(kind, self.raw["data"].encode())
        if not isinstance(value, str):
            raise malformed()
        if kind is DataType.TEXT:
            return Payload(kind, value.encode())
        data = base64.b64decode(value, validate=True)
        if kind is DataType.PROTOBUF and not is_any(data):
            raise malformed()
        return Payload(kind, data)
