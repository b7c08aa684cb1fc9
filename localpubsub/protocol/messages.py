"""Messages and client commands, whatever subprotocol they came in (spec/service.md 3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple

from localpubsub.protocol.framing import BINARY, TEXT, framed

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


class _Frame(NamedTuple):
    data: bytes
    is_text: bool


class Frame(_Frame):
    """One WebSocket message. What all receivers of a broadcast share is framed once."""

    @cached_property
    def framed(self) -> bytes:
        """With its header, ready for a socket."""
        return framed(TEXT if self.is_text else BINARY, self.data)


@dataclass(frozen=True, slots=True)
class StreamFailure:
    """Why a stream ended before its publisher was through. `code` is the publisher's own word for it."""

    name: str
    message: str = ""
    code: str | None = None


@dataclass(frozen=True, slots=True)
class StreamPart:
    """Which fragment of which stream a group message is (3.8). The last one may have failed."""

    stream_id: str
    sequence_id: int
    is_last: bool = False
    failure: StreamFailure | None = None


@dataclass(frozen=True, eq=False)
class Message:
    """From the server, or where it has a group, from that group."""

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    stream: StreamPart | None = None


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


@dataclass(frozen=True, slots=True)
class Invoke:
    """An event whose answer carries its id (3.7)."""

    invocation_id: str
    event: str
    payload: Payload
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelInvocation:
    """The client no longer wants the answer."""

    invocation_id: str


@dataclass(frozen=True, slots=True)
class InvocationAnswer:
    """A client's answer to an invocation of the server. Nothing here makes any, so there is none to answer."""


@dataclass(frozen=True, slots=True)
class StartStream:
    """A `sendToGroup` without data that opens a stream (3.8). `None` is the default timeout."""

    group: str
    stream_id: str
    idle_timeout_ms: int | None = None
    no_echo: bool = False


@dataclass(frozen=True, slots=True)
class StreamData:
    """`fragment` is its sequence id and payload; without one the frame only keeps the stream alive."""

    stream_id: str
    fragment: tuple[int, Payload] | None = None


@dataclass(frozen=True, slots=True)
class EndStream:
    stream_id: str
    failure: StreamFailure | None = None


@dataclass(frozen=True, slots=True)
class SetGroupState:
    """`None` clears the state (3.9)."""

    group: str
    state: Mapping[str, str] | None = None
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class SubscribeGroupState:
    group: str
    ack_id: int | None = None


@dataclass(frozen=True, slots=True)
class UnsubscribeGroupState:
    group: str
    ack_id: int | None = None


Command = (
    JoinGroup
    | LeaveGroup
    | SendToGroup
    | SendEvent
    | Ping
    | SequenceAck
    | Invoke
    | CancelInvocation
    | InvocationAnswer
    | StartStream
    | StreamData
    | EndStream
    | SetGroupState
    | SubscribeGroupState
    | UnsubscribeGroupState
)
