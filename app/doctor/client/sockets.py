"""The edge of the service's examination: WebSockets with aiohttp, to nobody but the host they name."""

import contextlib
import socket
from collections.abc import Sequence
from time import perf_counter
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
from aiohttp import WSMsgType

from app.doctor.client.visit import Closed, Heard, Socket
from app.doctor.exchange import Answer
from app.doctor.http import detail_of, trouble_of

MAX_FRAME_BYTES = 2 * 1024 * 1024


class Sockets:
    """Dials. Follows no redirect, keeps no cookie, asks no proxy."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[trace],
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def dial(self, url: str, subprotocols: Sequence[str]) -> Socket | Answer:
        started = perf_counter()
        try:
            came = await self._session.ws_connect(url, protocols=subprotocols, max_msg_size=MAX_FRAME_BYTES)
        except aiohttp.WSServerHandshakeError as error:
            return Answer(error.status, seconds=perf_counter() - started)
        except _Redirected as error:
            return Answer(error.status, seconds=perf_counter() - started)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(seconds=perf_counter() - started, trouble=trouble_of(error), detail=detail_of(error))
        return OpenSocket(came)


class OpenSocket:
    def __init__(self, came: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = came
        self.subprotocol = came.protocol

    async def say(self, text: str) -> None:
        """Never raises: of what is closed, `hear` tells."""
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.send_str(text)

    async def hear(self, seconds: float) -> Heard:
        try:
            message = await self._socket.receive(timeout=seconds)
        except TimeoutError:
            return None
        if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
            data: str | bytes = message.data
            return data
        return Closed(self._socket.close_code or 1006, str(message.extra or ""))

    async def drop(self) -> None:
        connection: socket.socket | None = self._socket.get_extra_info("socket")
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)

    async def leave(self) -> None:
        await self._socket.close()


class _Redirected(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(f"redirected with {status}")
        self.status = status


async def _refuse_redirect(
    _: aiohttp.ClientSession, __: SimpleNamespace, parameters: aiohttp.TraceRequestRedirectParams
) -> None:
    raise _Redirected(parameters.response.status)
