"""WebSocket frames of a server, whole and unmasked (RFC 6455, section 5)."""

TEXT, BINARY, CLOSE, PING = 0x81, 0x82, 0x88, 0x89
REASON_BYTES = 123
_SHORT, _LONG = 126, 65536


def framed(opcode: int, data: bytes) -> bytes:
    """`opcode` includes the bit that says there is no other frame to come."""
    size = len(data)
    if size < _SHORT:
        return bytes((opcode, size)) + data
    if size < _LONG:
        return bytes((opcode, 126)) + size.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + size.to_bytes(8, "big") + data


def close_frame(code: int, reason: str) -> bytes:
    """The reason is cut to what fits, between two characters."""
    text = reason.encode()[:REASON_BYTES].decode(errors="ignore").encode()
    return framed(CLOSE, code.to_bytes(2, "big") + text)
