"""`json.webpubsub.azure.v1` as a client speaks it: one JSON object per text frame (spec/service.md 3)."""

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import to_json

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
from app.models.payloads import BinaryData, JsonData, Payload, ProtobufData, TextData


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
_SPACE = re.compile(r"[ \t\n\r]*")


class Member(NamedTuple):
    """A value and the text it came in: numbers keep every digit."""

    value: Any
    raw: str


def encode(command: Command, ack_id: int | None = None) -> Frame:
    match command:
        case JoinGroup(group):
            return _frame({"type": "joinGroup", "group": group}, ack_id)
        case LeaveGroup(group):
            return _frame({"type": "leaveGroup", "group": group}, ack_id)
        case SendToGroup(group, payload, no_echo):
            members: dict[str, Any] = {"type": "sendToGroup", "group": group}
            return _frame(members | ({"noEcho": True} if no_echo else {}), ack_id, payload)
        case SendEvent(event, payload):
            return _frame({"type": "event", "event": event}, ack_id, payload)
        case Ping():
            return _frame({"type": "ping"}, None)
        case SequenceAck(sequence_id):
            return _frame({"type": "sequenceAck", "sequenceId": sequence_id}, None)


def _frame(members: dict[str, Any], ack_id: int | None, payload: Payload | None = None) -> Frame:
    if ack_id is not None:
        members["ackId"] = ack_id
    if payload is None:
        return Frame(to_json(members), is_text=True)
    data_type, data = payload_members(payload)
    head = to_json(members | {"dataType": data_type})
    return Frame(head[:-1] + b',"data":' + data + b"}", is_text=True)


def payload_members(payload: Payload) -> tuple[str, bytes]:
    """The members `dataType` and `data`, the second as JSON text."""
    match payload:
        case TextData(text=text):
            return "text", to_json(text)
        case JsonData():
            return "json", payload.body
        case BinaryData(data=data):
            return "binary", to_json(b64encode(data).decode())
        case ProtobufData(data=data):
            return "protobuf", to_json(b64encode(data).decode())


def decode(frame: Frame) -> Heard:
    try:
        if not frame.is_text:
            return Unknown(frame)
        return _heard(_members(frame.data.decode())) or Unknown(frame)
    except (ValueError, LookupError, TypeError, RecursionError, binascii.Error):
        return Unknown(frame)


def _members(text: str) -> Mapping[str, Member]:
    """The members of an object. Raises `ValueError` for anything else."""
    members: dict[str, Member] = {}
    position = _after(text, 0, "{")
    while not text.startswith("}", position):
        if members:
            position = _after(text, position, ",")
        name, position = _DECODER.raw_decode(text, position)
        start = _after(text, position, ":")
        value, end = _DECODER.raw_decode(text, start)
        members[_text(name)] = Member(value, text[start:end])
        position = _after(text, end, "")
    if _after(text, position, "}") != len(text):
        raise ValueError("something follows the object")
    return members


def _after(text: str, position: int, sign: str) -> int:
    """Behind `sign` and the white space around it."""
    position = _past_space(text, position)
    if not text.startswith(sign, position):
        raise ValueError(f"{sign} is missing")
    return _past_space(text, position + len(sign))


def _past_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _heard(members: Mapping[str, Member]) -> Heard | None:
    values = {name: member.value for name, member in members.items()}
    match values:
        case {"type": "message", "from": "group" | "server" as source}:
            return Message(
                _payload(members),
                _text(values["group"]) if source == "group" else None,
                _optional_text(values.get("fromUserId")),
                _optional_number(values.get("sequenceId")),
                {_text(key): _text(value) for key, value in _object(values.get("metadata")).items()},
            )
        case {"type": "ack", "ackId": ack_id, "success": bool(success)}:
            return Ack(_number(ack_id), None if success else _failure(_object(values.get("error"))))
        case {"type": "system", "event": "connected", "connectionId": str(connection_id)}:
            token = _optional_text(values.get("reconnectionToken"))
            return Connected(connection_id, _optional_text(values.get("userId")) or None, token)
        case {"type": "system", "event": "disconnected"}:
            return Disconnected(_optional_text(values.get("message")) or "")
        case {"type": "pong"}:
            return Pong()
        case _:
            return None


def _payload(members: Mapping[str, Member]) -> Payload:
    data_type, (value, raw) = members["dataType"].value, members["data"]
    match data_type:
        case "text":
            return TextData(text=_text(value))
        case "json":
            return JsonData.model_construct(value=value, raw=raw.encode())
        case "binary":
            return BinaryData(data=b64decode(_text(value), validate=True))
        case "protobuf":
            return ProtobufData(data=b64decode(_text(value), validate=True))
        case _:
            raise ValueError("there is no such data type")


def _failure(error: Mapping[str, Any]) -> Failure:
    return Failure(_text(error.get("name", "")), _text(error.get("message", "")))


def _object(value: object) -> dict[str, Any]:
    """An absent one is empty."""
    if not isinstance(value, dict | None):
        raise TypeError("not an object")
    return value or {}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    value.encode()  # half a surrogate pair is no text
    return value


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError("not a whole number")
    return value


def _optional_number(value: object) -> int | None:
    return None if value is None else _number(value)
