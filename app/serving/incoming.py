"""Requests that do not arrive: uvicorn itself waits for them for ever, and lets a head grow without end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.serving.keep_alive import KeepAlive

REQUEST_SECONDS = 30.0
"""For a whole request, and for the first byte of a new connection. The event handler gives a body less, and answers."""
MAX_HEAD_BYTES = 128 * 1024
"""More than the event handler takes, so that it is the one that answers for what is only a little too large."""
MAX_REQUEST_BYTES = 64 * 1024 * 1024
"""Of a body most is dropped once it is refused, but what follows the last chunk is kept until its end."""
MAX_WAITING_REQUESTS = 100
"""Of one connection, sent without waiting for answers."""
BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})

_CLOSE = b"connection: close\r\ncontent-length: 0\r\n\r\n"
TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSE
HEAD_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE


class _ClosesLast:
    """The transport, for an answer that ends its connection: who is still sending hears it out before it closes.

    Their connection would be reset otherwise, and the answer lost with it.
    """

    def __init__(self, protocol: "IncomingLimits") -> None:
        self._protocol = protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol.transport, name)

    def close(self) -> None:
        self._protocol.close_after_request()


class IncomingLimits(KeepAlive):
    """Hangs up on a request that takes too long to come. One that comes in one piece, as nearly all do, sets no timer.

    Time in which the application does not read does not count.
    """

    request_seconds = REQUEST_SECONDS

    _is_incoming = False
    _is_head = False
    _is_over = False
    _has_ended = False
    """A request has, in the bytes at hand."""
    _bytes = 0
    _running: RequestResponseCycle | None = None
    """The one being answered; others may wait behind it."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._drop_deadline()
        self._leave_unanswered()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._is_incoming = self._is_head = True
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuses a request to change the protocol that has a body: the parser reads none, but what is in front does.

        It would hand the body to whoever's request comes next. Raising is answered with 400.
        """
        self._is_head = False
        is_upgrade = self.parser.should_upgrade()
        if is_upgrade and any(name in BODY_HEADERS and value != b"0" for name, value in self.headers):
            raise ValueError("a body would follow in another protocol")
        if len(self.pipeline) >= MAX_WAITING_REQUESTS:
            raise ValueError("too many requests wait for their answers")
        super().on_headers_complete()
        if is_upgrade and self.cycle is not None:
            self.cycle.keep_alive = False
        elif not self.parser.should_keep_alive() and self.cycle is not None:
            self.cycle.transport = _ClosesLast(self)  # type: ignore[assignment]  # it hands on what it has not itself

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        self._is_incoming = False
        self._has_ended = True
        self._drop_deadline()
        super().on_message_complete()

    def close_after_request(self) -> None:
        """What is still to come is dropped. The other side closes, or its time is over."""
        if not self._is_incoming or self.transport.is_closing():
            self.transport.close()
            return
        self._is_over = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self._deadline is None:
            self._set_deadline()

    def data_received(self, data: bytes) -> None:
        self._has_ended = False
        if not self._is_over:
            super().data_received(data)
        if self._is_incoming:
            if self._deadline is None:
                self._set_deadline()
            if not self._has_ended:  # else most of it may belong to the requests before this one
                self._bytes += len(data)
            if self._bytes > (MAX_HEAD_BYTES if self._is_head else MAX_REQUEST_BYTES):
                self._hang_up(HEAD_TOO_LARGE if self._is_head else b"")

    def send_400_response(self, msg: str) -> None:
        is_answering = self._is_answering()
        self._leave_unanswered()
        if is_answering:
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _is_answering(self) -> bool:
        """Whether an answer has begun and not ended: another one would be read as a part of it."""
        cycle = self._running
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _leave_unanswered(self) -> None:
        """An answer to a connection that is closed would be an error, with a trace in the log, for anybody to cause."""
        for cycle in (self._running, *(waiting for waiting, _ in self.pipeline), self.cycle):
            if cycle is not None:
                cycle.disconnected = True
                cycle.message_event.set()

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
            if answer and not self._is_answering():
                self.transport.write(answer)
            self._leave_unanswered()
            self.transport.close()
