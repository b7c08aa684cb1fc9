"""Messages and client commands, whatever subprotocol they came in (spec/service.md 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MESSAGE_LIMIT = 1024 * 1024


class DataType(StrEnum):
    TEXT = "text"
    JSON = "json"
    BINARY = "binary"
    PROTOBUF = "protobuf"


CONTENT_TYPES: Mapping[DataType, str] = {
    DataType.TEXT: "text/plain; charset=utf-8",
    DataType.JSON: "application/json",
    DataType.BINARY: "application/octet-stream",
    DataType.PROTOBUF: "application/x-protobuf",
}
_BY_MEDIA_TYPE: Mapping[str, DataType] = {
    content_type.partition(";")[0]: data_type for data_type, content_type in CONTENT_TYPES.items()
}


def data_type_of(content_type: str) -> DataType | None:
    """The data type of a media type, parameters ignored; `None` for one no client can be sent."""
    return _BY_MEDIA_TYPE.get(content_type.partition(";")[0].strip().lower())


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class Payload(NamedTuple):
    """`data` is UTF-8 text, JSON text as it was received, bytes, or a serialised `Any`."""

    data_type: DataType
    data: bytes

    @property
    def content_type(self) -> str:
        return CONTENT_TYPES[self.data_type]


class Frame(NamedTuple):
    """One WebSocket message."""

    data: bytes
    is_text: bool


@dataclass(frozen=True, eq=False)
class Message:
    """From the server, or where it has a group, from that group."""

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JoinGroup:
    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class SendToGroup:
    group: str
    payload: Payload
    ack_id: int | None = None
    no_echo: bool = False
    ttl_seconds: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SendEvent:
    event: str
    payload: Payload
    ack_id: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered with a pong."""


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """Means something to the reliable subprotocols only."""

    sequence_id: int


Command = JoinGroup | LeaveGroup | SendToGroup | SendEvent | Ping | SequenceAck
