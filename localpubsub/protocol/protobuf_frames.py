"""`protobuf.webpubsub.azure.v1`: what goes out (spec/service.md 5.2)."""

from collections.abc import Mapping

from localpubsub.protocol import protobuf_wire as wire
from localpubsub.protocol.messages import DataType, Frame, Message, Payload, StreamPart
from localpubsub.protocol.notices import (
    Failure,
    GroupStates,
    InvokeResponse,
    Notice,
    StateItem,
    StreamAck,
    StreamClosed,
    StreamNack,
)

# The member of `DownstreamMessage` that has a sequence id, and its number in there.
SEQUENCE_FIELDS: Mapping[int, int] = {2: 4, 9: 3, 10: 3}
# JSON is `json_data`, as in every published schema; the documentation's text speaks of `text_data`.
_DATA_FIELDS: Mapping[DataType, int] = {
    DataType.TEXT: 1,
    DataType.BINARY: 2,
    DataType.PROTOBUF: 3,
    DataType.JSON: 4,
}


def _frame(number: int, *fields: bytes) -> Frame:
    return Frame(wire.delimited(number, b"".join(fields)), is_text=False)


def _data(number: int, payload: Payload) -> bytes:
    """An `Any` goes on byte for byte."""
    return wire.delimited(number, wire.delimited(_DATA_FIELDS[payload.data_type], payload.data))


def _failure(number: int, failure: tuple[str, str] | None) -> bytes:
    if failure is None:
        return b""
    name, message = failure
    return wire.delimited(number, wire.text(1, name) + wire.text(2, message))


def encode_message(message: Message) -> Frame:
    """There is no field for the publisher's user id."""
    return _frame(
        2,
        wire.text(1, "server" if message.group is None else "group"),
        wire.text(2, message.group),
        _data(3, message.payload),
        wire.texts(5, message.metadata),
        b"" if message.stream is None else wire.delimited(6, _stream(message.stream)),
    )


def _stream(part: StreamPart) -> bytes:
    fields = wire.text(1, part.stream_id) + wire.uint(2, part.sequence_id)
    if part.is_last:
        fields += wire.uint(3, 1)
    if part.failure is not None:
        name, message, code = part.failure.name, part.failure.message, part.failure.code
        fields += wire.delimited(4, wire.text(1, name) + wire.text(2, message) + wire.text(3, code))
    return fields


def encode_connected(connection_id: str, user_id: str | None, reconnection_token: str | None = None) -> Frame:
    fields = wire.text(1, connection_id) + wire.text(2, user_id or "") + wire.text(3, reconnection_token)
    return _frame(3, wire.delimited(1, fields))


def encode_disconnected(reason: str) -> Frame:
    return _frame(3, wire.delimited(2, wire.text(2, reason)))


def encode_ack(ack_id: int, error: tuple[str, str] | None = None) -> Frame:
    """`error` is name and message; without it the command succeeded."""
    return _frame(1, wire.uint(1, ack_id), wire.uint(2, error is None), _failure(3, error))


PONG = _frame(4)


def encode_notice(notice: Notice) -> Frame:
    match notice:
        case InvokeResponse():
            return _invoke_response(notice)
        case StreamAck(stream_id, expected):
            return _frame(6, wire.text(1, stream_id), wire.uint(2, expected))
        case StreamNack(stream_id, failure, expected):
            told = wire.text(2, failure.name) + wire.text(3, failure.message)
            return _frame(7, wire.text(1, stream_id), told, wire.uint(4, expected))
        case StreamClosed(stream_id, closed_by):
            return _frame(8, wire.text(1, stream_id), _failure(2, closed_by))
        case GroupStates(group, items, is_snapshot):
            return _frame(
                10 if is_snapshot else 9, wire.text(1, group), *(wire.delimited(2, _item(item)) for item in items)
            )


def _invoke_response(response: InvokeResponse) -> Frame:
    failure: Failure | None = response.failure
    return _frame(
        5,
        wire.text(1, response.invocation_id),
        wire.uint(2, failure is None),
        b"" if response.payload is None else _data(3, response.payload),
        _failure(4, failure),
        wire.texts(5, response.metadata),
    )


def _item(item: StateItem) -> bytes:
    state = b"" if item.state is None else wire.delimited(3, wire.texts(1, item.state))
    return wire.text(1, item.connection_id) + wire.text(2, item.user_id) + state + wire.uint(4, item.updated_at)


def with_sequence_id(frame: Frame, sequence_id: int) -> Frame:
    return Frame(wire.numbered(frame.data, SEQUENCE_FIELDS, sequence_id), is_text=False)
