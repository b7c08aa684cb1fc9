"""Sessions from their first CONNECT to their end, with a client or without (spec/service.md 7.5)."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol

from localpubsub.engine.hub import Hub
from localpubsub.engine.mqtt_connection import MqttConnection, Parting
from localpubsub.engine.mqtt_publishing import Publishing
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.mqtt.packets import Disconnect
from localpubsub.protocol.mqtt.reasons import Reason

EXPIRED = "The session expired."
FULL = "The message buffer of the session is full."


class Timer(Protocol):
    def cancel(self) -> None: ...


class Schedule(Protocol):
    def __call__(self, seconds: float, then: Callable[[], None], /) -> Timer: ...


def in_the_event_loop(seconds: float, then: Callable[[], None], /) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, then)


class MqttSessions:
    """`hub` is the hub of a name."""

    def __init__(
        self, hub: Callable[[str], Hub], publishing: Publishing, schedule: Schedule = in_the_event_loop
    ) -> None:
        self._hub = hub
        self._publishing = publishing
        self._schedule = schedule
        self._timers: dict[MqttConnection, list[Timer]] = {}
        self._live: set[MqttConnection] = set()

    def open(self, connection: MqttConnection) -> None:
        """Its client is still to be attached, and its groups to be joined."""
        self._live.add(connection)
        self._hub(connection.hub).add(connection)

    def take_over(self, connection: MqttConnection, *, clean_start: bool) -> None:
        """The client came back, or another one with its id. Without a clean start it finds everything as it was."""
        self._cancel_timers(connection)
        if connection.is_attached:
            connection.say(Disconnect(Reason.SESSION_TAKEN_OVER))
            connection.outbound.close(Close(1000))
        if clean_start or not connection.terms.will_delay:
            self._publish_will(connection)
        if clean_start:
            self._end(connection)

    def detach(self, connection: MqttConnection, parting: Parting) -> None:
        """The transport is gone."""
        if not connection.is_attached:
            return
        away = Outbound(partial(self._closed_while_away, connection))
        connection.detach(parting, away)
        is_open = self._hub(connection.hub).connections.get(connection.id) is connection
        if not is_open or not connection.session_expiry:
            self._end(connection)
            return
        expiry = connection.session_expiry
        self._timers[connection] = [self._schedule(expiry, partial(self._expire, connection))]
        delay = connection.terms.will_delay  # the end of the session, if that comes first, sends it too
        if connection.will is not None and delay:
            self._timers[connection].append(self._schedule(delay, partial(self._publish_will, connection)))
        else:
            self._publish_will(connection)

    def overflowed(self, connection: MqttConnection) -> None:
        """As a reliable client whose buffer is full: the session is over (spec/service.md 4.1)."""
        if self._hub(connection.hub).remove(connection):
            connection.end_reason = FULL
            connection.say(Disconnect(Reason.QUOTA_EXCEEDED))
            connection.outbound.close(Close(1008, FULL))

    def close_all(self, reason: str) -> None:
        """The service stops."""
        for connection in tuple(self._live):
            connection.end_reason = connection.end_reason or reason
            self._hub(connection.hub).remove(connection)
            connection.say(Disconnect(Reason.SERVER_SHUTTING_DOWN))
            connection.outbound.close(Close(1001, reason))

    def _closed_while_away(self, connection: MqttConnection) -> None:
        if connection.outbound.closing is not None:
            self._end(connection)

    def _expire(self, connection: MqttConnection) -> None:
        if connection.parting.reason is None:
            connection.end_reason = EXPIRED
        self._end(connection)

    def _end(self, connection: MqttConnection) -> None:
        if connection not in self._live:
            return
        self._live.remove(connection)
        self._cancel_timers(connection)
        self._publish_will(connection)
        if connection.is_attached:
            connection.detach(connection.parting, Outbound(lambda: None))
        self._hub(connection.hub).remove(connection)
        self._publishing.disconnected(connection)

    def _publish_will(self, connection: MqttConnection) -> None:
        will, connection.will = connection.will, None
        if will is not None:
            self._publishing.publish_will(connection, will)

    def _cancel_timers(self, connection: MqttConnection) -> None:
        for timer in self._timers.pop(connection, ()):
            timer.cancel()
