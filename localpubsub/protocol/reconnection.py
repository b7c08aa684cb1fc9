"""The token with which a client gets its reliable connection back (spec/service.md 4.2). Opaque to it."""

import hmac
from collections.abc import Iterable

VALID_SECONDS = 7 * 24 * 3600


def issue(key: str, connection_id: str, now: float) -> str:
    """Good for this connection, for a week."""
    expires_at = str(int(now) + VALID_SECONDS)
    return f"{expires_at}.{_signature(key, connection_id, expires_at)}"


def is_valid(keys: Iterable[str], token: str, connection_id: str, now: float) -> bool:
    """`keys` are those a token may have been signed with."""
    expires_at, _, signature = token.partition(".")
    if not any(_matches(signature, _signature(key, connection_id, expires_at)) for key in keys):
        return False
    return now < int(expires_at)


def _matches(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _signature(key: str, connection_id: str, expires_at: str) -> str:
    text = f"reconnection\0{connection_id}\0{expires_at}".encode(errors="replace")
    return hmac.digest(key.encode(), text, "sha256").hex()
