"""Frames of the JSON subprotocol, in and out."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.protocol import json_codec, json_frames
from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import (
    DataType,
    Frame,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    StartStream,
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"joinGroup","group":"reef.1","ackId":1}', JoinGroup("reef.1", 1)),
        ('{"type":"leaveGroup","group":"reef.1"}', LeaveGroup("reef.1")),
        ('{"type":"JOINGROUP","group":"g","ackId":null}', JoinGroup("g")),
        ('{"type":"joinGroup","group":"g","ackId":18446744073709551615}', JoinGroup("g", 2**64 - 1)),
        ('{"type":"joinGroup","group":"g","ackId":9007199254740993}', JoinGroup("g", 2**53 + 1)),
        ('{"type":"joinGroup","group":"g","ackId":0}', JoinGroup("g", 0)),
        ('{"type":"ping"}', Ping()),
        (
            '{"type":"sendToGroup","group":"g","data":' + "9" * 5000 + "}",
            SendToGroup("g", Payload(DataType.JSON, b"9" * 5000)),
        ),
        (
            '{"type":"sendToGroup","group":"g","stream":{"streamId":"s","idleTimeoutMs":99999999999}}',
            StartStream("g", "s", 99_999_999_999),
        ),
        ('{"type":"sequenceAck","sequenceId":7}', SequenceAck(7)),
        (
            '{"type":"sendToGroup","group":"g","data":{"n":1.0},"ackId":2,"metadata":{"trace":"t9"},"noEcho":true}',
            SendToGroup("g", Payload(DataType.JSON, b'{"n":1.0}'), 2, True, 0, {"trace": "t9"}),
        ),
        (
            '{"type":"event","event":"roll","dataType":"text","data":"d20"}',
            SendEvent("roll", Payload(DataType.TEXT, b"d20")),
        ),
        (
            '{"type":"event","event":"b","dataType":"Binary","data":"AQI="}',
            SendEvent("b", Payload(DataType.BINARY, b"\x01\x02")),
        ),
        (
            '{"type":"event","event":"m","metadata":{"k":"v"}}',
            SendEvent("m", Payload(DataType.TEXT, b""), None, {"k": "v"}),
        ),
    ],
)
def test_a_command_is_read(text: str, command: object) -> None:
    assert json_codec.decode(text) == command


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", "null", "{", "{}", '{"type":1}', '{"type":"dance"}', '{"type":"joinGroup"}',
        '{"type":"joinGroup","group":" "}',
        '{"type":"joinGroup","group":"g","ackId":"1"}',
        '{"type":"joinGroup","group":"g","ackId":-1}',
        '{"type":"joinGroup","group":"g","ackId":true}',
        '{"type":"joinGroup","group":"g","ackId":1.0}',
        '{"type":"joinGroup","group":"g","ackId":18446744073709551616}',
        '{"type":"event","event":"1st","data":1}',
        '{"type":"event","event":"e"}',
        '{"type":"event","event":"e","data":null}',
        '{"type":"event","event":"e","dataType":"text","data":1}',
        '{"type":"event","event":"e","dataType":"xml","data":"x"}',
        '{"type":"event","event":"e","dataType":"binary","data":"%%"}',
        '{"type":"event","event":"e","data":NaN}',
        '{"type":"sendToGroup","group":"g","data":1,"noEcho":"yes"}',
        '{"type":"sendToGroup","group":"g","data":1,"ttlSeconds":301}',
        '{"type":"event","event":"e","data":1,"metadata":{"a b":"c"}}',
        '{"type":"event","event":"e","data":1,"metadata":[]}',
        '{"type":"sequenceAck"}', '{"type":"ping"} x', '{"type":"ping",}', "[" * 100_000,
        '{"type":"event","event":"e","data":' + "[" * 100_000,
    ],
)  # fmt: skip
def test_anything_else_closes_with_1007(text: str) -> None:
    with pytest.raises(Disconnect) as caught:
        json_codec.decode(text)

    assert caught.value.code == 1007


def test_a_binary_frame_closes_with_1003() -> None:
    with pytest.raises(Disconnect) as caught:
        json_codec.decode_frame(Frame(b"{}", is_text=False))

    assert caught.value.code == 1003


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_no_text_is_anything_but_a_command_or_a_disconnect(text: str) -> None:
    with suppress(Disconnect):
        json_codec.decode(text)


json_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([None, " ", "\n\t "]))
def test_json_data_goes_on_as_it_was_written(value: object, blank: str | None) -> None:
    written = json.dumps(value, indent=blank, ensure_ascii=False)

    command = json_codec.decode(f'{{"type":"event", "event":"e" ,\n"data": {written} }}')

    assert isinstance(command, SendEvent)
    assert command.payload.data.decode() == written


@given(st.text(), st.sampled_from([DataType.TEXT, DataType.BINARY]))
def test_text_and_bytes_survive_a_round_trip(text: str, kind: DataType) -> None:
    data = text.encode("utf-8", "surrogatepass") if kind is DataType.BINARY else text.encode("utf-8", "replace")

    frame = json.loads(json_frames.encode_message(Message(Payload(kind, data))).data)
    again = json_codec.decode(json.dumps({"type": "event", "event": "e"} | {k: frame[k] for k in ("dataType", "data")}))

    assert isinstance(again, SendEvent)
    assert again.payload == Payload(kind, data)


def test_a_group_message_names_its_group_and_sender() -> None:
    message = Message(Payload(DataType.JSON, b'{"n":1.0}'), "reef.1", "ivy", {"trace": "t9"})

    frame = json_frames.encode_message(message)

    assert frame.is_text
    assert b'"data":{"n":1.0}}' in frame.data
    assert json.loads(frame.data) == {
        "type": "message", "from": "group", "group": "reef.1", "fromUserId": "ivy", "dataType": "json",
        "data": {"n": 1.0}, "metadata": {"trace": "t9"},
    }  # fmt: skip


def test_acks_and_system_messages_are_what_clients_know() -> None:
    assert json.loads(json_frames.encode_ack(1).data) == {"type": "ack", "ackId": 1, "success": True}
    assert json.loads(json_frames.encode_ack(2, ("Forbidden", "no")).data) == {
        "type": "ack", "ackId": 2, "success": False, "error": {"name": "Forbidden", "message": "no"},
    }  # fmt: skip
    assert json.loads(json_frames.encode_connected("q7Zt-19", None).data)["userId"] == ""
    assert json.loads(json_frames.encode_disconnected("bye").data) == {
        "type": "system", "event": "disconnected", "message": "bye",
    }  # fmt: skip
