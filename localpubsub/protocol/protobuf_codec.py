"""`protobuf.webpubsub.azure.v1`: one message per binary frame (spec/service.md 5). What comes in.

The field numbers are those of 5.1. The invocations, which that table leaves open, have the numbers of Microsoft's own
schema test: 10 `invoke_event_message`, 11 `cancel_invocation_message`.
"""

from collections.abc import Callable, Mapping

from localpubsub.protocol import names
from localpubsub.protocol.errors import Disconnect, malformed
from localpubsub.protocol.messages import (
    CancelInvocation,
    Command,
    DataType,
    EndStream,
    Frame,
    Invoke,
    JoinGroup,
    LeaveGroup,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    SequenceAck,
    SetGroupState,
    StartStream,
    StreamData,
    StreamFailure,
    SubscribeGroupState,
    UnsubscribeGroupState,
)
from localpubsub.protocol.payloads import is_legal
from localpubsub.protocol.protobuf_wire import Fields, WireError

NAME = "protobuf.webpubsub.azure.v1"
PROTOCOL = "protobuf"
TEXT_DATA, BINARY_DATA, ANY_DATA, JSON_DATA = range(1, 5)


def decode_frame(frame: Frame) -> Command:
    """Raises `Disconnect`: 1003 for a text frame, 1007 for what the subprotocol does not allow."""
    if frame.is_text:
        raise Disconnect(1003, "The protobuf subprotocol requires binary messages.")
    try:
        member = Fields(frame.data).one_of(_COMMANDS, merged=_COMMANDS)
        if member is None:
            raise malformed(PROTOCOL)
        return _COMMANDS[member[0]](Fields(member[1]))
    except WireError:
        raise malformed(PROTOCOL) from None


def _legal(text: str | None, is_legal: Callable[[str], bool]) -> str:
    if not is_legal(text or ""):
        raise malformed(PROTOCOL)
    return text or ""


def _group(fields: Fields) -> str:
    return _legal(fields.text(1), names.is_group)


def _id(fields: Fields, number: int) -> str:
    return _legal(fields.text(number), bool)


def _metadata(fields: Fields, number: int) -> Mapping[str, str]:
    metadata = fields.texts(number)
    if not names.is_metadata(metadata):
        raise malformed(PROTOCOL)
    return metadata


def _data(data: bytes | None) -> Payload | None:
    """A `MessageData`; `None` for one that holds nothing. An `Any` stays the bytes it came in."""
    member = Fields(data or b"").one_of((TEXT_DATA, BINARY_DATA, ANY_DATA, JSON_DATA), merged=(ANY_DATA,))
    if member is None:
        return None
    number, value = member
    payload = Payload(_DATA_TYPES[number], value)
    if not is_legal(payload):
        raise malformed(PROTOCOL)
    return payload


def _payload(data: bytes | None, metadata: Mapping[str, str]) -> Payload:
    """Only metadata can stand in for data."""
    payload = _data(data)
    if payload is not None:
        return payload
    if not metadata:
        raise malformed(PROTOCOL)
    return Payload(DataType.TEXT, b"")


_DATA_TYPES: Mapping[int, DataType] = {
    TEXT_DATA: DataType.TEXT,
    BINARY_DATA: DataType.BINARY,
    ANY_DATA: DataType.PROTOBUF,
    JSON_DATA: DataType.JSON,
}


def _send_to_group(fields: Fields) -> Command:
    group, stream = _group(fields), fields.message(7)
    no_echo = fields.flag(4)
    if stream is not None:
        start = Fields(stream)
        return StartStream(group, start.text(1) or "", start.uint(2, bits=32), no_echo)
    ttl = fields.uint(5, bits=32) or 0
    if ttl > names.MAX_TTL_SECONDS:
        raise malformed(PROTOCOL)
    metadata = _metadata(fields, 6)
    return SendToGroup(group, _payload(fields.message(3), metadata), fields.uint(2), no_echo, ttl, metadata)


def _event(fields: Fields) -> Command:
    if fields.message(5) is not None:  # events are not streamed
        raise malformed(PROTOCOL)
    metadata = _metadata(fields, 4)
    payload = _payload(fields.message(2), metadata)
    return SendEvent(_legal(fields.text(1), names.is_event), payload, fields.uint(3), metadata)


def _invoke(fields: Fields) -> Command:
    if fields.message(5) is not None:
        raise malformed(PROTOCOL)
    metadata = _metadata(fields, 4)
    payload = _data(fields.message(3)) or Payload(DataType.TEXT, b"")
    return Invoke(_id(fields, 2), _legal(fields.text(1), names.is_event), payload, metadata)


def _stream_data(fields: Fields) -> Command:
    """All of a fragment or nothing of it."""
    sequence_id, payload = fields.uint(2), _data(fields.message(3))
    if (sequence_id is None) != (payload is None):
        raise malformed(PROTOCOL)
    fragment = None if sequence_id is None or payload is None else (sequence_id, payload)
    return StreamData(_id(fields, 1), fragment)


def _end_stream(fields: Fields) -> Command:
    error = fields.message(2)
    if error is None:
        return EndStream(_id(fields, 1))
    told = Fields(error)
    return EndStream(_id(fields, 1), StreamFailure("UserError", told.text(1) or "", told.text(2)))


def _set_group_state(fields: Fields) -> Command:
    state = fields.message(3)
    return SetGroupState(_group(fields), None if state is None else Fields(state).texts(1), fields.uint(2))


_COMMANDS: Mapping[int, Callable[[Fields], Command]] = {
    1: _send_to_group,
    5: _event,
    6: lambda fields: JoinGroup(_group(fields), fields.uint(2)),
    7: lambda fields: LeaveGroup(_group(fields), fields.uint(2)),
    8: lambda fields: SequenceAck(fields.uint(1) or 0),
    9: lambda _: Ping(),
    10: _invoke,
    11: lambda fields: CancelInvocation(_id(fields, 1)),
    13: _stream_data,
    14: _end_stream,
    15: _set_group_state,
    16: lambda fields: SubscribeGroupState(_group(fields), fields.uint(2)),
    17: lambda fields: UnsubscribeGroupState(_group(fields), fields.uint(2)),
}
