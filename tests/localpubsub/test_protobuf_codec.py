"""Frames of the protobuf subprotocol, judged by the official protobuf library (spec/service.md 5)."""

import base64
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from hypothesis import assume, given
from hypothesis import strategies as st

from localpubsub.protocol import messages, protobuf_codec, protobuf_frames
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import (
    Command,
    DataType,
    Frame,
    JoinGroup,
    Message,
    Payload,
    SendEvent,
    StreamFailure,
    StreamPart,
)
from localpubsub.protocol.notices import (
    Failure,
    GroupStates,
    InvokeResponse,
    StateItem,
    StreamAck,
    StreamClosed,
    StreamNack,
)
from localpubsub.protocol.protobuf_wire import Fields, WireError
from tests.localpubsub.protobuf_commands import (
    commands,
    data_fields,
    fill,
    groups,
    ids,
    metadata,
    officially_encoded,
    payloads,
    texts,
    uint64,
)
from tests.localpubsub.protobuf_schema import DownstreamMessage, NothingMessage, UpstreamMessage

VECTORS = json.loads((Path(__file__).parents[1] / "wire" / "protobuf-frames.json").read_text())


def decode(data: bytes) -> Command:
    return protobuf_codec.decode_frame(Frame(data, is_text=False))


@given(commands)
def test_what_the_protobuf_library_encodes_is_read(command: Command) -> None:
    assert decode(officially_encoded(command)) == command


unknown_fields = st.sampled_from(
    ["a01f07", "a21f03616263", "a31fa41f", "a31f0801a21f00a41f", "a51f00000000", "a11f0000000000000000"]
)


@given(commands, unknown_fields, unknown_fields)
def test_unknown_fields_are_skipped_wherever_they_are(command: Command, first: str, last: str) -> None:
    data = officially_encoded(command)
    member = Fields(data).one_of(range(20), merged=())
    assert member is not None
    number, body = member
    tag = data[: 2 if number > 15 else 1]
    grown = bytes.fromhex(first) + body + bytes.fromhex(last)
    longer = bytes.fromhex(first) + tag + _length(len(grown)) + grown + bytes.fromhex(last)

    assert decode(longer) == command


def _length(size: int) -> bytes:
    parts = []
    while size > 0x7F:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


@given(commands, commands)
def test_the_last_member_counts_and_one_sent_in_pieces_is_merged(first: Command, last: Command) -> None:
    """Two messages behind each other are, to protobuf, one message."""
    data = officially_encoded(first) + officially_encoded(last)
    merged = UpstreamMessage.FromString(data).SerializeToString()

    def outcome(frame: bytes) -> bytes | int:
        try:
            return officially_encoded(decode(frame))  # an Any in pieces is kept in pieces, and still the same Any
        except Disconnect as disconnect:
            return disconnect.code

    assert outcome(data) == outcome(merged)


@given(st.binary(max_size=40) | st.lists(st.sampled_from([0, 1, 8, 10, 11, 12, 13, 127, 128, 255])).map(bytes))
def test_bytes_are_a_message_to_us_where_they_are_one_to_protobuf(data: bytes) -> None:
    try:
        Fields(data)
    except WireError as error:
        assume("no such field" not in str(error))  # the library lets the field number 0 pass
        with pytest.raises(DecodeError):
            NothingMessage.FromString(data)
    else:
        NothingMessage.FromString(data)


@given(st.binary())
def test_no_bytes_are_anything_but_a_command_or_a_disconnect(data: bytes) -> None:
    with suppress(Disconnect):
        decode(data)


@given(st.binary(max_size=8), texts)
def test_an_any_goes_on_byte_for_byte(value: bytes, url: str) -> None:
    """In an order no encoder writes, and with a field nobody knows."""
    backwards = (
        b"\x12" + _length(len(value)) + value + b"\x0a" + _length(len(url.encode())) + url.encode() + b"\x18\x05"
    )
    inner = b"\x1a" + _length(len(backwards)) + backwards
    body = b"\x0a\x01e\x12" + _length(len(inner)) + inner

    command = decode(b"\x2a" + _length(len(body)) + body)

    assert isinstance(command, SendEvent)
    assert command.payload == Payload(DataType.PROTOBUF, backwards)
    assert backwards in protobuf_frames.encode_message(Message(command.payload)).data


def test_only_metadata_stands_in_for_data() -> None:
    upstream = UpstreamMessage()
    upstream.event_message.event = "e"
    upstream.event_message.metadata["k"] = "v"

    assert decode(upstream.SerializeToString()) == SendEvent("e", Payload(DataType.TEXT, b""), None, {"k": "v"})


def test_an_ack_id_of_zero_is_one() -> None:
    assert decode(bytes.fromhex("3205 0a0167 1000")) == JoinGroup("g", 0)


