"""What answers say to browsers, the hot paths' apart: those are not for a window."""

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

FRAMED_BY_NOBODY = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
NOTHING = f"default-src 'none'; {FRAMED_BY_NOBODY}"
"""For what is no page. A page brings a policy of its own."""

_POLICY = b"content-security-policy"
_ALWAYS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


def with_browser_headers(send: Send) -> Send:
    return partial(_send, send)


async def _send(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        headers = [*message["headers"], *_ALWAYS]
        if not any(name == _POLICY for name, _ in headers):
            headers.append((_POLICY, NOTHING.encode()))
        message = {**message, "headers": headers}
    await send(message)
