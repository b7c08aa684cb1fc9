"""Reliable connections whose socket is gone (spec/service.md 4.3). For everybody else they are as they were."""

from collections.abc import Callable
from functools import partial

from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Outbound
from localpubsub.engine.timers import Later, Timer, later
from localpubsub.protocol.sequences import Sequences

RECOVERY_SECONDS = 30.0
EXPIRED = "The connection recovery timeout expired."


class Sessions:
    """`ended` is told of a connection nobody came back for, or that was closed while its client was away."""

    def __init__(self, ended: Callable[[Connection, str | None], None], later: Later = later) -> None:
        self.recovery_seconds = RECOVERY_SECONDS
        self._ended = ended
        self._later = later
        self._away: dict[Connection, Timer] = {}

    def suspend(self, connection: Connection, sequences: Sequences) -> None:
        """The connection keeps everything it has; what is sent to it waits."""
        self._away[connection] = self._later(self.recovery_seconds, partial(self._end, connection, EXPIRED))
        connection.outbound = Outbound(partial(self._closed_while_away, connection))
        connection.outbound.draw_on(sequences)

    def _closed_while_away(self, connection: Connection) -> None:
        closing = connection.outbound.closing
        if closing is not None:
            self._end(connection, closing.reason or None)

    def _end(self, connection: Connection, reason: str | None) -> None:
        timer = self._away.pop(connection, None)
        if timer is not None:
            timer.cancel()
            self._ended(connection, reason)

    def resume(self, connection: Connection, outbound: Outbound) -> None:
        """The client is back. A socket that was still attached is dropped first."""
        timer = self._away.pop(connection, None)
        if timer is not None:
            timer.cancel()
        else:
            connection.outbound.abandon()
        connection.outbound = outbound

    def halt(self) -> None:
        """The service is stopped: none of those who are away ends any more."""
        for timer in self._away.values():
            timer.cancel()
        self._away.clear()
