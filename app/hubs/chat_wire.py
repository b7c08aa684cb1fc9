"""What pages and the chat say to each other: docs/chat.md, as types."""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError, to_json

from app.models.events import UserEvent
from app.models.payloads import JsonData
from app.upstream.errors import Declined
from app.upstream.history import Line

LOBBY = "lobby"
DIRECTORY = "rooms.changes"
"""The group of those who want to hear which rooms there are. No room has a dot in its name."""

MOST_CHARACTERS = 4_000
MOST_BYTES = 512 * 1024
"""Of the lines in one answer: a message of the service has at most 1 MB."""

_ROOM = re.compile(r"[^\W_][\w-]{0,63}")
_OUR_CODES = ("bad-room", "empty", "too-long")


def named(event: UserEvent) -> dict[str, JsonValue]:
    """The members of what a page asked that come back where it is declined."""
    asked = event.data.value if isinstance(event.data, JsonData) else None
    found = {name: asked.get(name) for name in ("room", "key")} if isinstance(asked, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def is_room(group: str) -> bool:
    return _ROOM.fullmatch(group) is not None


def signals(room: str) -> str:
    """The group of the pages in a room: presence and typing, which a bare client could not tell from a message."""
    return f"{room}.signals"


def _room(name: str) -> str:
    if not is_room(name):
        raise PydanticCustomError(
            "bad-room", "A room name has 1 to 64 letters, digits, - and _, and begins with a letter or digit."
        )
    return name


def _message(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("empty", "The message is empty.")
    if len(text) > MOST_CHARACTERS:
        raise PydanticCustomError("too-long", f"A message has at most {MOST_CHARACTERS:,} characters.")
    return text


Room = Annotated[str, AfterValidator(_room)]
Text = Annotated[str, AfterValidator(_message)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Number = Annotated[int, Field(ge=0, le=2**53)]


class Request(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)


class InRoom(Request):
    room: Room


class Enter(InRoom):
    since: Number | None = None


class Since(InRoom):
    number: Number


class Say(InRoom):
    message: Text
    key: Key | None = None


class Private(Request):
    to: Annotated[str, StringConstraints(min_length=1, max_length=1024)]
    message: Text
    key: Key | None = None


class Spoken(Request):
    """What a bare client says."""

    message: Text


_Kind = TypeVar("_Kind", bound=Request)


def read(kind: type[_Kind], event: UserEvent) -> _Kind:
    """What the page asks for. Raises `Declined`."""
    return check(kind, event.data.value if isinstance(event.data, JsonData) else None)


def check(kind: type[_Kind], value: object) -> _Kind:
    """Raises `Declined`."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code, member = first["type"], first["loc"][0] if first["loc"] else None
    if code in _OUR_CODES:
        raise Declined(code, first["msg"])
    if code == "string_too_long":
        raise Declined("too-long", f"{member!r} is too long.")
    raise Declined("malformed", f"{member!r}: {first['msg']}." if member else "The data is not a JSON object.")


def line_id(event: UserEvent, request: Say) -> str:
    """Of a message that is said again with the same key, after a broken connection too, it is the same."""
    if request.key is None:
        return event.message_id()
    cause = (event.hub.lower(), event.user_id, request.room, request.key, request.message)
    return blake2b(to_json(cause), digest_size=12).hexdigest()


def as_line(room: str, line: Line) -> dict[str, JsonValue]:
    said = line.value if isinstance(line.value, dict) else {}
    return {"type": "message", "room": room, "number": line.number, "at": line.at, **said}


def fitting(lines: Iterable[Mapping[str, JsonValue]]) -> list[JsonValue]:
    """As many from the first as one answer holds."""
    taken: list[JsonValue] = []
    size = 0
    for line in lines:
        size += len(to_json(line))
        if size > MOST_BYTES:
            break
        taken.append(dict(line))
    return taken
