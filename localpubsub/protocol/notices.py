"""What the service says to a client beside messages, acks and greetings: the previews (spec/service.md 3.7-3.9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from localpubsub.protocol.messages import Payload


class Failure(NamedTuple):
    """`name` is a word clients may compare, `message` is for people."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    """An answer without a body has no payload; one with a failure has nothing else."""

    invocation_id: str
    payload: Payload | None = None
    failure: Failure | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StreamAck:
    """Everything before `expected` was published."""

    stream_id: str
    expected: int


@dataclass(frozen=True, slots=True)
class StreamNack:
    """A fragment was refused; the stream goes on at `expected`."""

    stream_id: str
    failure: Failure
    expected: int


@dataclass(frozen=True, slots=True)
class StreamClosed:
    stream_id: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class StateItem:
    """`state` is `None` where it was cleared; `updated_at` is Unix time in milliseconds."""

    connection_id: str
    user_id: str | None
    state: Mapping[str, str] | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class GroupStates:
    """A snapshot holds what every member set, an update only what changed."""

    group: str
    items: tuple[StateItem, ...]
    is_snapshot: bool = False


Notice = InvokeResponse | StreamAck | StreamNack | StreamClosed | GroupStates
