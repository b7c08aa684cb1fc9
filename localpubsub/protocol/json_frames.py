"""`json.webpubsub.azure.v1`: what goes out (spec/service.md 3.2, 3.7-3.9)."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from localpubsub.protocol.messages import DataType, Frame, Message, Payload, StreamPart
from localpubsub.protocol.notices import (
    GroupStates,
    InvokeResponse,
    Notice,
    StateItem,
    StreamAck,
    StreamClosed,
    StreamNack,
)


def _text(members: Mapping[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def _frame(members: Mapping[str, Any]) -> Frame:
    return Frame(_text(members), is_text=True)


def _with_payload(members: Mapping[str, Any], payload: Payload) -> Frame:
    """JSON data goes out as the text it came in as."""
    kind, data = payload
    head = _text({**members, "dataType": kind.value})[:-1]
    if kind is DataType.JSON:
        return Frame(head + b',"data":' + data + b"}", is_text=True)
    text = data.decode() if kind is DataType.TEXT else base64.b64encode(data).decode()
    return Frame(head + b',"data":' + json.dumps(text, ensure_ascii=False).encode() + b"}", is_text=True)


def encode_message(message: Message) -> Frame:
    members: dict[str, Any] = {"type": "message", "from": "server"}
    if message.group is not None:
        members |= {"from": "group", "group": message.group, "fromUserId": message.from_user_id}
    if message.metadata:
        members["metadata"] = dict(message.metadata)
    if message.stream is not None:
        members["stream"] = _stream(message.stream)
    return _with_payload(members, message.payload)


def _stream(part: StreamPart) -> Mapping[str, Any]:
    members: dict[str, Any] = {"streamId": part.stream_id, "streamSequenceId": part.sequence_id}
    if part.is_last:
        members["endOfStream"] = True
    if part.failure is not None:
        members["error"] = {"name": part.failure.name, "message": part.failure.message}
        if part.failure.code is not None:
            members["error"]["userErrorCode"] = part.failure.code
    return members


def encode_connected(connection_id: str, user_id: str | None, reconnection_token: str | None = None) -> Frame:
    """No user id is an empty one: every client library accepts it, and protobuf knows no other."""
    members = {"type": "system", "event": "connected", "userId": user_id or "", "connectionId": connection_id}
    return _frame(members if reconnection_token is None else members | {"reconnectionToken": reconnection_token})


def encode_disconnected(message: str) -> Frame:
    return _frame({"type": "system", "event": "disconnected", "message": message})


def encode_ack(ack_id: int, error: tuple[str, str] | None = None) -> Frame:
    """`error` is name and message; without it the command succeeded."""
    return _frame({"type": "ack", "ackId": ack_id, "success": error is None} | _error(error))


PONG = _frame({"type": "pong"})


def _error(failure: tuple[str, str] | None) -> dict[str, Any]:
    if failure is None:
        return {}
    name, message = failure
    return {"error": {"name": name, "message": message}}


def encode_notice(notice: Notice) -> Frame:
    match notice:
        case InvokeResponse():
            return _invoke_response(notice)
        case StreamAck(stream_id, expected):
            return _frame({"type": "streamAck", "streamId": stream_id, "expectedSequenceId": expected})
        case StreamNack(stream_id, (name, message), expected):
            members = {"type": "streamNack", "streamId": stream_id, "name": name, "message": message}
            return _frame(members | {"expectedSequenceId": expected})
        case StreamClosed(stream_id, failure):
            return _frame({"type": "streamClosed", "streamId": stream_id} | _error(failure))
        case GroupStates(group, items, is_snapshot):
            kind = "groupStateSnapshot" if is_snapshot else "groupStateUpdate"
            return _frame({"type": kind, "group": group, "items": [_item(item) for item in items]})


def _invoke_response(response: InvokeResponse) -> Frame:
    failure = response.failure
    members: dict[str, Any] = {"type": "invokeResponse", "invocationId": response.invocation_id}
    members |= {"success": failure is None} | _error(failure)
    if response.metadata:
        members["metadata"] = dict(response.metadata)
    return _frame(members) if response.payload is None else _with_payload(members, response.payload)


def _item(item: StateItem) -> Mapping[str, Any]:
    members: dict[str, Any] = {"connectionId": item.connection_id}
    if item.user_id is not None:
        members["userId"] = item.user_id
    if item.state is not None:
        members["state"] = dict(item.state)
    return members | {"updatedAt": item.updated_at}


def with_sequence_id(frame: Frame, sequence_id: int) -> Frame:
    """In front, so that the bytes all receivers share stay as they are."""
    return Frame(b'{"sequenceId":%d,' % sequence_id + frame.data[1:], is_text=True)
