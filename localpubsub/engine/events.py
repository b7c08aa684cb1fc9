"""What an upstream hears of a connection, and what its answers do (spec/service.md 9).

No lock is held while an upstream is asked: its handler calls straight back through the REST API.
"""

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from localpubsub.config import EventHandler, EventListener, ServiceConfig
from localpubsub.engine.hub import Connection
from localpubsub.engine.knock import Knock
from localpubsub.engine.notifications import Notifications
from localpubsub.engine.trace import Trace
from localpubsub.engine.upstream import DeliveryFailed, Listeners, Upstream, UpstreamAnswer, UpstreamEvent
from localpubsub.protocol import names
from localpubsub.protocol.errors import internal_error
from localpubsub.protocol.messages import DataType, Message, Payload, SendEvent, data_type_of
from localpubsub.protocol.payloads import is_legal

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"


class Events:
    """Delivers events in their order per connection. `connect` and user events wait for the answer."""

    def __init__(
        self, config: ServiceConfig, upstream: Upstream, listeners: Listeners | None = None, trace: Trace | None = None
    ) -> None:
        self.trace = trace or Trace()
        self._config = config
        self._upstream = upstream
        self._listeners = listeners
        self._notifications = Notifications()

    async def connect(self, hub: str, knock: Knock) -> UpstreamAnswer | None:
        """The upstream's decision, `None` where nobody is asked. Raises `DeliveryFailed`."""
        handler = self._config.hub(hub).handler("sys", "connect")
        if handler is None:
            return None
        event = UpstreamEvent(
            hub, knock.connection_id, "sys", "connect", 0, _connect_body(knock), JSON, user_id=knock.user_id,
            subprotocol="mqtt" if knock.mqtt is not None else None, mqtt=knock.mqtt_context,
        )  # fmt: skip
        return await self._upstream.deliver(handler, event)

    def connected(self, connection: Connection) -> None:
        """Returns at once."""
        if self.trace.on:
            self.trace.opened(connection)
        if self._is_wanted(connection.hub, "connected"):
            self._notify(connection, "connected", {}, is_connected=True)

    def disconnected(self, connection: Connection, reason: str | None) -> None:
        """Returns at once. The upstream hears of it after everything it heard before."""
        if self.trace.on:
            self.trace.closed(connection, connection.farewell(reason))
        if self._is_wanted(connection.hub, "disconnected"):
            self._notify(connection, "disconnected", connection.farewell(reason))

    def membership_changed(self, connection: Connection, group: str, name: str) -> None:
        """`name` is `joined` or `left`. Returns at once."""
        if self._config.hub(connection.hub).presence_handler(name, group) is None:
            return

        async def send() -> None:
            handler = self._config.hub(connection.hub).presence_handler(name, group)
            if handler is not None:
                body = json.dumps({"group": group}, ensure_ascii=False).encode()
                await self._tell(handler, connection, self._event(connection, "gp", name, body, JSON))

        self._notifications.add(connection, send)

    async def raise_event(self, connection: Connection, command: SendEvent) -> Message | None:
        """The answer for the client that sent it. Raises `CommandError` where no handler takes the event, or fails."""
        data, content_type = command.payload.data, command.payload.content_type
        try:
            answer = await self.ask(connection, command.event, data, content_type, metadata=command.metadata)
        except DeliveryFailed as failure:
            raise internal_error() from failure
        if not answer.body and not answer.metadata:
            return None
        return Message(_reply(answer), metadata=answer.metadata)

    async def ask(
        self,
        connection: Connection,
        name: str,
        body: bytes,
        content_type: str,
        *,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> UpstreamAnswer:
        """What the upstream says to a user event. Raises `DeliveryFailed`, also where no handler takes it."""
        hub = self._config.hub(connection.hub)
        handler, listeners = hub.handler("user", name), hub.listeners("user", name)
        if handler is None and not listeners:
            log.warning("no handler takes the event %r of hub %r", name, connection.hub)
            raise DeliveryFailed("no handler takes the event")
        await self._notifications.connected(connection)
        event = replace(self._event(connection, "user", name, body, content_type, metadata), headers=headers or {})
        self._publish(listeners, event)
        if handler is None:
            return UpstreamAnswer()
        try:
            answer = await self._upstream.deliver(handler, event)
        except DeliveryFailed as failure:
            log.warning("the event %r of hub %r failed: %s", name, connection.hub, failure)
            raise
        self._keep(connection, answer, with_state=True)
        return answer

    @staticmethod
    def _event(
        connection: Connection,
        family: str,
        name: str,
        body: bytes,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> UpstreamEvent:
        return UpstreamEvent(
            connection.hub, connection.id, family, name, connection.next_event_id(), body, content_type,
            connection.user_id, connection.subprotocol, connection.state, dict(connection.cookies), metadata or {},
            connection.mqtt_context,
        )  # fmt: skip

    @staticmethod
    def _keep(connection: Connection, answer: UpstreamAnswer, *, with_state: bool) -> None:
        connection.cookies.update(answer.cookies)
        if with_state and answer.state is not None:
            connection.state = answer.state or None

    def _is_wanted(self, hub: str, name: str) -> bool:
        settings = self._config.hub(hub)
        return settings.handler("sys", name) is not None or bool(settings.listeners("sys", name))

    def _notify(
        self, connection: Connection, name: str, body: Mapping[str, Any], *, is_connected: bool = False
    ) -> None:
        async def send() -> None:
            hub = self._config.hub(connection.hub)
            event = self._event(connection, "sys", name, json.dumps(body).encode(), JSON)
            self._publish(hub.listeners("sys", name), event)
            handler = hub.handler("sys", name)
            if handler is not None:
                await self._tell(handler, connection, event)

        self._notifications.add(connection, send, is_connected=is_connected)

    async def _tell(self, handler: EventHandler, connection: Connection, event: UpstreamEvent) -> None:
        try:
            answer = await self._upstream.deliver(handler, event)
        except DeliveryFailed as failure:
            log.warning("the event %r of hub %r was not delivered: %s", event.name, event.hub, failure)
        else:
            self._keep(connection, answer, with_state=False)

    def _publish(self, listeners: Iterable[EventListener], event: UpstreamEvent) -> None:
        if self._listeners is not None:
            for listener in listeners:
                self._listeners.publish(listener, event)

    async def drain(self, seconds: float) -> None:
        """Waits for what the upstream still has to hear, at most so long; the rest is given up."""
        await self._notifications.drain(seconds)


def _connect_body(knock: Knock) -> bytes:
    members: dict[str, Any] = {
        "claims": knock.claims,
        "query": knock.query,
        "headers": knock.headers,
        "subprotocols": knock.subprotocols,
        "clientCertificates": knock.certificates,
    }
    if knock.mqtt is not None:
        members["mqtt"] = knock.mqtt
    # A claim may hold half a character, and a header bytes that are no text: neither is a reason to turn a client away.
    return json.dumps(members, ensure_ascii=False).encode(errors="replace")


def _reply(answer: UpstreamAnswer) -> Payload:
    """Raises `CommandError` for what no client can be sent."""
    if not names.is_metadata(answer.metadata):
        log.warning("the upstream answered an event with metadata that is not legal")
        raise internal_error()
    if not answer.body:
        return Payload(DataType.TEXT, b"")
    kind = data_type_of(answer.content_type) if answer.content_type else DataType.BINARY
    if kind is None:
        log.warning("the upstream answered an event with %r, which no client can be sent", answer.content_type)
        raise internal_error()
    payload = Payload(kind, answer.body)
    if not is_legal(payload):
        log.warning("the upstream answered an event with a body that is not what its content type says")
        raise internal_error()
    return payload