@pytest.mark.parametrize("vector", VECTORS["upstream"], ids=lambda vector: vector["what"])
def test_published_frames_are_read(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"]) if "hex" in vector else base64.b64decode(vector["base64"])
    name, *arguments = vector["command"]

    assert decode(data) == getattr(messages, name)(*arguments)


@pytest.mark.parametrize("vector", VECTORS["downstream"], ids=lambda vector: vector["what"])
def test_published_frames_are_written(vector: dict[str, Any]) -> None:
    expected = bytes.fromhex(vector["hex"]) if "hex" in vector else base64.b64decode(vector["base64"])

    if "ack" in vector:
        frame = protobuf_frames.encode_ack(*vector["ack"])
    elif "connected" in vector:
        frame = protobuf_frames.encode_connected(*vector["connected"])
    elif "disconnected" in vector:
        frame = protobuf_frames.encode_disconnected(vector["disconnected"])
    else:
        group, text = vector["message"]
        frame = protobuf_frames.encode_message(Message(Payload(DataType.TEXT, text.encode()), group))

    assert (frame.data, frame.is_text) == (expected, False)


def read(frame: Frame) -> Any:
    """As the protobuf library reads it; nothing may be left over."""
    assert not frame.is_text
    message = DownstreamMessage.FromString(frame.data)
    assert message.ByteSize() <= len(frame.data)  # fields that are written although they are zero
    return message


parts = st.builds(
    StreamPart,
    ids,
    uint64,
    st.booleans(),
    st.none() | st.builds(StreamFailure, texts, texts, st.none() | texts),
)
sent = st.builds(Message, payloads, st.none() | groups, st.none() | texts, metadata, st.none() | parts)


@given(sent, uint64)
def test_a_message_is_what_the_protobuf_library_reads(message: Message, sequence_id: int) -> None:
    frame = protobuf_frames.encode_message(message)
    numbered = protobuf_frames.with_sequence_id(frame, sequence_id)

    data = read(frame).data_message
    assert not data.HasField("sequence_id")
    assert read(numbered).data_message.sequence_id == sequence_id
    for one in (data, read(numbered).data_message):
        assert getattr(one, "from") == ("server" if message.group is None else "group")
        assert (one.group if one.HasField("group") else None) == message.group
        assert dict(one.metadata) == message.metadata
        assert one.HasField("stream") == (message.stream is not None)
        again = UpstreamMessage()
        fill(again.event_message.data, data_fields(message.payload))
        assert one.data.SerializeToString() == again.event_message.data.SerializeToString()
    if message.stream is not None:
        stream = data.stream
        assert (stream.stream_id, stream.stream_sequence_id) == (message.stream.stream_id, message.stream.sequence_id)
        assert stream.end_of_stream == message.stream.is_last
        failure = message.stream.failure
        assert stream.HasField("error") == (failure is not None)
        if failure is not None:
            told = (stream.error.name, stream.error.message, stream.error.user_error_code)
            assert told == (failure.name, failure.message, failure.code or "")


def test_notices_are_what_the_protobuf_library_reads() -> None:
    answer = read(protobuf_frames.encode_notice(InvokeResponse("i", Payload(DataType.TEXT, b"yes"), None, {"k": "v"})))
    failed = read(protobuf_frames.encode_notice(InvokeResponse("i", failure=Failure("NotFound", "no handler"))))
    ack = read(protobuf_frames.encode_notice(StreamAck("s", 3))).stream_ack_message
    nack = read(protobuf_frames.encode_notice(StreamNack("s", Failure("InvalidSequenceId", "gap"), 2)))
    closed = read(protobuf_frames.encode_notice(StreamClosed("s", Failure("IdleTimeout", "idle"))))
    states = GroupStates("g", (StateItem("c", "u", {"a": "b"}, 5), StateItem("d", None, None, 6)))
    update = protobuf_frames.encode_notice(states)
    snapshot = protobuf_frames.encode_notice(GroupStates("g", (), is_snapshot=True))

    assert answer.invoke_response_message.success
    assert answer.invoke_response_message.data.text_data == "yes"
    assert dict(answer.invoke_response_message.metadata) == {"k": "v"}
    assert not failed.invoke_response_message.success
    assert failed.invoke_response_message.error.name == "NotFound"
    assert (ack.stream_id, ack.expected_sequence_id) == ("s", 3)
    assert (nack.stream_nack_message.name, nack.stream_nack_message.expected_sequence_id) == ("InvalidSequenceId", 2)
    assert closed.stream_closed_message.error.message == "idle"
    first, second = read(update).group_state_update_message.items
    assert (first.user_id, dict(first.state.entries), first.updated_at) == ("u", {"a": "b"}, 5)
    assert (second.HasField("user_id"), second.HasField("state")) == (False, False)
    assert read(snapshot).group_state_snapshot_message.group == "g"
    numbered = [read(protobuf_frames.with_sequence_id(frame, 9)) for frame in (update, snapshot)]
    assert numbered[0].group_state_update_message.sequence_id == 9
    assert numbered[1].group_state_snapshot_message.sequence_id == 9


def test_pongs_and_greetings_are_what_the_protobuf_library_reads() -> None:
    assert read(protobuf_frames.PONG).WhichOneof("member") == "pong_message"
    greeting = read(protobuf_frames.encode_connected("c", None)).system_message.connected_message
    assert (greeting.connection_id, greeting.user_id, greeting.HasField("reconnection_token")) == ("c", "", False)
