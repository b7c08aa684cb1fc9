"""What a connection tells, as lines for people or as JSON for programs."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Protocol

from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from app.client.connection import Lost, Opened, Told
from app.client.endings import Closed, Refused
from app.client.frames import (
    Ack,
    Connected,
    Data,
    Disconnected,
    Failure,
    JoinGroup,
    LeaveGroup,
    Message,
    Pong,
    Request,
    SendEvent,
    SendToGroup,
    Unknown,
)
from app.client.json_codec import payload_members
from app.client.session import Outcome
from app.models.payloads import BinaryData, JsonData, Payload, ProtobufData, TextData
from app.printable import printable

BYTES_SHOWN = 32


class Transcript(Protocol):
    def show(self, told: Told) -> None: ...


class ForPrograms:
    """One JSON object a line, written at once."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def show(self, told: Told) -> None:
        match told:
            case Message():
                self._payload(_members_of(told), told.payload)
            case Data(payload):
                self._payload({"type": "message"}, payload)
            case _:
                self._line(to_json(_described(told)))

    def _payload(self, members: dict[str, Any], payload: Payload) -> None:
        data_type, data = payload_members(payload)
        # Only the white space between the members of JSON can be a line break.
        data = data.replace(b"\r", b" ").replace(b"\n", b" ")
        self._line(to_json(members | {"dataType": data_type})[:-1] + b',"data":' + data + b"}")

    def _line(self, line: bytes) -> None:
        self._write(line.decode() + "\n")


def _members_of(message: Message) -> dict[str, Any]:
    members: dict[str, Any] = {"type": "message", "from": "server"}
    if message.group is not None:
        members |= {"from": "group", "group": message.group}
    if message.from_user_id is not None:
        members["fromUserId"] = message.from_user_id
    if message.sequence_id is not None:
        members["sequenceId"] = message.sequence_id
    return members | ({"metadata": message.metadata} if message.metadata else {})


def _described(told: Told) -> dict[str, Any]:
    """Without the reconnection token: whoever has it can take the connection over."""
    match told:
        case Opened():
            return {"type": "opened"}
        case Connected(connection_id, user_id):
            return {"type": "system", "event": "connected", "userId": user_id, "connectionId": connection_id}
        case Disconnected(reason):
            return {"type": "system", "event": "disconnected", "message": reason}
        case Ack(ack_id, error):
            return {"type": "ack", "ackId": ack_id} | _result(error)
        case Outcome(ack_id, request, error, was_done):
            command, target = _spoken(request)
            repeated = {"duplicate": True} if was_done else {}
            return {"type": "ack", "ackId": ack_id, "command": command, "target": target} | _result(error) | repeated
        case Pong():
            return {"type": "pong"}
        case Unknown(frame):
            text = frame.data.decode("utf-8", "replace") if frame.is_text else b64encode(frame.data).decode()
            return {"type": "unknown", "text" if frame.is_text else "base64": text}
        case Lost(ending, again):
            code = {"code": ending.code} if isinstance(ending, Closed) else {}
            status = {"status": ending.status} if isinstance(ending, Refused) else {}
            then = "end" if again is None else "recover" if again.recover else "reconnect"
            return {"type": "closed", **code, **status, "message": ending.sentence, "then": then}
        case _:
            raise TypeError("a message has a payload to be written")


def _result(error: Failure | None) -> dict[str, Any]:
    if error is None:
        return {"success": True}
    return {"success": False, "error": {"name": error.name, "message": error.message}}


def _spoken(request: Request) -> tuple[str, str]:
    match request:
        case JoinGroup(group):
            return "joingroup", group
        case LeaveGroup(group):
            return "leavegroup", group
        case SendToGroup(group):
            return "sendtogroup", group
        case SendEvent(event):
            return "event", event


class ForPeople:
    """One line for each thing, whatever is in it: what a terminal would obey is written out.

    `errors` gets the reason of a bad end.
    """

    def __init__(self, console: Console, errors: Console) -> None:
        self._console = console
        self._errors = errors
        self._connection_id: str | None = None

    def show(self, told: Told) -> None:
        line = self._line(told)
        if isinstance(told, Lost) and told.again is None and not told.ending.is_clean:
            self._errors.print(Text("webpubsub: ").append_text(line))
        else:
            self._console.print(line)

    def _line(self, told: Told) -> Text:
        match told:
            case Message():
                return _source(told).append_text(_shown(told.payload))
            case Data(payload):
                return _shown(payload)
            case Outcome():
                return _outcome(told)
            case Connected():
                return self._greeting(told)
            case Lost(ending, again):
                style = "yellow" if again else "dim" if ending.is_clean else "red"
                return Text(printable(ending.sentence) + _prospect(told), style)
            case _:
                return _remark(told)

    def _greeting(self, greeting: Connected) -> Text:
        is_recovered = greeting.connection_id == self._connection_id
        self._connection_id = greeting.connection_id
        name = "anonymous" if greeting.user_id is None else printable(greeting.user_id)
        word = "recovered" if is_recovered else "connected"
        return Text(f"{word} as {name}, connection {printable(greeting.connection_id)}", "green")


def _remark(told: Opened | Disconnected | Ack | Pong | Unknown) -> Text:
    match told:
        case Opened():
            return Text("connected", "green")
        case Disconnected(reason):
            return Text(f"the service says good-bye: {printable(reason)}", "yellow")
        case Ack(ack_id, error):
            return Text(f"ack {ack_id}, which nothing waited for: {'ok' if error is None else error.name}", "dim")
        case Pong():
            return Text("pong", "green")
        case Unknown(frame):
            what = frame.data.decode("utf-8", "replace") if frame.is_text else frame.data[:BYTES_SHOWN].hex(" ")
            return Text(f"a frame this client does not know: {printable(what)}", "dim")


def _source(message: Message) -> Text:
    if message.group is None:
        return Text().append("server: ", "magenta")
    line = Text().append(f"[{printable(message.group)}] ", "cyan")
    return line if message.from_user_id is None else line.append(f"{printable(message.from_user_id)}: ", "bold")


def _shown(payload: Payload) -> Text:
    match payload:
        case TextData(text=text):
            return Text(printable(text))
        case JsonData():
            return Text(printable(payload.body.decode()))
        case BinaryData(data=data) | ProtobufData(data=data):
            kind = "bytes" if isinstance(payload, BinaryData) else "bytes of protobuf"
            more = " ..." if len(data) > BYTES_SHOWN else ""
            return Text(f"({len(data)} {kind}) {data[:BYTES_SHOWN].hex(' ')}{more}", "dim")


def _outcome(outcome: Outcome) -> Text:
    command, target = _spoken(outcome.request)
    what = f"{command} {printable(target)}"
    if outcome.error is None:
        return Text().append("ok      ", "green").append(what + (", done before" if outcome.was_done else ""), "dim")
    why = ". ".join(printable(part) for part in outcome.error if part)
    return Text().append("failed  ", "red").append(f"{what}: {why}")


def _prospect(lost: Lost) -> str:
    if lost.again is None:
        return ""
    when = f" in {lost.again.after_seconds:g} s" if lost.again.after_seconds else ""
    return f"; {'getting the connection back' if lost.again.recover else 'connecting anew'}{when}"
