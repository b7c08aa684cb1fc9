"""Tokens of a filter."""

import re
from enum import Enum, auto
from typing import NamedTuple

SHOWN = 512
INT64 = 2**63
INT64_DIGITS = 19

_TOKEN = re.compile(
    r"""
    (?P<SPACE>\s++)
  | (?P<WORD>[A-Za-z_][A-Za-z0-9_]*+)
  | (?P<INTEGER>[+-]?[0-9]++(?![A-Za-z0-9_.]))
  | (?P<STRING>'[^']*+(?:''[^']*+)*+')
  | (?P<MARK>[(),])
    """,
    re.VERBOSE,
)
_UNKNOWN = re.compile(r"[^\s(),]{1,64}")


class FilterError(ValueError):
    """The text is what the service answers with 400."""

    def __init__(self, expression: str, detail: str) -> None:
        super().__init__(f"Invalid syntax for '{_shown(expression)}': {_shown(detail)} (Parameter 'filter')")


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


class Kind(Enum):
    WORD = auto()
    INTEGER = auto()
    STRING = auto()
    MARK = auto()
    END = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """Without white space, ended by `END`. Raises `FilterError`."""
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise FilterError(text, _complaint(text, position))
        if match.lastgroup != "SPACE":
            found.append(Token(Kind[match.lastgroup], match[0], position, match.end()))
        position = match.end()
    found.append(Token(Kind.END, "", len(text), len(text)))
    return found


def _complaint(text: str, position: int) -> str:
    if text[position] == "'":
        return "Unterminated string literal."
    unknown = _UNKNOWN.match(text, position)
    return f"Token '{unknown[0] if unknown else text[position]}' is not supported."


def string_of(token: Token) -> str:
    return token.text[1:-1].replace("''", "'")


def integer_of(token: Token) -> int | None:
    """`None` where it does not fit into 64 bits."""
    sign, digits = (-1 if token.text[0] == "-" else 1), token.text.lstrip("+-").lstrip("0") or "0"
    if len(digits) > INT64_DIGITS:
        return None
    number = sign * int(digits)
    return number if -INT64 <= number < INT64 else None
