"""A request of the service and what came back, without anything that could send it."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

Lines = tuple[tuple[str, str], ...]

RETRIED = 408
MEGABYTE = 1024 * 1024
KEPT_BYTES = MEGABYTE + 1
"""So much of a body is looked at."""

_SECRET = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")
_SHOWN = 100


class Trouble(StrEnum):
    """Why there is no answer."""

    UNKNOWN_HOST = "the host name is not known"
    NO_CONNECTION = "no connection"
    BAD_CERTIFICATE = "TLS failed"
    TIMEOUT = "no answer in time"
    HUNG_UP = "the connection broke before there was an answer"
    NOT_HTTP = "what came back is not HTTP"


@dataclass(frozen=True)
class Request:
    """Header values that are not ASCII go out as UTF-8, as the service sends user ids."""

    method: str
    url: str
    headers: Lines
    body: bytes = b""

    def header(self, name: str) -> str:
        return first(self.headers, name) or ""

    def changed(self, *more: tuple[str, str], **changes: str | None) -> "Request":
        """With other headers: `None` takes one away, underscores stand for dashes; `more` are lines put behind."""
        given = {name.replace("_", "-").lower(): value for name, value in changes.items()}
        kept = [(name, value) for name, value in self.headers if name.lower() not in given]
        added = [(name, value) for name, value in given.items() if value is not None]
        return replace(self, headers=(*kept, *added, *more))

    def __str__(self) -> str:
        """One line, without the query, which may hold a key."""
        kind = self.header("ce-type").removeprefix("azure.webpubsub.")
        about = [self.method, self.url.partition("?")[0]]
        about += [kind] if kind else []
        about += [f"ce-id {self.header('ce-id')}"] if self.header("ce-id") else []
        about += [f"{self.header('Content-Type') or 'no content type'}, {len(self.body)} bytes"] if self.body else []
        return printable(" ".join(about))


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where there is none; then `trouble` says why. Of a long body `body` holds the beginning."""

    status: int = 0
    headers: Lines = ()
    body: bytes = b""
    seconds: float = 0
    trouble: Trouble | None = None
    detail: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """4xx, but for the one that is retried."""
        return 400 <= self.status < 500 and self.status != RETRIED

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400

    def header(self, name: str) -> str | None:
        return first(self.headers, name)

    def lines(self, name: str) -> list[str]:
        return [value for one, value in self.headers if one.lower() == name.lower()]

    @property
    def media(self) -> str:
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()

    def __str__(self) -> str:
        if self.trouble is not None:
            return printable(f"{self.trouble} ({self.detail})" if self.detail else self.trouble)
        about = [f"{self.status} in {1000 * self.seconds:.0f} ms"]
        about += [f"{self.media or 'no content type'}, {len(self.body)} bytes"] if self.body else []
        if not self.is_success and self.body:
            about.append(f"“{excerpt(self.body)}”")
        return printable(" ".join(about))


class Wire(Protocol):
    async def ask(self, request: Request) -> Answer:
        """Never raises for what the other side does: see `Answer.trouble`."""


def first(lines: Lines, name: str) -> str | None:
    return next((value for one, value in lines if one.lower() == name.lower()), None)


def excerpt(body: bytes) -> str:
    """The beginning, on one line; what might be a key or a token is left out."""
    text = " ".join(body[: 4 * _SHOWN].decode("utf-8", "replace").split())
    text = _SECRET.sub("…", text)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def printable(text: str) -> str:
    """What a terminal would obey is written out: the other side chose these characters."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "replace").decode() for one in text)
