"""Both codecs of the client, judged by the local service's, which share no code with them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import json_codec, protobuf_codec
from app.client.frames import (
    Ack,
    Command,
    Connected,
    Disconnected,
    Failure,
    Frame,
    Heard,
    Message,
    Pong,
    Unknown,
)
from app.models.payloads import Payload
from localpubsub.protocol import messages
from localpubsub.protocol.json_frames import PONG as JSON_PONG
from localpubsub.protocol.protobuf_frames import PONG as PROTOBUF_PONG
from localpubsub.protocol.subprotocols import JsonCodec, ProtobufCodec, PubSubCodec
from tests.app.client.spoken import (
    as_the_service_has_it,
    as_the_service_reads_it,
    commands,
    failures,
    numbers,
    received,
    texts,
)

both = pytest.mark.parametrize(
    ("ours", "theirs"),
    [(json_codec, JsonCodec()), (protobuf_codec, ProtobufCodec())],
    ids=["json", "protobuf"],
)


def heard(ours: Any, frame: messages.Frame | None) -> Heard:
    assert frame is not None
    result: Heard = ours.decode(Frame(frame.data, frame.is_text))
    return result


@both
@given(command=commands, ack_id=numbers)
def test_the_service_reads_what_the_client_says(ours: Any, theirs: PubSubCodec, command: Command, ack_id: int) -> None:
    frame = ours.encode(command, ack_id)

    assert theirs.decode(messages.Frame(*frame)) == as_the_service_reads_it(command, ack_id)


@both
@given(message=received, sequence_id=st.none() | numbers)
def test_the_client_reads_messages(
    ours: Any,
    theirs: PubSubCodec,
    message: tuple[Payload, str | None, str | None, dict[str, str]],
    sequence_id: int | None,
) -> None:
    payload, group, user, metadata = message
    frame = theirs.encode(messages.Message(as_the_service_has_it(payload), group, user, metadata))
    if sequence_id is not None:
        frame = theirs.with_sequence_id(frame, sequence_id)

    named = user if group is not None and ours is json_codec else None
    assert heard(ours, frame) == Message(payload, group, named, sequence_id, metadata)


@both
@given(ack_id=numbers, failure=failures)
def test_the_client_reads_acks(ours: Any, theirs: PubSubCodec, ack_id: int, failure: Failure | None) -> None:
    assert heard(ours, theirs.ack(ack_id, failure)) == Ack(ack_id, failure)


@both
@given(connection_id=texts, user=st.none() | texts, token=st.none() | texts, reason=texts)
def test_the_client_reads_greetings_and_good_byes(
    ours: Any, theirs: PubSubCodec, connection_id: str, user: str | None, token: str | None, reason: str
) -> None:
    greeting = theirs.connected(connection_id, user, token)

    assert heard(ours, greeting) == Connected(connection_id, user or None, token)
    assert heard(ours, theirs.disconnected(reason)) == Disconnected(reason)


def test_the_client_reads_a_pong() -> None:
    assert heard(json_codec, JSON_PONG) == heard(protobuf_codec, PROTOBUF_PONG) == Pong()


@both
@given(data=st.binary(max_size=60))
def test_no_bytes_upset_the_client(ours: Any, theirs: PubSubCodec, data: bytes) -> None:
    for frame in (Frame(data, is_text=False), Frame(data, is_text=True)):
        result = ours.decode(frame)
        assert result == Unknown(frame) or isinstance(result, Ack | Connected | Disconnected | Message | Pong)


@both
@given(message=received, position=st.integers(0, 200), cut=st.binary(max_size=3))
def test_no_damage_to_a_frame_upsets_the_client(
    ours: Any,
    theirs: PubSubCodec,
    message: tuple[Payload, str | None, str | None, dict[str, str]],
    position: int,
    cut: bytes,
) -> None:
    payload, group, user, metadata = message
    data, is_text = theirs.encode(messages.Message(as_the_service_has_it(payload), group, user, metadata))
    damaged = Frame(data[:position] + cut + data[position + len(cut) :], is_text)

    assert ours.decode(damaged) == Unknown(damaged) or isinstance(ours.decode(damaged), Message)
