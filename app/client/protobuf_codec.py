"""`protobuf.webpubsub.azure.v1` as a client speaks it: one message per binary frame (spec/service.md 5)."""

from collections.abc import Callable, Mapping

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
from app.client.protobuf_wire import Fields, Malformed, delimited, number
from app.models.payloads import BinaryData, JsonData, Payload, ProtobufData, TextData, parse_json

TEXT, BINARY, ANY, JSON = 1, 2, 3, 4


def encode(command: Command, ack_id: int | None = None) -> Frame:
    match command:
        case SendToGroup(group, payload, no_echo):
            echo = number(4, 1 if no_echo else None)
            return _frame(1, _text(1, group), number(2, ack_id), _data(3, payload), echo)
        case SendEvent(event, payload):
            return _frame(5, _text(1, event), _data(2, payload), number(3, ack_id))
        case JoinGroup(group):
            return _frame(6, _text(1, group), number(2, ack_id))
        case LeaveGroup(group):
            return _frame(7, _text(1, group), number(2, ack_id))
        case SequenceAck(sequence_id):
            return _frame(8, number(1, sequence_id))
        case Ping():
            return _frame(9)


def _frame(member: int, *fields: bytes) -> Frame:
    return Frame(delimited(member, b"".join(fields)), is_text=False)


def _text(field: int, value: str) -> bytes:
    return delimited(field, value.encode())


def _data(field: int, payload: Payload) -> bytes:
    match payload:
        case TextData():
            return delimited(field, delimited(TEXT, payload.body))
        case JsonData():
            return delimited(field, delimited(JSON, payload.body))
        case BinaryData():
            return delimited(field, delimited(BINARY, payload.body))
        case ProtobufData():
            return delimited(field, delimited(ANY, payload.body))


def decode(frame: Frame) -> Heard:
    if frame.is_text:
        return Unknown(frame)
    try:
        member = Fields(frame.data).last()
        if member is None or member[0] not in _DECODERS:
            return Unknown(frame)
        return _DECODERS[member[0]](Fields(member[1])) or Unknown(frame)
    except ValueError:
        return Unknown(frame)


def _ack(fields: Fields) -> Ack:
    error = fields.message(3)
    failure = Failure(error.text(1) or "", error.text(2) or "")
    return Ack(fields.number(1) or 0, None if fields.number(2) else failure)


def _message(fields: Fields) -> Message | None:
    data = fields.message(3).last()
    source = fields.text(1)
    if data is None or source not in ("group", "server"):
        return None
    return Message(
        _payload(*data),
        group=(fields.text(2) or "") if source == "group" else None,
        sequence_id=fields.number(4),
        metadata=fields.texts(5),
    )


def _payload(kind: int, data: bytes) -> Payload:
    if kind not in _PAYLOADS:
        raise Malformed("there is no such kind of data")
    return _PAYLOADS[kind](data)


def _system(fields: Fields) -> Connected | Disconnected | None:
    match fields.last():
        case (1, data):
            told = Fields(data)
            return Connected(told.text(1) or "", told.text(2) or None, told.text(3))
        case (2, data):
            return Disconnected(Fields(data).text(2) or "")
        case _:
            return None


_PAYLOADS: Mapping[int, Callable[[bytes], Payload]] = {
    TEXT: lambda data: TextData(text=data.decode()),
    BINARY: lambda data: BinaryData(data=data),
    ANY: lambda data: ProtobufData(data=data),
    JSON: lambda data: JsonData.model_construct(value=parse_json(data), raw=data),
}
_DECODERS: Mapping[int, Callable[[Fields], Heard | None]] = {
    1: _ack,
    2: _message,
    3: _system,
    4: lambda _: Pong(),
}
