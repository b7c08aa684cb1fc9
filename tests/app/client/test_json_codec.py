"""JSON frames as the documents write them (spec/service.md 3)."""

import json

import pytest

from app.client.frames import (
    Ack,
    Command,
    Connected,
    Disconnected,
    Failure,
    Frame,
    Heard,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    Pong,
    SendEvent,
    SendToGroup,
    SequenceAck,
    Unknown,
)
from app.client.json_codec import decode, encode
from app.models.payloads import BinaryData, JsonData, ProtobufData, TextData


def test_commands_are_what_the_documents_show() -> None:
    said: list[tuple[Command, int | None, str]] = [
        (JoinGroup("reef.1"), 1, '{"type":"joinGroup","group":"reef.1","ackId":1}'),
        (LeaveGroup("reef.1"), 2, '{"type":"leaveGroup","group":"reef.1","ackId":2}'),
        (
            SendToGroup("reef.1", JsonData(value={"n": 1.0}, raw=b'{"n":1.0}')),
            3,
            '{"type":"sendToGroup","group":"reef.1","ackId":3,"dataType":"json","data":{"n":1.0}}',
        ),
        (
            SendToGroup("g", BinaryData(data=b"\x01\x02"), no_echo=True),
            4,
            '{"type":"sendToGroup","group":"g","noEcho":true,"ackId":4,"dataType":"binary","data":"AQI="}',
        ),
        (
            SendEvent("roll", TextData(text='d"20')),
            5,
            '{"type":"event","event":"roll","ackId":5,"dataType":"text","data":"d\\"20"}',
        ),
        (
            SendEvent("any", ProtobufData(data=b"\x0a\x00")),
            None,
            '{"type":"event","event":"any","dataType":"protobuf","data":"CgA="}',
        ),
        (Ping(), None, '{"type":"ping"}'),
        (SequenceAck(7), None, '{"type":"sequenceAck","sequenceId":7}'),
    ]

    for command, ack_id, text in said:
        assert encode(command, ack_id) == Frame(text.encode(), is_text=True)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        (
            '{"type":"system","event":"connected","userId":"ivy","connectionId":"q7Zt-19","reconnectionToken":"rk-1"}',
            Connected("q7Zt-19", "ivy", "rk-1"),
        ),
        ('{"type":"system","event":"connected","userId":null,"connectionId":"c"}', Connected("c")),
        ('{"type":"system","event":"connected","userId":"","connectionId":"c"}', Connected("c")),
        ('{"type":"system","event":"disconnected","message":"bye"}', Disconnected("bye")),
        ('{"type":"system","event":"disconnected"}', Disconnected("")),
        ('{"type":"ack","ackId":1,"success":true}', Ack(1)),
        (
            '{"type":"ack","ackId":2,"success":false,"error":{"name":"Duplicate","message":"again"}}',
            Ack(2, Failure("Duplicate", "again")),
        ),
        ('{"type":"ack","ackId":2,"success":false}', Ack(2, Failure("", ""))),
        ('{"type":"pong"}', Pong()),
        (
            ' { "sequenceId" : 2 , "type":"message",\n"from":"group","group":"g","dataType":"text","data":"b" } ',
            Message(TextData(text="b"), "g", None, 2),
        ),
        (
            '{"type":"message","from":"server","dataType":"binary","data":"AQI=","metadata":{"k":"v"}}',
            Message(BinaryData(data=b"\x01\x02"), metadata={"k": "v"}),
        ),
    ],
)
def test_frames_of_the_service_are_read(text: str, heard: Heard) -> None:
    assert decode(Frame(text.encode(), is_text=True)) == heard


def test_numbers_keep_every_digit() -> None:
    raw = '{"pi": 3.14159265358979323846264338, "one": 1.0,\n "big": 123456789012345678901234567890}'
    frame = f'{{"type":"message","from":"server","data":{raw},"dataType":"json"}}'

    heard = decode(Frame(frame.encode(), is_text=True))

    assert isinstance(heard, Message)
    assert heard.payload.body.decode() == raw
    assert encode(SendEvent("x", heard.payload)).data.endswith(raw.encode() + b"}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[]",
        "{",
        "{}",
        "{} {}",
        '{"type":"pong"',
        '{"type":"pong",}',
        '{"type":"pong"} x',
        '{"type":1}',
        "{1:2}",
        '{"type":"groupStateUpdate","group":"g","items":[],"sequenceId":3}',
        '{"type":"ack","ackId":"1","success":true}',
        '{"type":"ack","ackId":1,"success":"yes"}',
        '{"type":"ack","ackId":true,"success":true}',
        '{"type":"ack","ackId":-1,"success":true}',
        '{"type":"message","from":"server","dataType":"binary","data":"???"}',
        '{"type":"message","from":"server","dataType":"colour","data":"red"}',
        '{"type":"message","from":"server","dataType":"text","data":1}',
        '{"type":"message","from":"server","dataType":"text","data":"\\ud800"}',
        '{"type":"message","from":"server","dataType":"text"}',
        '{"type":"message","from":"server","dataType":"json","data":NaN}',
        '{"type":"message","from":"group","dataType":"text","data":"x"}',
        '{"type":"message","from":"server","dataType":"text","data":"x","metadata":[1]}',
        '{"type":"system","event":"connected","connectionId":7}',
        '{"type":"system","event":"connected","connectionId":"c","userId":7}',
        '{"type":"pong","x":' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
)
def test_what_is_new_or_broken_is_kept_as_it_came(text: str) -> None:
    frame = Frame(text.encode(), is_text=True)

    assert decode(frame) == Unknown(frame)


def test_bytes_are_no_frame_of_this_protocol() -> None:
    frame = Frame(json.dumps({"type": "pong"}).encode(), is_text=False)

    assert decode(frame) == Unknown(frame)
