"""The hot paths, answered before the framework's routing.

FastAPI's middleware, exit-stack and routing layers cost more than all of a webhook's work. These endpoints need none
of them: they take a scope and answer bytes, and they never raise. Their contract is declared in `app.openapi`.
"""

from asyncio import sleep
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette.routing import Route

from app.upstream.errors import BodyTooLarge
from app.upstream.reply import Reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class ClientGone(Exception):
    """The caller hung up before its request was complete."""


class DirectFastAPI(FastAPI):
    """FastAPI with endpoints in front of it: the first segment of the path picks one, everything else passes on.

    With `before_routing` off they are routes like any other, seen by middleware and telemetry, and slower.
    """

    def __init__(self, endpoints: Mapping[str, ASGIApp], *, before_routing: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self._endpoints = endpoints if before_routing else {}
        if not before_routing:
            for name, endpoint in endpoints.items():
                self.router.routes += [Route(f"/{name}", endpoint), Route(f"/{name}/{{rest:path}}", endpoint)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            endpoint = self._endpoints.get(scope["path"][1:].partition("/")[0])
            if endpoint is not None:
                await endpoint(scope, receive, send)
                return
        await super().__call__(scope, receive, send)


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises `BodyTooLarge` past `limit` bytes and `ClientGone` when the caller hangs up."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        chunks, size = [body], len(body)
        while message.get("more_body") and size <= limit:
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
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
        headers = (*headers, (b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
