"""Secrets in what is shown to people: tokens, signatures, keys (for the console)."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

HIDDEN = "***"
HIDDEN_HEADERS = frozenset({"authorization", "proxy-authorization", "ce-signature"})

Mask = Callable[[str], str]

_NAMED = r"(?:access_?token|access_?key|reconnection_?token|authorization|ce-signature|password)"
_GAP = r"\s{0,8}"  # bounded, so that a text of blanks takes no longer than another
_SHAPES = (
    rf'(?P<json>{_NAMED}"{_GAP}:{_GAP}\[?{_GAP}")(?:[^"\\]|\\.)*',
    rf'(?P<nested>{_NAMED}\\"{_GAP}:{_GAP}\[?{_GAP}\\")(?:[^"\\]|\\[^"])*',  # JSON in a text of JSON
    rf"(?P<pair>{_NAMED}(?:=|%3D|:{_GAP}))(?:(?:Bearer|Basic)\s{{1,8}})?[^\s&;,\"'<>\\]+",
    r"(?P<query>[?&](?:code|sig|key|token)=)[^\s&\"'<>\\]+",
    r"(?P<bearer>Bearer\s{1,8})[\w.~+/=-]{8,}",
    r"sha256=[0-9a-f]{32,}",
    r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?",  # not from within a word: that would look at it again and again
)
_PATTERN = re.compile("|".join(_SHAPES), re.IGNORECASE)


class Masks:
    """Hides `secrets` wherever they stand, and everything that looks like one of another service."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {spelling for secret in secrets if secret for spelling in _spellings(secret)}
        self._secrets = sorted(spellings, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _PATTERN.sub(_hide, text)


def _spellings(secret: str) -> Iterable[str]:
    return secret, quote(secret, safe=""), json.dumps(secret)[1:-1]


def _hide(match: re.Match[str]) -> str:
    """What names the secret stays."""
    return (match[match.lastgroup] if match.lastgroup else "") + HIDDEN


def masked(value: Any, mask: Mask) -> Any:
    """Every text in it, however deep."""
    match value:
        case str():
            return mask(value)
        case Mapping():
            return {name: masked(one, mask) for name, one in value.items()}
        case list() | tuple():
            return [masked(one, mask) for one in value]
    return value


Headers = tuple[tuple[str, str], ...]


def without_secrets(headers: Iterable[tuple[str, str]]) -> Headers:
    return tuple((name, HIDDEN if name.lower() in HIDDEN_HEADERS else value) for name, value in headers)
