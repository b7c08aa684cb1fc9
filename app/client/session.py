"""One connection as its client keeps it, over any number of sockets (spec/service.md 3.3, 4). No I/O, no clock."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from app.client.frames import (
    Ack,
    Command,
    Connected,
    Failure,
    Frame,
    Heard,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    Pong,
    Request,
    SequenceAck,
)
from app.client.protocols import Protocol

OWED_AT_MOST = 300
DUPLICATE = "Duplicate"


class Recovery(NamedTuple):
    """What a new socket shows to get the connection back."""

    connection_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. `was_done` where the service says that it had done it before."""

    ack_id: int
    request: Request
    error: Failure | None = None
    was_done: bool = False


UNANSWERED = Failure("Unanswered", "The connection was lost before the service acknowledged it.")


class Session:
    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._greeting: Connected | None = None
        self._last_ack_id = 0
        self._waiting: dict[int, tuple[Request, Frame]] = {}
        self._pings = 0
        self._received = 0
        self._acknowledged = 0
        self._groups: dict[str, None] = {}

    @property
    def recovery(self) -> Recovery | None:
        """`None` while there is nothing to recover."""
        greeting = self._greeting
        if not self._protocol.is_reliable or greeting is None or greeting.reconnection_token is None:
            return None
        return Recovery(greeting.connection_id, greeting.reconnection_token)

    @property
    def unanswered(self) -> int:
        """How many requests wait for their ack, and pings for their pong."""
        return len(self._waiting) + self._pings

    @property
    def owes_at_once(self) -> bool:
        """Whether so much is unconfirmed that the next sequence ack should not wait for its turn."""
        return self._received - self._acknowledged >= OWED_AT_MOST

    def say(self, command: Command) -> Frame:
        """The frame to send. Raises `NotCarried`."""
        if isinstance(command, Ping | SequenceAck) or self._protocol.is_raw:
            frame = self._protocol.encode(command, None)
            self._pings += isinstance(command, Ping)
            return frame
        frame = self._protocol.encode(command, self._last_ack_id + 1)
        self._last_ack_id += 1
        self._waiting[self._last_ack_id] = (command, frame)
        return frame

    def hear(self, frame: Frame) -> Heard | Outcome | None:
        """What the frame means here; `None` for a message that came before."""
        heard = self._protocol.decode(frame)
        match heard:
            case Connected():
                self._greeting = heard
            case Message(sequence_id=int(sequence_id)):
                if sequence_id <= self._received:
                    return None
                self._received = sequence_id
            case Pong():
                self._pings = max(0, self._pings - 1)
            case Ack(ack_id, error) if ack_id in self._waiting:
                return self._outcome(ack_id, error)
        return heard

    def _outcome(self, ack_id: int, error: Failure | None) -> Outcome:
        request, _ = self._waiting.pop(ack_id)
        was_done = error is not None and error.name == DUPLICATE
        error = None if was_done else error
        if error is None:
            match request:
                case JoinGroup(group):
                    self._groups[group] = None
                case LeaveGroup(group):
                    self._groups.pop(group, None)
        return Outcome(ack_id, request, error, was_done)

    def sequence_ack(self) -> Frame | None:
        """Confirms what has come since the last one; `None` where nothing has."""
        if not self._protocol.is_reliable or self._received == self._acknowledged:
            return None
        self._acknowledged = self._received
        return self.say(SequenceAck(self._received))

    def resume(self) -> Iterator[Frame]:
        """For a socket that got the connection back. Requests keep their ids, so that none is carried out twice."""
        self._pings = 0
        if self._received:
            self._acknowledged = self._received
            yield self.say(SequenceAck(self._received))
        for _, frame in self._waiting.values():
            yield frame

    def start_anew(self) -> tuple[Outcome, ...]:
        """Gives the connection up. Returns what will never be acknowledged."""
        given_up = tuple(Outcome(ack_id, request, UNANSWERED) for ack_id, (request, _) in self._waiting.items())
        self._waiting.clear()
        self._pings = 0
        self._greeting = None
        self._received = self._acknowledged = 0
        return given_up

    def rejoin(self) -> Iterator[Frame]:
        """For the new connection that follows: the groups this client had joined by itself."""
        for group in self._groups:
            yield self.say(JoinGroup(group))
