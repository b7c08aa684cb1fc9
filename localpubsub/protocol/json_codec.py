"""`json.webpubsub.azure.v1`: one JSON object per text frame (spec/service.md 3)."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from localpubsub.protocol import names
from localpubsub.protocol.errors import Disconnect, malformed
from localpubsub.protocol.messages import (
    Command,
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
)

NAME = "json.webpubsub.azure.v1"
UINT64 = 2**64

_WHITESPACE = " \t\n\r"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def is_json(text: bytes) -> bool:
    """Strictly: UTF-8, no NaN, no absurd nesting."""
    try:
        _decoder.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


class _Members:
    """The members of a JSON object, with the text each was written as: numbers go on byte for byte."""

    def __init__(self, text: str) -> None:
        """Raises `ValueError` for anything but one JSON object; `RecursionError` for absurd nesting."""
        self.values: dict[str, Any] = {}
        self.raw: dict[str, str] = {}
        end = self._object(text, self._skip(text, 0))
        if self._skip(text, end) != len(text):
            raise ValueError("text behind the object")

    @staticmethod
    def _skip(text: str, position: int) -> int:
        while position < len(text) and text[position] in _WHITESPACE:
            position += 1
        return position

    def _object(self, text: str, position: int) -> int:
        if text[position : position + 1] != "{":
            raise ValueError("not an object")
        position = self._skip(text, position + 1)
        if text[position : position + 1] == "}":
            return position + 1
        while True:
            if text[position : position + 1] != '"':
                raise ValueError("not a member name")
            name, position = _decoder.raw_decode(text, position)
            position = self._skip(text, position)
            if text[position : position + 1] != ":":
                raise ValueError("no colon")
            start = self._skip(text, position + 1)
            self.values[name], position = _decoder.raw_decode(text, start)
            self.raw[name] = text[start:position]
            position = self._skip(text, position)
            if text[position : position + 1] == "}":
                return position + 1
            if text[position : position + 1] != ",":
                raise ValueError("no comma")
            position = self._skip(text, position + 1)

    def text(self, name: str, is_legal: Callable[[str], bool]) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not is_legal(value):
            raise malformed()
        return value

    def integer(self, name: str, below: int) -> int | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
            raise malformed()
        return value

    def flag(self, name: str) -> bool:
        value = self.values.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise malformed()
        return value

    def metadata(self) -> Mapping[str, str]:
        value = self.values.get("metadata")
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
            raise malformed()
        if not names.is_metadata(value):
            raise malformed()
        return value

    def payload(self) -> Payload:
        data_type = self.values.get("dataType")
        try:
            kind = DataType.JSON if data_type is None else DataType(str(data_type).lower())
        except ValueError:
            raise malformed() from None
        value = self.values.get("data")
        if value is None:
            if not self.values.get("metadata"):
                raise malformed()
            return Payload(DataType.TEXT, b"")
        if kind is DataType.JSON:
            return Payload(kind, self.raw["data"].encode())
        if not isinstance(value, str):
            raise malformed()
        if kind is DataType.TEXT:
            return Payload(kind, value.encode())
        return Payload(kind, base64.b64decode(value, validate=True))


def decode(text: str) -> Command:
    """The command of a text frame. Raises `Disconnect` 1007 for what the subprotocol does not allow."""
    try:
        members = _Members(text)
        kind = members.values.get("type")
        decoder = _COMMANDS.get(kind.lower()) if isinstance(kind, str) else None
        if decoder is None:
            raise malformed()
        return decoder(members)
    except (ValueError, binascii.Error, RecursionError):
        raise malformed() from None


def decode_frame(frame: Frame) -> Command:
    """As `decode`; a binary frame is a `Disconnect` 1003."""
    if not frame.is_text:
        raise Disconnect(1003, "The JSON subprotocol requires text messages.")
    return decode(frame.data.decode())


def _join(members: _Members) -> Command:
    return JoinGroup(members.text("group", names.is_group), members.integer("ackId", UINT64))


def _leave(members: _Members) -> Command:
    return LeaveGroup(members.text("group", names.is_group), members.integer("ackId", UINT64))


def _send_to_group(members: _Members) -> Command:
    return SendToGroup(
        members.text("group", names.is_group),
        members.payload(),
        members.integer("ackId", UINT64),
        members.flag("noEcho"),
        members.integer("ttlSeconds", names.MAX_TTL_SECONDS + 1) or 0,
        members.metadata(),
    )


def _event(members: _Members) -> Command:
    return SendEvent(
        members.text("event", names.is_event),
        members.payload(),
        members.integer("ackId", UINT64),
        members.metadata(),
    )


def _sequence_ack(members: _Members) -> Command:
    sequence_id = members.integer("sequenceId", UINT64)
    if sequence_id is None:
        raise malformed()
    return SequenceAck(sequence_id)


_COMMANDS: Mapping[str, Callable[[_Members], Command]] = {
    "joingroup": _join,
    "leavegroup": _leave,
    "sendtogroup": _send_to_group,
    "event": _event,
    "ping": lambda _: Ping(),
    "sequenceack": _sequence_ack,
}


def _frame(members: Mapping[str, Any]) -> Frame:
    return Frame(json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode(), is_text=True)


def encode_message(message: Message) -> Frame:
    """JSON data goes out as the text it came in as."""
    members: dict[str, Any] = {"type": "message", "from": "server"}
    if message.group is not None:
        members |= {"from": "group", "group": message.group, "fromUserId": message.from_user_id}
    kind, data = message.payload
    members["dataType"] = kind.value
    if message.metadata:
        members["metadata"] = dict(message.metadata)
    head = _frame(members).data[:-1]
    if kind is DataType.JSON:
        return Frame(head + b',"data":' + data + b"}", is_text=True)
    text = data.decode() if kind is DataType.TEXT else base64.b64encode(data).decode()
    return Frame(head + b',"data":' + json.dumps(text, ensure_ascii=False).encode() + b"}", is_text=True)


def encode_connected(connection_id: str, user_id: str | None) -> Frame:
    """No user id is an empty one: every client library accepts it, and protobuf knows no other."""
    return _frame({"type": "system", "event": "connected", "userId": user_id or "", "connectionId": connection_id})


def encode_disconnected(message: str) -> Frame:
    return _frame({"type": "system", "event": "disconnected", "message": message})


def encode_ack(ack_id: int, error: tuple[str, str] | None = None) -> Frame:
    """`error` is name and message; without it the command succeeded."""
    if error is None:
        return _frame({"type": "ack", "ackId": ack_id, "success": True})
    name, message = error
    return _frame({"type": "ack", "ackId": ack_id, "success": False, "error": {"name": name, "message": message}})


PONG = _frame({"type": "pong"})
