"""`ce-signature`: proof that the service sent this request (spec/upstream.md 3).

It covers the connection id and nothing else. The body, the event and the time are not signed.
"""

import hmac
from collections.abc import Iterable

_PREFIX = b"sha256="


def sign(access_key: bytes, connection_id: bytes) -> bytes:
    """One entry of the header. The key is the text of the access key, not base64-decoded."""
    return _PREFIX + hmac.digest(access_key, connection_id, "sha256").hex().encode()


def is_signed(header: bytes, connection_id: bytes, access_keys: Iterable[bytes]) -> bool:
    """Whether any entry of the comma-separated `header` was made with any of the keys. Constant time per pair."""
    entries = [entry.strip().lower() for entry in header.split(b",")]
    genuine = False
    for key in access_keys:
        expected = sign(key, connection_id)
        for entry in entries:
            genuine |= hmac.compare_digest(expected, entry)
    return genuine
