"""An HTTP answer without HTTP: status, headers, body."""

from typing import NamedTuple

Headers = tuple[tuple[bytes, bytes], ...]


class Reply(NamedTuple):
    """Header names are lower-case bytes, as ASGI wants them. `content-length` is the edge's business."""

    status: int
    body: bytes = b""
    headers: Headers = ()


NO_CONTENT = Reply(204)
PLAIN_TEXT: Headers = ((b"content-type", b"text/plain; charset=utf-8"),)
APPLICATION_JSON: Headers = ((b"content-type", b"application/json"),)


def text(status: int, message: str, headers: Headers = ()) -> Reply:
    """A short answer for a person or a log."""
    return Reply(status, message.encode(), PLAIN_TEXT + headers)
