"""What the multilingual room hears and says: docs/multilingual.md."""

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import Field, JsonValue, StringConstraints, ValidationError

from app.models.events import UserEvent
from app.models.wire import WireModel
from app.upstream.errors import Declined
from app.upstream.translation import Translation

MOST_CHARACTERS = 4_000
MOST_LINES = 50

Code = Annotated[str, StringConstraints(min_length=1, max_length=35)]
Number = Annotated[int, Field(ge=0)]


class Enter(WireModel):
    """`since` is the last line the client has, where it was here before. Without a language it is the last one used."""

    language: Code | None = None
    since: Number | None = None


class Choose(WireModel):
    language: Code


class Say(WireModel):
    """`key` is the client's own mark: it comes back with the line."""

    message: str
    key: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class Since(WireModel):
    number: Number
    limit: Annotated[int, Field(ge=1, le=MOST_LINES)] = MOST_LINES


class Said(WireModel):
    """A message as it is kept. `language` is the one its writer reads, and so most likely the one it is in."""

    id: str
    author: str = Field(alias="from")
    text: str
    language: str
    key: str | None = None


class Message(WireModel):
    """`number` counts within the room; `at` is Unix seconds."""

    number: int
    at: float
    said: Said


Request = TypeVar("Request", bound=WireModel)


def read(event: UserEvent, model: type[Request]) -> Request:
    """Raises `Declined`, with a sentence that says which member is wrong."""
    try:
        return model.model_validate(event.value)
    except TypeError:
        raise Declined("malformed", f"{event.name} takes a JSON object") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Declined("malformed", f"{event.name}: {f'{where}: ' if where else ''}{first['msg']}") from None


def text_of(message: str) -> str:
    """Raises `Declined` for a blank message, and for one that is too long."""
    text = message.strip()
    if not text:
        raise Declined("empty", "there is nothing in the message")
    if len(text) > MOST_CHARACTERS:
        raise Declined("too-long", f"a message has at most {MOST_CHARACTERS} characters")
    return text


def line_of(message: Message, version: Translation, source: str) -> dict[str, JsonValue]:
    """One message for the readers of one language. `source` is the original's language, `""` where it is unknown."""
    said = message.said
    line: dict[str, JsonValue] = {
        "type": "message",
        "number": message.number,
        "at": message.at,
        "id": said.id,
        "from": said.author,
        "text": version.text,
        "language": version.language,
        "original": said.text,
        "originalLanguage": source,
        "isTranslated": version.is_translated,
        "note": str(version.note),
    }
    return line if said.key is None else line | {"key": said.key}


def raw_line_of(message: Message, version: Translation) -> Mapping[str, JsonValue]:
    return {"from": message.said.author, "message": version.text}
