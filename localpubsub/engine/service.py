"""The service: who may come in, what their frames do, what the upstream hears of it.

No lock is held while an upstream is asked: its handler calls straight back through the REST API.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from localpubsub.config import ServiceConfig
from localpubsub.engine.events import Events
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.knock import Knock
from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.upstream import DeliveryFailed, Upstream
from localpubsub.protocol import names
from localpubsub.protocol.errors import CommandError, Disconnect, forbidden
from localpubsub.protocol.messages import (
    Command,
    Frame,
    JoinGroup,
    LeaveGroup,
    Message,
    Ping,
    SendEvent,
    SendToGroup,
)
from localpubsub.protocol.roles import Permission, Permissions
from localpubsub.protocol.subprotocols import codec_for, well_known

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"


class ConnectRefused(Exception):
    """The handshake is answered with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Service:
    def __init__(self, config: ServiceConfig, upstream: Upstream) -> None:
        self.config = config
        self._hubs: dict[str, Hub] = {}
        self.events = Events(config, upstream)

    def hub(self, name: str) -> Hub:
        """Any legal name has a hub; letters' case does not tell two apart."""
        key = name.lower()
        return self._hubs.setdefault(key, Hub(key))

    async def connect(self, hub_name: str, knock: Knock, outbound: Outbound) -> Connection:
        """Asks the upstream where it wants to be asked. Raises `ConnectRefused`. The connection is not open yet."""
        hub = self.hub(hub_name)
        try:
            answer = await self.events.connect(hub.name, knock)
        except DeliveryFailed as failure:
            status = failure.status or 500
            raise ConnectRefused(status if status >= 400 else 500) from failure
        decision = _decision(answer.body) if answer is not None else {}
        connection = _admit(hub.name, knock, decision, outbound)
        if answer is not None:
            connection.state, connection.cookies = answer.state or None, dict(answer.cookies)
        return connection

    def open(self, connection: Connection) -> None:
        """Registers the connection, greets it, and tells the upstream without waiting for it."""
        hub = self.hub(connection.hub)
        hub.add(connection)
        for group in connection.groups:
            hub.join(connection, group)
        connection.outbound.put_control(connection.codec.connected(connection.id, connection.user_id))
        self.events.connected(connection)

    def closed(self, connection: Connection, reason: str | None) -> None:
        """The socket is gone. The upstream hears of it after everything it heard before."""
        self.hub(connection.hub).remove(connection)
        self.events.disconnected(connection, reason)

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
                answer = await self.events.raise_event(connection, command)
                if answer is not None:
                    connection.outbound.put(connection.codec.encode(answer))
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

    def close_all(self) -> None:
        """Ends every connection: the service stops."""
        for hub in self._hubs.values():
            for connection in tuple(hub.connections.values()):
                hub.close(connection, "service reload", Close(1001, "service reload"))


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
