"""The language of the prompt: one line, one command."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.client.frames import Command, JoinGroup, LeaveGroup, Ping, SendEvent, SendToGroup
from app.models.payloads import BinaryData, JsonData, Payload, TextData, parse_json

MESSAGE_LIMIT = 1024 * 1024
HELP = {
    "joingroup": "joingroup GROUP                    be in a group",
    "leavegroup": "leavegroup GROUP                   be no longer in it",
    "sendtogroup": "sendtogroup [--no-echo] GROUP DATA send to everybody in a group",
    "event": "event NAME DATA                    send an event to the upstream",
    "ping": "ping                               ask for a pong",
    "help": "help                               this list",
    "quit": "quit                               say good-bye; Ctrl-D does the same",
}
ABOUT_DATA = (
    "DATA is text, or JSON where it starts with {, [ or a quote. --text or --json in front\n"
    "of it decide otherwise, and --file PATH sends the bytes of a file.\n"
    'A name with spaces goes in quotes: joingroup "room 1".'
)


class NotUnderstood(ValueError):
    """The line is no command; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ShowHelp:
    """Only talks to the person."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Ends the program."""


Said = Command | ShowHelp | Quit


def read(line: str) -> Said | None:
    """What a line says; `None` for an empty one or a comment. Raises `NotUnderstood`. Reads the file it names."""
    word, rest = _word(text_payload(line).text)
    if not word or word.startswith("#"):
        return None
    reader = _COMMANDS.get(word.lower())
    if reader is None:
        raise NotUnderstood(f"there is no command {word}; help lists them")
    return reader(rest)


def payload_of(text: str, advice: str = "; --text in front sends it as text") -> Payload:
    """JSON where the text starts as an object, an array or a quoted string does; otherwise text, as it stands.

    Raises `NotUnderstood` where it starts like JSON and is none; `advice` says what to do about it.
    """
    if text.lstrip()[:1] in ("{", "[", '"'):
        return json_payload(text, advice)
    return text_payload(text)


def text_payload(text: str) -> TextData:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8 reach a program as halves of surrogate pairs
        raise NotUnderstood("this text is not UTF-8") from None
    return TextData(text=text)


def json_payload(text: str, advice: str = "") -> JsonData:
    try:
        raw = text.strip().encode()
        return JsonData(value=parse_json(raw), raw=raw)
    except ValueError as error:
        raise NotUnderstood(f"this is not JSON ({error}){advice}") from None


def file_payload(path: str) -> BinaryData:
    """Its bytes. Raises `NotUnderstood` for what is no file, or larger than the service accepts."""
    file = Path(path).expanduser()
    try:
        if not file.is_file():
            raise NotUnderstood(f"there is no file {path}")
        if file.stat().st_size > MESSAGE_LIMIT:
            raise NotUnderstood(f"{path} is larger than 1 MiB, the most the service accepts")
        return BinaryData(data=file.read_bytes())
    except OSError as error:
        raise NotUnderstood(f"cannot read {path}: {error.strerror}") from None


_QUOTED = re.compile(r'\s*"((?:[^"\\]|\\.)*)"(?:\s+|$)')
_PLAIN = re.compile(r"\s*(\S*)\s*")


def _word(text: str) -> tuple[str, str]:
    """The first word, which quotes may hold together, and what follows it as it was typed."""
    found = _QUOTED.match(text)
    if found:
        return re.sub(r"\\(.)", r"\1", found[1]), text[found.end() :]
    plain = _PLAIN.match(text)
    return (plain[1], text[plain.end() :]) if plain else ("", "")


def _name(rest: str, what: str) -> tuple[str, str]:
    name, rest = _word(rest)
    if not name:
        raise NotUnderstood(f"name {what}")
    return name, rest


def _only(rest: str, what: str) -> str:
    name, rest = _name(rest, what)
    if rest.strip():
        raise NotUnderstood(f"{what} with spaces goes in quotes")
    return name


def _data(rest: str) -> Payload:
    rest = rest.strip("\r\n")
    if not rest:
        raise NotUnderstood("there is nothing to send; --text alone is an empty text")
    option, _, more = rest.partition(" ")
    match option:
        case "--text":
            return text_payload(more)
        case "--json":
            return json_payload(more)
        case "--file":
            return file_payload(_only(more, "a file"))
        case _:
            return payload_of(rest)


def _send_to_group(rest: str) -> SendToGroup:
    word, more = _word(rest)
    no_echo = word == "--no-echo"
    group, data = _name(more if no_echo else rest, "a group")
    return SendToGroup(group, _data(data), no_echo)


def _event(rest: str) -> SendEvent:
    name, data = _name(rest, "an event")
    return SendEvent(name, _data(data))


def _nothing_more(said: Said) -> Callable[[str], Said]:
    def read_rest(rest: str) -> Said:
        if rest.strip():
            raise NotUnderstood("nothing may follow this command")
        return said

    return read_rest


_COMMANDS: Mapping[str, Callable[[str], Said]] = {
    "joingroup": lambda rest: JoinGroup(_only(rest, "a group")),
    "leavegroup": lambda rest: LeaveGroup(_only(rest, "a group")),
    "sendtogroup": _send_to_group,
    "event": _event,
    "ping": _nothing_more(Ping()),
    "help": _nothing_more(ShowHelp()),
    "quit": _nothing_more(Quit()),
    "exit": _nothing_more(Quit()),
}
