"""What a client says and hears, whatever subprotocol carries it (spec/service.md 3.1, 3.2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.models.payloads import Payload


class Frame(NamedTuple):
    """One WebSocket message."""

    data: bytes
    is_text: bool


@dataclass(frozen=True, slots=True)
class JoinGroup:
    group: str


@dataclass(frozen=True, slots=True)
class LeaveGroup:
    group: str


@dataclass(frozen=True, slots=True)
class SendToGroup:
    """With `no_echo` a sender that is a member does not get its own message."""

    group: str
    payload: Payload
    no_echo: bool = False


@dataclass(frozen=True, slots=True)
class SendEvent:
    event: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered with a pong, and never acknowledged."""


@dataclass(frozen=True, slots=True)
class SequenceAck:
    """Everything up to `sequence_id` has arrived. Never acknowledged itself."""

    sequence_id: int


Request = JoinGroup | LeaveGroup | SendToGroup | SendEvent
"""What the service acknowledges."""
Command = Request | Ping | SequenceAck


class Failure(NamedTuple):
    """`name` is a word to compare, `message` is for people."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Connected:
    """`reconnection_token` comes with the reliable subprotocols only."""

    connection_id: str
    user_id: str | None = None
    reconnection_token: str | None = None


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The service is about to close, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Message:
    """From the group it names, or else from the server. Protobuf does not say which user sent it."""

    payload: Payload
    group: str | None = None
    from_user_id: str | None = None
    sequence_id: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Data:
    """A frame of a raw connection. Who sent it is not on the wire."""

    payload: Payload


@dataclass(frozen=True, slots=True)
class Ack:
    """Without an error the request succeeded."""

    ack_id: int
    error: Failure | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a ping."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of a later protocol version, or one that cannot be read."""

    frame: Frame


Heard = Connected | Disconnected | Message | Data | Ack | Pong | Unknown
