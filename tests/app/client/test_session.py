"""What a client keeps of its connection, against the buffer and the memory of the local service."""

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.client.frames import (
    Ack,
    Connected,
    Failure,
    Frame,
    Heard,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
)
from app.client.json_codec import encode
from app.client.protocols import PUBSUB, NotCarried, ProtocolName, raw
from app.client.session import OWED_AT_MOST, UNANSWERED, Outcome, Recovery, Session
from app.models.payloads import TextData
from localpubsub.protocol import json_codec, json_frames, messages
from localpubsub.protocol.acks import AckMemory
from localpubsub.protocol.errors import CommandError
from localpubsub.protocol.sequences import Sequences

HELLO = TextData(text="hello")


def session(name: ProtocolName = ProtocolName.RELIABLE) -> Session:
    return Session(PUBSUB[name])


def ours(frame: messages.Frame) -> Frame:
    return Frame(frame.data, frame.is_text)


def numbered(sequence_id: int, text: str = "x") -> Frame:
    message = messages.Message(messages.Payload(messages.DataType.TEXT, text.encode()))
    return ours(json_frames.with_sequence_id(json_frames.encode_message(message), sequence_id))


def greeting(token: str | None = "rk-1", connection_id: str = "c") -> Frame:
    return ours(json_frames.encode_connected(connection_id, "ivy", token))


def ack(ack_id: int, *error: str) -> Frame:
    return ours(json_frames.encode_ack(ack_id, (error[0], error[1]) if error else None))


