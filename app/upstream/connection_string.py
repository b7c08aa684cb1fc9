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
        for segment in text.split(";"):
            if not segment.strip():
                continue
            name, equals, value = segment.partition("=")
            if not equals:
                raise ValueError("a connection string is made of key=value pairs joined by ;")
            segments[name.strip().lower()] = value.strip()
        endpoint, key = segments.get("endpoint", "").rstrip("/"), segments.get("accesskey", "")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the connection string needs Endpoint=https://... or http://...")
        if not key:
            raise ValueError("the connection string needs AccessKey=...; for Entra set WEBPUBSUB_ENDPOINT instead")
        port = segments.get("port")
        if port:
            if not port.isdigit() or not 1 <= int(port) <= 65535:
                raise ValueError("Port in the connection string is not a port number")
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            endpoint = f"{parts.scheme}://{host}:{port}"
        return cls(endpoint, SecretStr(key))

    def __str__(self) -> str:
        """Canonical form, key included."""
        return f"Endpoint={self.endpoint};AccessKey={self.access_key.get_secret_value()};Version=1.0;"


def connection_strings(text: str) -> tuple[ConnectionString, ...]:
    """Those of a list with commas or lines between them. Raises `ValueError`; its text never holds a key."""
    parts = (part.strip() for part in text.replace("\n", ",").split(","))
    return tuple(ConnectionString.parse(part) for part in parts if part)


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
