"""The four kinds of data a user event or a message carries (spec/upstream.md 5.3)."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from app.models.wire import WireModel

TEXT = "text/plain"
JSON = "application/json"
BINARY = "application/octet-stream"
PROTOBUF = "application/x-protobuf"


class TextData(WireModel):
    """Text; reaches a PubSub client as `dataType: text`, a raw client as a text frame."""

    text: str

    @property
    def content_type(self) -> str:
        return f"{TEXT}; charset=utf-8"

    @property
    def body(self) -> bytes:
        return self.text.encode()


class JsonData(WireModel):
    """Any JSON value, `null` included.

    `raw` is the text it arrived as. Where it is known, it is what goes out again, so numbers survive an echo
    to the last digit.
    """

    value: JsonValue
    raw: bytes | None = None

    @property
    def content_type(self) -> str:
        return JSON

    @property
    def body(self) -> bytes:
        return to_json(self.value, inf_nan_mode="constants") if self.raw is None else self.raw


class BinaryData(WireModel):
    """Bytes. Only MQTT may carry a media type other than `application/octet-stream`."""

    data: bytes
    content_type: str = BINARY

    @property
    def body(self) -> bytes:
        return self.data


class ProtobufData(WireModel):
    """A serialised `google.protobuf.Any`, kept byte for byte."""

    data: bytes

    @property
    def content_type(self) -> str:
        return PROTOBUF

    @property
    def body(self) -> bytes:
        return self.data


Payload = TextData | JsonData | BinaryData | ProtobufData

Message = Payload | str | bytes | Mapping[str, Any] | list[Any] | int | float | bool | None
"""What may be sent: a payload, or a plain value that `as_payload` gives the obvious type."""


def as_payload(message: Message) -> Payload:
    """`str` is text, `bytes` is binary, every other value is JSON.

    Raises `ValueError` for what JSON cannot hold, NaN and infinity among it.
    """
    match message:
        case TextData() | JsonData() | BinaryData() | ProtobufData():
            return message
        case str():
            return TextData(text=message)
        case bytes():
            return BinaryData(data=message)
        case _:
            raw = json_text(message)
            return JsonData.model_construct(value=parse_json(raw), raw=raw)


def json_text(value: object) -> bytes:
    """Raises `ValueError` for what JSON cannot hold, NaN and infinity among it."""
    raw = to_json(value, inf_nan_mode="constants")
    if b"NaN" in raw or b"Infinity" in raw:
        parse_json(raw)  # the words may be inside a text
    return raw


def parse_json(text: bytes) -> JsonValue:
    """Strict JSON: raises `ValueError` for NaN, lone surrogates, bad UTF-8 and absurd nesting."""
    value: JsonValue = from_json(text, allow_inf_nan=False)
    return value
