"""The edge of the upstream's examination: sends requests with aiohttp, to nobody but the host they name."""

import asyncio
import ssl
from io import BytesIO
from time import perf_counter
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from app.doctor.exchange import KEPT_BYTES, Answer, Request, Trouble, excerpt
from app.doctor.upstream.visit import MAX_IN_FLIGHT

MAX_HEADER_BYTES = 128 * 1024
_NOT_OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class HttpWire:
    """Follows no redirect, keeps no cookie, asks no proxy. A connection that broke is tried once more, as it may
    have been closed while it was idle.
    """

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=MAX_IN_FLIGHT),
            skip_auto_headers=_NOT_OURS,
            auto_decompress=False,
            trust_env=False,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def ask(self, request: Request) -> Answer:
        answer = await self._ask_once(request)
        return await self._ask_once(request) if answer.trouble is Trouble.HUNG_UP else answer

    async def _ask_once(self, request: Request) -> Answer:
        started = perf_counter()
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=BytesIO(request.body) if request.body else None,
                allow_redirects=False,
            ) as response:
                body = await _beginning(response)
                lines = tuple((_text(name), _text(value)) for name, value in response.raw_headers)
                return Answer(response.status, lines, body, perf_counter() - started)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(seconds=perf_counter() - started, trouble=trouble_of(error), detail=detail_of(error))


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    while len(body) < KEPT_BYTES and (chunk := await response.content.read(KEPT_BYTES - len(body))):
        body += chunk
    return body


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def trouble_of(error: Exception) -> Trouble:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return Trouble.UNKNOWN_HOST
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return Trouble.BAD_CERTIFICATE
        case asyncio.TimeoutError():
            return Trouble.TIMEOUT
        case aiohttp.ClientConnectorError():
            return Trouble.NO_CONNECTION
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | aiohttp.ClientPayloadError() | OSError():
            return Trouble.HUNG_UP
        case _:
            return Trouble.NOT_HTTP


def detail_of(error: Exception) -> str:
    """The innermost reason, as short as it comes."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    reason = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or ""
    return excerpt(str(reason).encode())
