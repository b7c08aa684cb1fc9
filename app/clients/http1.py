"""A small HTTP/1.1 client for many short requests to one host.

The general clients spend more on a request than the whole rest of a send. This one keeps connections open, writes a
request in one piece, and reads of the answer what a sender needs: status and headers.
"""

import asyncio
import os
import ssl
from collections import deque
from socket import gaierror
from typing import NamedTuple, cast
from urllib.parse import urlsplit

import httptools

MAX_ANSWER_BYTES = 1024 * 1024
CONNECT_SECONDS = 10

_CLIENT_CLOSED = "the client was closed"
_CONNECTION_CLOSED = "the connection was closed"


class Answer(NamedTuple):
    status: int
    headers: dict[bytes, bytes]
    """Names in lower case; of repeated ones the last."""


class NoAnswer(Exception):
    """The request may or may not have arrived. The text says what happened, without a URL."""


class Stale(NoAnswer):
    """The peer closed an idle connection before it answered anything: the request was most likely not seen."""


class _Connection(asyncio.Protocol):
    """One request at a time. It is in `alive` until its transport is gone."""

    def __init__(self, alive: set["_Connection"]) -> None:
        self._alive = alive
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._deadline = 0.0
        self._headers: dict[bytes, bytes] = {}
        self._received = 0
        self._status = 0
        self._used = False
        self.is_open = False
        self.idle_since = 0.0
        self.lost: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._alive.add(self)
        self.is_open = True

    def request(self, data: bytes, deadline: float) -> asyncio.Future[Answer]:
        """The answer to `data`, one whole request; fails with `NoAnswer` when the connection breaks."""
        self._answer = answer = self._loop.create_future()
        self._received, self._deadline = 0, deadline
        self._transport.write(data)
        return answer

    def is_late(self, now: float) -> bool:
        return self._answer is not None and not self._answer.done() and self._deadline <= now

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()  # nobody asked
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail("the answer is not HTTP")
        else:
            if self._received > MAX_ANSWER_BYTES:
                self.fail("the answer is too large")

    def on_message_begin(self) -> None:
        if self._answer is not None and self._answer.done():
            self.close()  # more than one answer: what follows would be taken for the next one

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()

    def on_message_complete(self) -> None:
        status, headers = self._status, self._headers
        self._status, self._headers = 0, {}
        if status < 200:
            return  # an interim answer; the real one follows
        self._used = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(status, headers))
        if not self._parser.should_keep_alive():
            self.close()

    def eof_received(self) -> None:
        self.is_open = False  # the transport closes itself, in TLS not at once

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._alive.discard(self)
        self.lost.set_result(None)
        if self._answer is None or self._answer.done():
            return
        ends_here = self._status >= 200 and not {b"content-length", b"transfer-encoding"} & self._headers.keys()
        if error is None and ends_here:
            self._answer.set_result(Answer(self._status, self._headers))
        elif self._used and not self._received:
            self._answer.set_exception(Stale("the kept connection was closed"))
        else:
            what = f"the connection broke: {type(error).__name__}" if error else _CONNECTION_CLOSED
            self._answer.set_exception(NoAnswer(what))

    def fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoAnswer(reason))
        self.close()

    def close(self) -> None:
        self.is_open = False
        self._transport.abort()


class KeepAliveClient:
    """Requests to the host of `endpoint`. As many connections as there are requests at one time; idle ones are kept.

    `https` endpoints are verified against the system's authorities, or those of `SSL_CERT_FILE`.
    """

    def __init__(self, endpoint: str, *, timeout_seconds: float = 30, idle_seconds: float = 60) -> None:
        parts = urlsplit(endpoint)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        usual_port = 443 if self._tls else 80
        self._port = parts.port or usual_port
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.host_header = (host if self._port == usual_port else f"{host}:{self._port}").encode()
        self._timeout = timeout_seconds
        self._idle_seconds = idle_seconds
        self._alive: set[_Connection] = set()
        self._idle: deque[_Connection] = deque()
        self._connecting: dict[asyncio.Timeout, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def request(self, data: bytes) -> Answer:
        """Sends one whole request and returns the answer. Raises `NoAnswer`."""
        loop = asyncio.get_running_loop()
        while True:
            connection = self._kept() or await self._connect()
            try:
                answer = await connection.request(data, loop.time() + self._timeout)
            except Stale:
                continue  # the others that were kept may be as old; a new one is never stale
            except BaseException:
                connection.close()
                raise
            if connection.is_open:
                connection.idle_since = loop.time()
                self._idle.append(connection)
            return answer

    async def close(self) -> None:
        """Fails what is on its way. When it returns, every connection is gone."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for limit in self._connecting:
            if not limit.expired():
                limit.reschedule(0)
        if self._connecting:
            await asyncio.wait(tuple(self._connecting.values()))
        connections = tuple(self._alive)
        for connection in connections:
            connection.fail(_CLIENT_CLOSED)
        if connections:
            await asyncio.wait([connection.lost for connection in connections])

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> _Connection:
        self._check_open()
        loop = asyncio.get_running_loop()
        limit = asyncio.timeout(min(self._timeout, CONNECT_SECONDS))
        self._connecting[limit] = done = loop.create_future()
        try:
            async with limit:
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._alive), self._host, self._port, ssl=self._tls
                )
        except TimeoutError:
            raise NoAnswer(_CLIENT_CLOSED if self._closed else "no connection in time") from None
        except ssl.SSLError as error:
            raise NoAnswer(f"TLS failed: {_why_refused(error)}") from None
        except OSError as error:
            raise NoAnswer(f"cannot connect: {_why_unreachable(error)}") from None
        except UnicodeError:
            raise NoAnswer("cannot connect: this is no host name") from None
        finally:
            del self._connecting[limit]
            done.set_result(None)
        if not connection.is_open:
            raise NoAnswer(_CONNECTION_CLOSED)
        self._check_open()  # `close` ends the connection
        if self._timer is None:
            self._look()
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise NoAnswer(_CLIENT_CLOSED)

    def _look(self) -> None:
        """One timer for every connection: late answers fail, connections nobody needs go."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._alive):
            if connection.is_late(now):
                connection.fail("no answer in time")
        while self._idle and (self._idle[0].idle_since + self._idle_seconds <= now or not self._idle[0].is_open):
            self._idle.popleft().close()
        pause = min(0.25, self._timeout / 4, self._idle_seconds / 4)
        self._timer = loop.call_later(pause, self._look) if self._alive else None


def _why_refused(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message).partition(",")[0]  # the rest is the host
    return error.reason or type(error).__name__


def _why_unreachable(error: OSError) -> str:
    """Without the address, which asyncio puts into the error's own text."""
    if isinstance(error, gaierror):
        return error.strerror or "gaierror"
    return os.strerror(error.errno) if error.errno else type(error).__name__
