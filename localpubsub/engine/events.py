"""What an upstream hears of a connection, and what its answers do (spec/service.md 9).

No lock is held while an upstream is asked: its handler calls straight back through the REST API.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from localpubsub.config import ServiceConfig
from localpubsub.engine.hub import Connection
from localpubsub.engine.knock import Knock
from localpubsub.engine.upstream import DeliveryFailed, Upstream, UpstreamAnswer, UpstreamEvent
from localpubsub.protocol.errors import internal_error
from localpubsub.protocol.json_codec import is_json
from localpubsub.protocol.messages import DataType, Message, Payload, SendEvent, data_type_of, is_text

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"


class Events:
    """Delivers events in their order per connection. `connect` and user events wait for the answer."""

    def __init__(self, config: ServiceConfig, upstream: Upstream) -> None:
        self._config = config
        self._upstream = upstream
        self._announced: dict[Connection, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, hub: str, knock: Knock) -> UpstreamAnswer | None:
        """The upstream's decision, `None` where nobody is asked. Raises `DeliveryFailed`."""
        handler = self._config.hub(hub).handler("sys", "connect")
        if handler is None:
            return None
        event = UpstreamEvent(
            hub, knock.connection_id, "sys", "connect", 0, _connect_body(knock), JSON, user_id=knock.user_id
        )
        return await self._upstream.deliver(handler, event)

    def connected(self, connection: Connection) -> None:
        """Returns at once."""
        if self._config.hub(connection.hub).handler("sys", "connected") is not None:
            self._announced[connection] = self._start(self._notify(connection, "connected", b"{}"))

    def disconnected(self, connection: Connection, reason: str | None) -> None:
        """Returns at once. The upstream hears of it after everything it heard before."""
        announced = self._announced.pop(connection, None)
        if self._config.hub(connection.hub).handler("sys", "disconnected") is None:
            return
        body = json.dumps({"reason": connection.end_reason or reason}).encode()
        self._start(self._notify(connection, "disconnected", body, after=announced))

    async def raise_event(self, connection: Connection, command: SendEvent) -> Message | None:
        """The answer for the client that sent it. Raises `CommandError` where no handler takes the event, or fails."""
        handler = self._config.hub(connection.hub).handler("user", command.event)
        if handler is None:
            log.warning("no handler takes the event %r of hub %r", command.event, connection.hub)
            raise internal_error()
        announced = self._announced.pop(connection, None)
        if announced is not None:
            await asyncio.wait([announced])
        payload = command.payload
        event = self._event(connection, "user", command.event, payload.data, payload.content_type, command.metadata)
        try:
            answer = await self._upstream.deliver(handler, event)
        except DeliveryFailed as failure:
            log.warning("the event %r of hub %r failed: %s", command.event, connection.hub, failure)
            raise internal_error() from failure
        self._keep(connection, answer, with_state=True)
        if not answer.body and not answer.metadata:
            return None
        return Message(_reply(answer), metadata=answer.metadata)

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
        )  # fmt: skip

    @staticmethod
    def _keep(connection: Connection, answer: UpstreamAnswer, *, with_state: bool) -> None:
        connection.cookies.update(answer.cookies)
        if with_state and answer.state is not None:
            connection.state = answer.state or None

    async def _notify(
        self, connection: Connection, name: str, body: bytes, *, after: asyncio.Task[None] | None = None
    ) -> None:
        if after is not None:
            await asyncio.wait([after])
        handler = self._config.hub(connection.hub).handler("sys", name)
        if handler is None:
            return
        try:
            answer = await self._upstream.deliver(handler, self._event(connection, "sys", name, body, JSON))
        except DeliveryFailed as failure:
            log.warning("the event %r of hub %r was not delivered: %s", name, connection.hub, failure)
        else:
            self._keep(connection, answer, with_state=False)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, seconds: float) -> None:
        """Waits for what the upstream still has to hear, at most so long; the rest is given up."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


def _connect_body(knock: Knock) -> bytes:
    members = {
        "claims": knock.claims,
        "query": knock.query,
        "headers": knock.headers,
        "subprotocols": knock.subprotocols,
        "clientCertificates": [],
    }
    return json.dumps(members, ensure_ascii=False).encode()


def _reply(answer: UpstreamAnswer) -> Payload:
    """Raises `CommandError` for a content type no client can be sent."""
    if not answer.body:
        return Payload(DataType.TEXT, b"")
    kind = data_type_of(answer.content_type) if answer.content_type else DataType.BINARY
    if kind is None:
        log.warning("the upstream answered an event with %r, which no client can be sent", answer.content_type)
        raise internal_error()
    body = answer.body
    if (kind is DataType.JSON and not is_json(body)) or (kind is DataType.TEXT and not is_text(body)):
        log.warning("the upstream answered an event with a body that is not what its content type says")
        raise internal_error()
    return Payload(kind, body)
