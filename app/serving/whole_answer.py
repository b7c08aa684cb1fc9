"""An answer that is known whole, in one write.

uvicorn takes it as two messages, looks at every header twice and keeps account of the body between them: a tenth of the
work of a short answer.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import chain
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from app.upstream.reply import Headers

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_NOT_IN_A_HEADER = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def write_at_once(send: Send, status: int, headers: Headers, body: bytes) -> bool:
    """Whether it was written; where not, the ordinary way is left: another server, or layers in front of it that look
    at answers, an answer that waits for its turn or ends the connection, a header that must be refused.

    `headers` give the length of the body, where there may be one, and say nothing of the connection.
    """
    cycle = getattr(send, "__self__", None)
    if not isinstance(cycle, RequestResponseCycle):
        return False
    if cycle.response_started or cycle.disconnected or not cycle.keep_alive or cycle.flow.write_paused:
        return False
    if cycle.access_log or cycle.scope["method"] == "HEAD" or _NOT_IN_A_HEADER.search(b"".join(chain(*headers))):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    parts = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        parts += (name, b": ", value, b"\r\n")
    parts += (b"\r\n", body)
    cycle.transport.write(b"".join(parts))
    cycle.message_event.set()
    cycle.on_response()
    return True
