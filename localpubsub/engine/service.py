"""The service: who may come in, what their frames do, what the upstream hears of it.

No lock is held while an upstream is asked: its handler calls straight back through the REST API.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from localpubsub.config import ServiceConfig
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.upstream import DeliveryFailed, Upstream, UpstreamAnswer, UpstreamEvent
from localpubsub.protocol import names
from localpubsub.protocol.errors import CommandError, Disconnect, forbidden, internal_error
from localpubsub.protocol.json_codec import is_json
from localpubsub.protocol.messages import (
    Command,
    DataType,
    Frame,
    JoinGroup,
    LeaveGroup,
    Message,
    Payload,
    Ping,
    SendEvent,
    SendToGroup,
    data_type_of,
    is_text,
)
from localpubsub.protocol.roles import Permission, Permissions
from localpubsub.protocol.subprotocols import RawCodec, codec_for, well_known

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Knock:
    """A client at the door: what its token says, and what its handshake holds."""

    connection_id: str
    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    claims: Mapping[str, list[str]]
    query: Mapping[str, list[str]]
    headers: Mapping[str, list[str]]
    subprotocols: tuple[str, ...]
    raw: RawCodec


class ConnectRefused(Exception):
    """The handshake is answered with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Service:
    def __init__(self, config: ServiceConfig, upstream: Upstream) -> None:
        self.config = config
        self._upstream = upstream
        self._hubs: dict[str, Hub] = {}
        self._announced: dict[Connection, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def hub(self, name: str) -> Hub:
        """Any legal name has a hub; letters' case does not tell two apart."""
        key = name.lower()
        return self._hubs.setdefault(key, Hub(key))

    async def connect(self, hub_name: str, knock: Knock, outbound: Outbound) -> Connection:
        """Asks the upstream where it wants to be asked. Raises `ConnectRefused`. The connection is not open yet."""
        hub = self.hub(hub_name)
        answer, decision = UpstreamAnswer(), {}
        handler = self.config.hub(hub.name).handler("sys", "connect")
        if handler is not None:
            event = UpstreamEvent(
                hub.name, knock.connection_id, "sys", "connect", 0, _connect_body(knock), JSON, user_id=knock.user_id
            )
            try:
                answer = await self._upstream.deliver(handler, event)
            except DeliveryFailed as failure:
                status = failure.status or 500
                raise ConnectRefused(status if status >= 400 else 500) from failure
            decision = _decision(answer.body)
        connection = _admit(hub.name, knock, decision, outbound)
        connection.state, connection.cookies = answer.state or None, dict(answer.cookies)
        return connection

    def open(self, connection: Connection) -> None:
        """Registers the connection, greets it, and tells the upstream without waiting for it."""
        hub = self.hub(connection.hub)
        hub.add(connection)
        for group in connection.groups:
            hub.join(connection, group)
        connection.outbound.put_control(connection.codec.connected(connection.id, connection.user_id))
        if self.config.hub(hub.name).handler("sys", "connected") is not None:
            self._announced[connection] = self._start(self._notify(connection, "connected", b"{}"))

    def closed(self, connection: Connection, reason: str | None) -> None:
        """The socket is gone. The upstream hears of it after everything it heard before."""
        self.hub(connection.hub).remove(connection)
        announced = self._announced.pop(connection, None)
        if self.config.hub(connection.hub).handler("sys", "disconnected") is None:
            return
        body = json.dumps({"reason": connection.end_reason or reason}).encode()
        self._start(self._notify(connection, "disconnected", body, after=announced))

    async def handle(self, connection: Connection, frame: Frame) -> None:
        """One frame of a client. Raises `Disconnect` where it ends the connection."""
        command = connection.codec.decode(frame)
        ack_id = getattr(command, "ack_id", None)
        try:
            connection.acks.check(ack_id)
            await self._execute(connection, command)
        except CommandError as error:
            if not connection.codec.is_pubsub:
                raise Disconnect(1008 if error.name == "Forbidden" else 1011, error.message) from error
            if ack_id is not None:
                connection.outbound.put_control(connection.codec.ack(ack_id, (error.name, error.message)))
            return
        connection.acks.remember(ack_id)
        if ack_id is not None:
            connection.outbound.put_control(connection.codec.ack(ack_id))

    async def _execute(self, connection: Connection, command: Command) -> None:
        hub = self.hub(connection.hub)
        match command:
            case JoinGroup(group):
                if not connection.permissions.allows(Permission.JOIN_LEAVE_GROUP, group):
                    raise forbidden("join", group)
                hub.join(connection, group)
            case LeaveGroup(group):
                if not connection.permissions.allows(Permission.JOIN_LEAVE_GROUP, group):
                    raise forbidden("leave", group)
                hub.leave(connection, group)
            case SendToGroup():
                self._send_to_group(hub, connection, command)
            case SendEvent():
                await self._raise_event(connection, command)
            case Ping():
                connection.outbound.put_control(connection.codec.pong())
            case _:
                pass  # a sequence ack means nothing to a subprotocol without sequence ids

    @staticmethod
    def _send_to_group(hub: Hub, connection: Connection, command: SendToGroup) -> None:
        if not connection.permissions.allows(Permission.SEND_TO_GROUP, command.group):
            raise forbidden("send to", command.group)
        message = Message(command.payload, command.group, connection.user_id, command.metadata)
        excluded = (connection.id,) if command.no_echo else ()
        hub.deliver(hub.group(command.group), message, excluded=excluded, ttl_seconds=command.ttl_seconds)

    async def _raise_event(self, connection: Connection, command: SendEvent) -> None:
        handler = self.config.hub(connection.hub).handler("user", command.event)
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
        if answer.body or answer.metadata:
            message = Message(_reply(answer), metadata=answer.metadata)
            connection.outbound.put(connection.codec.encode(message))

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
        handler = self.config.hub(connection.hub).handler("sys", name)
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

    def close_all(self) -> None:
        """Ends every connection: the service stops."""
        for hub in self._hubs.values():
            for connection in tuple(hub.connections.values()):
                hub.close(connection, "service reload", Close(1001, "service reload"))

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


def _decision(body: bytes) -> dict[str, Any]:
    """The answer to `connect`; names compare without case. Raises `ConnectRefused` 500 for what it cannot be."""
    if not body.strip():
        return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConnectRefused(500) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConnectRefused(500)
    members = {name.lower(): member for name, member in value.items() if member is not None}
    texts = all(isinstance(members.get(name, ""), str) for name in ("userid", "subprotocol"))
    lists = all(
        isinstance(members.get(name, []), list) and all(isinstance(one, str) for one in members.get(name, []))
        for name in ("groups", "roles")
    )
    if not texts or not lists or not all(names.is_group(group) for group in members.get("groups", [])):
        raise ConnectRefused(500)
    return members


def _admit(hub: str, knock: Knock, decision: Mapping[str, Any], outbound: Outbound) -> Connection:
    subprotocol = decision.get("subprotocol") or well_known(knock.subprotocols)
    if subprotocol and subprotocol not in knock.subprotocols:
        log.warning("the upstream chose the subprotocol %r, which the client did not offer", subprotocol)
        raise ConnectRefused(500)
    connection = Connection(
        id=knock.connection_id,
        hub=hub,
        user_id=decision.get("userid", knock.user_id),
        subprotocol=subprotocol,
        codec=codec_for(subprotocol, knock.raw),
        permissions=Permissions.from_roles(decision.get("roles", knock.roles)),
        outbound=outbound,
    )
    # A non-empty list replaces the groups of the token, an empty one keeps them.
    connection.groups.update(decision.get("groups") or knock.groups)
    return connection


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