class ReliableConnection(RuleBasedStateMachine):
    """A session and the service's side of it, joined by a wire that is cut at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.client = session()
        self.sequences = Sequences(json_frames.with_sequence_id)
        self.memory = AckMemory()
        self.is_open = False
        self.to_service: deque[Frame] = deque()
        self.to_client: deque[Frame] = deque()
        self.published: list[str] = []
        self.heard: list[str] = []
        self.asked: list[str] = []
        self.done: list[str] = []
        self.outcomes: list[Outcome] = []
        self.open_socket()

    @precondition(lambda self: not self.is_open)
    @rule()
    def open_socket(self) -> None:
        self.is_open = True
        self.sequences.rewind()
        self.to_client.append(greeting())
        self.to_service.extend(self.client.resume())

    @precondition(lambda self: self.is_open)
    @rule()
    def cut(self) -> None:
        self.is_open = False
        self.to_service.clear()
        self.to_client.clear()

    @rule()
    def publish(self) -> None:
        text = f"message {len(self.published)}"
        self.published.append(text)
        payload = messages.Payload(messages.DataType.TEXT, text.encode())
        self.sequences.add(json_frames.encode_message(messages.Message(payload)), 0.0)

    @rule()
    def ask(self) -> None:
        text = f"request {len(self.asked)}"
        self.asked.append(text)
        frame = self.client.say(SendToGroup("g", TextData(text=text)))
        if self.is_open:
            self.to_service.append(frame)

    @precondition(lambda self: self.is_open)
    @rule()
    def confirm(self) -> None:
        frame = self.client.sequence_ack()
        if frame is not None:
            self.to_service.append(frame)

    @precondition(lambda self: self.to_service)
    @rule(count=st.integers(1, 3))
    def service_reads(self, count: int) -> None:
        while self.to_service and count:
            count -= 1
            self._carry_out(json_codec.decode_frame(messages.Frame(*self.to_service.popleft())))

    def _carry_out(self, command: messages.Command) -> None:
        match command:
            case messages.SequenceAck(sequence_id):
                self.sequences.acknowledge(sequence_id)
            case messages.SendToGroup(ack_id=int(ack_id)):
                try:
                    self.memory.check(ack_id)
                except CommandError as error:
                    self.to_client.append(ack(ack_id, error.name, error.message))
                else:
                    self.memory.remember(ack_id)
                    self.done.append(command.payload.data.decode())
                    self.to_client.append(ack(ack_id))

    @precondition(lambda self: self.is_open)
    @rule(count=st.integers(1, 3))
    def client_reads(self, count: int) -> None:
        while self.to_client and count:
            count -= 1
            self._hear(self.to_client.popleft())
        while count and (frame := self.sequences.take(0.0)):
            count -= 1
            self._hear(ours(frame))

    def _hear(self, frame: Frame) -> None:
        match self.client.hear(frame):
            case Message(payload):
                self.heard.append(payload.body.decode())
            case Outcome() as outcome:
                self.outcomes.append(outcome)

    @invariant()
    def nothing_is_missing_or_comes_twice(self) -> None:
        assert self.heard == self.published[: len(self.heard)]
        assert self.done == self.asked[: len(self.done)]

    def teardown(self) -> None:
        if not self.is_open:
            self.open_socket()
        self.service_reads(len(self.to_service))
        self.client_reads(10_000)
        assert self.heard == self.published
        assert self.done == self.asked
        assert self.client.unanswered == 0
        assert all(outcome.error is None for outcome in self.outcomes)
        self.confirm()
        self.service_reads(1)
        assert len(self.sequences) == 0


ReliableConnection.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_a_reliable_connection = ReliableConnection.TestCase


def test_requests_are_numbered_and_their_acks_tell_what_became_of_them() -> None:
    client = session(ProtocolName.JSON)

    frames = [client.say(JoinGroup("g")), client.say(SendEvent("roll", HELLO)), client.say(LeaveGroup("h"))]

    assert frames == [encode(JoinGroup("g"), 1), encode(SendEvent("roll", HELLO), 2), encode(LeaveGroup("h"), 3)]
    assert client.unanswered == 3
    assert client.hear(ack(2, "Forbidden", "no")) == Outcome(2, SendEvent("roll", HELLO), Failure("Forbidden", "no"))
    assert client.hear(ack(1)) == Outcome(1, JoinGroup("g"))
    assert client.hear(ack(3, "Duplicate", "again")) == Outcome(3, LeaveGroup("h"), None, was_done=True)
    assert client.hear(ack(3)) == Ack(3)
    assert client.unanswered == 0


def test_a_ping_waits_for_its_pong() -> None:
    client = session(ProtocolName.JSON)
    client.say(Ping())

    assert client.unanswered == 1
    client.hear(ours(json_frames.PONG))
    assert client.unanswered == 0
    client.hear(ours(json_frames.PONG))
    assert client.unanswered == 0


def test_messages_are_confirmed_once_and_many_at_once() -> None:
    client = session()
    assert client.sequence_ack() is None
    client.hear(numbered(1))
    client.hear(numbered(2))

    assert client.sequence_ack() == encode(SequenceAck(2))
    assert client.sequence_ack() is None


def test_too_many_unconfirmed_messages_do_not_wait_for_their_turn() -> None:
    client = session()
    for sequence_id in range(1, OWED_AT_MOST):
        client.hear(numbered(sequence_id))
    assert not client.owes_at_once
    client.hear(numbered(OWED_AT_MOST))
    assert client.owes_at_once
    client.sequence_ack()
    assert not client.owes_at_once


@pytest.mark.parametrize("name", [ProtocolName.JSON, ProtocolName.PROTOBUF])
def test_a_plain_connection_confirms_nothing_and_cannot_be_recovered(name: ProtocolName) -> None:
    client = session(name)
    client.hear(greeting())
    client.hear(numbered(1))

    assert client.sequence_ack() is None
    assert client.recovery is None


def test_a_connection_can_be_recovered_with_the_latest_token() -> None:
    client = session()
    assert client.recovery is None
    client.hear(greeting("rk-1"))
    client.hear(greeting("rk-2"))
    assert client.recovery == Recovery("c", "rk-2")
    client.hear(greeting(None))
    assert client.recovery is None


def test_what_a_new_connection_starts_with() -> None:
    client = session()
    client.hear(greeting())
    for request in (JoinGroup("a"), JoinGroup("b"), JoinGroup("c"), LeaveGroup("a")):
        client.say(request)
    for ack_id, error in ((1, ()), (2, ()), (3, ("Forbidden", "no")), (4, ())):
        client.hear(ack(ack_id, *error))
    client.say(SendToGroup("b", HELLO))
    client.say(Ping())
    client.hear(numbered(7))

    assert client.start_anew() == (Outcome(5, SendToGroup("b", HELLO), UNANSWERED),)

    assert client.recovery is None
    assert client.unanswered == 0
    assert client.sequence_ack() is None
    assert list(client.rejoin()) == [encode(JoinGroup("b"), 6)]
    fresh: Heard | Outcome | None = client.hear(numbered(1, "fresh"))
    assert fresh == Message(TextData(text="fresh"), sequence_id=1)


def test_a_raw_client_numbers_nothing() -> None:
    client = Session(raw())

    assert client.say(SendEvent("message", HELLO)) == Frame(b"hello", is_text=True)
    assert client.unanswered == 0
    with pytest.raises(NotCarried):
        client.say(JoinGroup("g"))


def test_what_a_protocol_cannot_carry_leaves_no_trace() -> None:
    client = Session(raw("g"))
    with pytest.raises(NotCarried):
        client.say(Ping())

    assert client.unanswered == 0
    assert client.hear(Frame(b"hi", is_text=True)) is not None


def test_a_greeting_is_told() -> None:
    assert session().hear(greeting()) == Connected("c", "ivy", "rk-1")
