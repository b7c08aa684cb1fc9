"""Messages of the event handler tunnel: HTTP inside one WebSocket (spec/service.md 10.2, 10.3).

A frame is the length of the rest in four bytes, little-endian, and an array of the type, a JSON object and the content.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from localpubsub.protocol import msgpack

CHUNK = 1024 * 1024
LENGTH_BYTES = 4

Headers = Mapping[str, Sequence[str]]


class FrameError(ValueError):
    """Not a frame of the tunnel protocol."""


class FrameType(IntEnum):
    """What is missing between is not in use."""

    HTTP_REQUEST = 1
    HTTP_RESPONSE = 2
    SERVICE_STATUS = 5
    CONNECTION_RECONNECT = 6
    CONNECTION_CLOSE = 7
    CONNECTION_REBALANCE = 8
    CONNECTION_CONNECTED = 10


@dataclass(frozen=True)
class HttpRequest:
    """`ack_id` is chosen by the side that asks; the answer repeats it, the channel and the routing."""

    ack_id: int
    method: str
    url: str
    headers: Headers = field(default_factory=dict)
    content: bytes | None = None
    channel: str = ""
    local_routing: bool = False


@dataclass(frozen=True)
class HttpResponse:
    """`not_completed`: more content follows with the same `ack_id`."""

    ack_id: int
    status: int
    headers: Headers = field(default_factory=dict)
    content: bytes | None = None
    not_completed: bool = False
    channel: str = ""
    local_routing: bool = False

    def parts(self) -> Iterator["HttpResponse"]:
        """The same answer with at most `CHUNK` bytes a frame."""
        content = self.content or b""
        for start in range(0, len(content) or 1, CHUNK):
            more = start + CHUNK < len(content)
            piece = content[start : start + CHUNK]
            yield replace(self, content=None if self.content is None else piece, not_completed=more)


@dataclass(frozen=True)
class Connected:
    """The first frame of the service."""

    connection_id: str
    user_id: str | None = None


@dataclass(frozen=True)
class Notice:
    """A status, a close or a move. `target_id` and `endpoint` tell where to go."""

    type: FrameType
    message: str = ""
    target_id: str | None = None
    endpoint: str | None = None


Frame = HttpRequest | HttpResponse | Connected | Notice


def encode(frame: Frame) -> bytes:
    content = frame.content if isinstance(frame, HttpRequest | HttpResponse) else None
    members = _members(frame)
    packed = b"".join(
        (
            msgpack.array_head(3),
            msgpack.small_integer(members["Type"]),
            msgpack.text(json.dumps(members, separators=(",", ":"))),
            msgpack.NIL if content is None else msgpack.binary(content),
        )
    )
    return len(packed).to_bytes(LENGTH_BYTES, "little") + packed


def _members(frame: Frame) -> dict[str, Any]:
    match frame:
        case HttpRequest():
            members: dict[str, Any] = {
                "Type": FrameType.HTTP_REQUEST, "AckId": frame.ack_id, "LocalRouting": frame.local_routing,
                "ChannelName": frame.channel, "HttpMethod": frame.method, "Url": frame.url,
                "Headers": _lists(frame.headers),
            }  # fmt: skip
        case HttpResponse():
            members = {
                "Type": FrameType.HTTP_RESPONSE, "AckId": frame.ack_id, "LocalRouting": frame.local_routing,
                "StatusCode": frame.status, "ChannelName": frame.channel, "NotCompleted": frame.not_completed,
                "Headers": _lists(frame.headers),
            }  # fmt: skip
        case Connected():
            members = {
                "Type": FrameType.CONNECTION_CONNECTED, "ConnectionId": frame.connection_id, "UserId": frame.user_id,
                "ReconnectionToken": None,
            }  # fmt: skip
        case Notice():
            members = {"Type": frame.type, "Message": frame.message}
            if frame.type in (FrameType.CONNECTION_RECONNECT, FrameType.CONNECTION_REBALANCE):
                members |= {"TargetId": frame.target_id, "Endpoint": frame.endpoint}
    return members | {"TracingId": None}


def _lists(headers: Headers) -> dict[str, list[str]]:
    return {name: list(values) for name, values in headers.items()}


def decode(data: bytes) -> Frame | None:
    """`None` for a type nobody knows. Raises `FrameError` for what is no frame."""
    length = int.from_bytes(data[:LENGTH_BYTES], "little")
    if len(data) < LENGTH_BYTES or length != len(data) - LENGTH_BYTES:
        raise FrameError("the length is not that of the message")
    reader = msgpack.Reader(data[LENGTH_BYTES:])
    try:
        if reader.array() != 3:
            raise FrameError("not an array of three")
        kind, text, content = reader.integer(), reader.text(), reader.binary_or_nil()
        reader.end()
        members = _Members(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise FrameError(str(error)) from None
    return _frame(kind, members, content)


def _frame(kind: int, members: "_Members", content: bytes | None) -> Frame | None:
    match kind:
        case FrameType.HTTP_REQUEST:
            return HttpRequest(
                members.integer("AckId"), members.text("HttpMethod"), members.text("Url"), members.headers(),
                content, members.optional("ChannelName") or "", members.flag("LocalRouting"),
            )  # fmt: skip
        case FrameType.HTTP_RESPONSE:
            return HttpResponse(
                members.integer("AckId"), members.integer("StatusCode"), members.headers(), content,
                members.flag("NotCompleted"), members.optional("ChannelName") or "", members.flag("LocalRouting"),
            )  # fmt: skip
        case FrameType.CONNECTION_CONNECTED:
            return Connected(members.text("ConnectionId"), members.optional("UserId"))
        case (
            FrameType.SERVICE_STATUS
            | FrameType.CONNECTION_RECONNECT
            | FrameType.CONNECTION_CLOSE
            | FrameType.CONNECTION_REBALANCE
        ):
            return Notice(
                FrameType(kind), members.optional("Message") or "", members.optional("TargetId"),
                members.optional("Endpoint"),
            )  # fmt: skip
    return None


class _Members:
    """The JSON object of a frame. An absent member and null are one."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise FrameError("not a JSON object")
        self._values = value

    def integer(self, name: str) -> int:
        value = self._values.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise FrameError(f"{name} is not a whole number")
        return value

    def optional(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise FrameError(f"{name} is not a text")
        return value

    def text(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise FrameError(f"{name} is missing")
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if value is not None and not isinstance(value, bool):
            raise FrameError(f"{name} is neither true nor false")
        return bool(value)

    def headers(self) -> Headers:
        value = self._values.get("Headers") or {}
        if not isinstance(value, dict):
            raise FrameError("Headers is not an object")
        headers = {name: [one] if isinstance(one, str) else one for name, one in value.items()}
        if not all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in headers.values()):
            raise FrameError("a header is not a list of texts")
        return headers
