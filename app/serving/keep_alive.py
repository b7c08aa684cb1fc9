"""How long a connection may wait for its next request. uvicorn sets a timer after each answer and cancels it again."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class KeepAlive(HttpToolsProtocol):
    """One timer a connection, which goes on beside the requests and looks, when it is due, since when none came."""

    _answered_at = 0.0

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_in(self.timeout_keep_alive)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_looking()
        super().connection_lost(exc)

    def _unset_keepalive_if_required(self) -> None:
        """The base calls it for whatever arrives."""

    def _look_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self.timeout_keep_alive_task = None
        has_begun = self.scope is not self.cycle.scope  # the scope is that of the last head that began to come
        if has_begun or not self.cycle.response_complete:
            return  # the next answer sets the timer again
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_in(left)
        else:
            self.timeout_keep_alive_handler()

    def _stop_looking(self) -> None:
        timer: asyncio.TimerHandle | None = self.timeout_keep_alive_task
        if timer is not None:
            timer.cancel()
            self.timeout_keep_alive_task = None
