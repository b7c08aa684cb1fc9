"""`ce-signature`: proof that the service sent this request (spec/upstream.md 3).

It covers the connection id and nothing else. The body, the event and the time are not signed.
"""

import hmac
from functools import lru_cache

_PREFIX = b"sha256="


def sign(access_key: bytes, connection_id: bytes) -> bytes:
    """One entry of the header. The key is the text of the access key, not base64-decoded."""
    return _PREFIX + hmac.digest(access_key, connection_id, "sha256").hex().encode()


@lru_cache(maxsize=8192)
def _expected(access_keys: tuple[bytes, ...], connection_id: bytes) -> tuple[bytes, ...]:
    """A connection's signature never changes while it lives, and it delivers many events."""
    return tuple(sign(key, connection_id) for key in access_keys)


def is_signed(header: bytes, connection_id: bytes, access_keys: tuple[bytes, ...]) -> bool:
    """Whether any entry of the comma-separated `header` was made with any of the keys. Constant time per pair."""
    genuine = False
    expected = _expected(access_keys, connection_id)
    for entry in header.lower().split(b","):
        stripped = entry.strip()
        for signature in expected:
            genuine |= hmac.compare_digest(signature, stripped)
    return genuine
