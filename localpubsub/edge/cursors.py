"""Continuation tokens: where a listing goes on, bound to its hub and group (spec/service.md 8.4)."""

import base64
import hashlib
import re

MARK_BYTES = 8

_BASE64 = re.compile(r"[A-Za-z0-9_-]+")


def write(hub: str, group: str, after: str) -> str:
    return base64.urlsafe_b64encode(_mark(hub, group) + after.encode()).decode().rstrip("=")


def read(cursor: str, hub: str, group: str) -> str:
    """The connection id to go on behind. Raises `ValueError` for anything that `write` did not make for this group."""
    if not _BASE64.fullmatch(cursor):
        raise ValueError("not base64")
    data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    mark, after = data[:MARK_BYTES], data[MARK_BYTES:].decode()
    if mark != _mark(hub, group) or not after:
        raise ValueError("of another group")
    return after


def _mark(hub: str, group: str) -> bytes:
    text = f"{hub}/{group}".encode("utf-8", "surrogatepass")  # a hub's name holds no slash
    return hashlib.blake2b(text, digest_size=MARK_BYTES).digest()
