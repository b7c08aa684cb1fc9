"""The limit: what uvicorn can do when an application does nothing."""

from typing import Any

CONNECT = b'{"userId":"user"}'
URL = b'{"url":"ws://x?access_token=y"}'
JSON = (b"content-type", b"application/json")


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    if scope["path"] == "/negotiate":
        body = URL
    elif (b"ce-eventname", b"connect") in scope["headers"]:
        body = CONNECT
    await receive()
    headers = [JSON, (b"content-length", b"%d" % len(body))] if body else []
    await send({"type": "http.response.start", "status": 200 if body else 204, "headers": headers})
    await send({"type": "http.response.body", "body": body})
