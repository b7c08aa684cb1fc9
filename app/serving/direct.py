"""The hot paths, answered before the framework's routing.

FastAPI's middleware, exit-stack and routing layers cost more than all of a webhook's work. These endpoints need none
of them: they take a scope and answer bytes, and they never raise. Their contract is declared in `app.openapi`.
"""

from asyncio import Event, sleep, timeout
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from app.serving.browser_headers import with_browser_headers
from app.serving.whole_answer import write_at_once
from app.upstream.errors import BodyTooLarge, BodyTooSlow
from app.upstream.reply import Reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_SECONDS = 15.0
"""For what is still to come of a body when its first piece is here."""

_QUERY = "webpubsub.query_string"


class ClientGone(Exception):
    """The caller hung up before its request was complete."""


class DirectFastAPI(FastAPI):
    """FastAPI with endpoints in front of it: the first segment of the path picks one, everything else passes on.

    With `before_routing` off they are routes like any other, seen by middleware and telemetry, and slower. Their
    queries are not seen: they hold what was written into the event handler's URL, keys for example, and user ids.

    `start_failure` may explain a lifespan that failed; servers then log the sentence in place of a traceback.
    """

    def __init__(
        self,
        endpoints: Mapping[str, ASGIApp],
        *,
        before_routing: bool = True,
        start_failure: Callable[[], str | None] = lambda: None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._endpoints = endpoints
        self._before_routing = before_routing
        self._start_failure = start_failure
        self.stopping = Event()
        """Set when the server begins to stop: endless answers end then, for it waits for every answer."""
        if not before_routing:
            for name, endpoint in endpoints.items():
                routed = _WithQuery(endpoint)
                self.router.routes += [Route(f"/{name}", routed), Route(f"/{name}/{{rest:path}}", routed)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = self._endpoints.get(scope["path"][1:].partition("/")[0])
            if endpoint is not None:
                if self._before_routing:
                    await endpoint(scope, receive, send)
                    return
                scope = {**scope, "query_string": b"", _QUERY: scope["query_string"]}
            else:
                send = with_browser_headers(send)
        elif scope["type"] == "lifespan":
            send = partial(self._tell_start, send)
        await super().__call__(scope, receive, send)

    async def _tell_start(self, send: Send, message: Message) -> None:
        if message["type"] == "lifespan.startup.failed" and (reason := self._start_failure()) is not None:
            message = {**message, "message": reason}
        await send(message)


class _WithQuery:
    """The endpoint, with the query that the layers around it did not see."""

    def __init__(self, endpoint: ASGIApp) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint({**scope, "query_string": scope.get(_QUERY, scope["query_string"])}, receive, send)


async def read_body(receive: Receive, limit: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body.

    Raises `BodyTooLarge` past `limit` bytes, `BodyTooSlow`, and `ClientGone` when the caller hangs up.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        try:
            async with timeout(seconds):
                while message.get("more_body") and size <= limit:
                    message = await receive()
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
        except TimeoutError:
            raise BodyTooSlow("the body took too long", f"{size} bytes of a body came in {seconds:g} s") from None
        body = b"".join(chunks)
    if message["type"] == "http.disconnect":
        raise ClientGone
    if len(body) > limit:
        raise BodyTooLarge("the body is too large")
    return body


async def send_reply(send: Send, reply: Reply) -> None:
    # Let every request that is already here be worked on first. Answers that leave together wake the peer once instead
    # of once each, which costs more than the work; and the slowest of them is done sooner.
    await sleep(0)
    status, body, headers = reply
    if status != 204:
        headers = (*headers, (b"content-length", b"%d" % len(body)))
    if not write_at_once(send, status, headers, body):
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
