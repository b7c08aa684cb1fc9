"""Requests that do not arrive: uvicorn itself waits for them for ever, and lets a head grow without end."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_SECONDS = 30.0
"""For a whole request, and for the first byte of a new connection. The event handler gives a body less, and answers."""
MAX_HEAD_BYTES = 128 * 1024
"""More than the event handler takes, so that it is the one that answers for what is only a little too large."""
MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""Of a body most is dropped once it is refused, but what follows the last chunk is kept until its end."""

_CLOSE = b"connection: close\r\ncontent-length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSE
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE


class IncomingLimits(HttpToolsProtocol):
    """Hangs up on a request that takes too long to come. One that comes in one piece, as nearly all do, sets no timer.

    Time in which the application does not read does not count.
    """

    request_seconds = REQUEST_SECONDS

    _is_incoming = False
    _is_head = False
    _bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_incoming = self._is_head = True
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_incoming = False
        self._drop_deadline()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_incoming:
            if self._deadline is None:
                self._set_deadline()
            self._bytes += len(data)
            if self._bytes > (MAX_HEAD_BYTES if self._is_head else MAX_REQUEST_BYTES):
                self._hang_up(HEAD_TOO_LARGE if self._is_head else b"")

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.request_seconds, self._too_late)

    def _drop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            self._set_deadline()  # it is the application that does not read
        else:
            # With the head complete the application has its say, and an answer that has begun cannot be another one.
            self._hang_up(TOO_SLOW if self._is_head else b"")

    def _hang_up(self, answer: bytes) -> None:
        self._drop_deadline()
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()
