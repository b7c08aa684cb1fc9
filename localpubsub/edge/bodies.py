"""Bodies of requests, within bounds."""

import asyncio

from aiohttp import web

BODY_SECONDS = 30.0


class BodyTooLarge(Exception):
    pass


class BodyTooSlow(Exception):
    pass


async def read_body(request: web.Request, limit: int) -> bytes:
    """Counts what is in it, not what came: it may be compressed. Raises `BodyTooLarge` and `BodyTooSlow`."""
    declared = request.content_length
    if declared is not None and declared > limit:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_any():
                chunks.append(chunk)
                size += len(chunk)
                if size > limit:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return b"".join(chunks)
