"""`Endpoint=https://...;AccessKey=...;Version=1.0;` (spec/service.md 1.1)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr


@dataclass(frozen=True)
class ConnectionString:
    endpoint: str
    """No trailing slash; a `Port=` segment is part of it."""
    access_key: SecretStr

    @property
    def key(self) -> bytes:
        """What is signed with: the text of the access key, not base64-decoded."""
        return self.access_key.get_secret_value().encode()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises `ValueError`; its text never holds the key."""
        segments: dict[str, str] = {}
        mistakes: list[str] = []
        for segment in text.split(";"):
            name, equals, value = segment.partition("=")
            if equals:
                segments[name.strip().lower()] = value.strip()
            elif segment.strip():
                mistakes = ["a connection string is made of key=value pairs joined by ;"]
        endpoint, key = segments.get("endpoint", "").rstrip("/"), segments.get("accesskey", "")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            mistakes.append("the connection string needs Endpoint=https://... or http://...")
        if not key:
            mistakes.append("the connection string needs AccessKey=...; for Entra set WEBPUBSUB_ENDPOINT instead")
        port = segments.get("port")
        if port and not (port.isdigit() and 1 <= int(port) <= 65535):
            mistakes.append("Port in the connection string is not a port number")
        if mistakes:
            raise ValueError("; ".join(mistakes))
        if port:
            host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
            endpoint = f"{parts.scheme}://{host}:{port}"
        return cls(endpoint, SecretStr(key))

    def __str__(self) -> str:
        """Canonical form, key included."""
        return f"Endpoint={self.endpoint};AccessKey={self.access_key.get_secret_value()};Version=1.0;"


def connection_strings(text: str) -> tuple[ConnectionString, ...]:
    """Those of a list with commas or lines between them.

    Raises `ValueError` with the mistakes of every one; its text never holds a key.
    """
    parts = [part for one in text.replace("\n", ",").split(",") if (part := one.strip())]
    found, mistakes = [], []
    for number, part in enumerate(parts, 1):
        try:
            found.append(ConnectionString.parse(part))
        except ValueError as error:
            mistakes.append(f"{error} (number {number} of {len(parts)})" if len(parts) > 1 else str(error))
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return tuple(found)


def read_connection_strings(path: Path) -> tuple[ConnectionString, ...]:
    """Those of a file, at least one. Raises `ValueError` with a reason that holds no key. Blocks."""
    try:
        found = connection_strings(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text") from None
    if not found:
        raise ValueError(f"{path} holds no connection string")
    return found
