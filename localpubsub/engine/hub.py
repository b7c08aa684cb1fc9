"""Connections, groups and users of one hub."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any, Protocol

from localpubsub.engine.outbound import Close, Outbound
from localpubsub.engine.trace import Trace
from localpubsub.engine.upstream import MqttContext
from localpubsub.protocol.acks import AckMemory
from localpubsub.protocol.messages import Frame, Message
from localpubsub.protocol.roles import Permissions
from localpubsub.protocol.sequences import Sequences
from localpubsub.protocol.subprotocols import Codec


@dataclass(eq=False)
class Connection:
    """What a connection id names. `event_ids` counts the events sent upstream: `connect` was 0.

    A reliable one has `sequences`. `worker` handles its frames one after the other, at whatever socket they came.
    """

    id: str
    hub: str
    user_id: str | None
    subprotocol: str | None
    codec: Codec
    permissions: Permissions
    outbound: Outbound
    groups: set[str] = field(default_factory=set)
    acks: AckMemory = field(default_factory=AckMemory)
    event_ids: int = 0
    state: str | None = None
    cookies: dict[str, str] = field(default_factory=dict)
    end_reason: str | None = None
    sequences: Sequences | None = None
    worker: asyncio.Task[None] | None = None
    faults: "Faults | None" = None
    opened_at: float = field(default_factory=time)

    @property
    def mqtt_context(self) -> MqttContext | None:
        """What the events of an MQTT client say besides."""
        return None

    def farewell(self, reason: str | None) -> Mapping[str, Any]:
        """The body of the `disconnected` event."""
        return {"reason": self.end_reason or reason}

    def next_event_id(self) -> int:
        self.event_ids += 1
        return self.event_ids

    def deliver(self, message: Message, encoded: dict[str, Frame], ttl_seconds: int = 0) -> None:
        """A message for this connection, unless a fault was asked for."""
        if self.faults is None or not self.faults.intercept(self, message, ttl_seconds):
            self.enqueue(message, encoded, ttl_seconds)

    def enqueue(self, message: Message, encoded: dict[str, Frame], ttl_seconds: int = 0) -> None:
        """Queues a message. `encoded` holds its frames by encoding: receivers that speak one share the bytes."""
        frame = encoded.get(self.codec.key)
        if frame is None:
            frame = encoded[self.codec.key] = self.codec.encode(message)
        self.outbound.put(frame, ttl_seconds=ttl_seconds)

    def acknowledge(self, sequence_id: int) -> None:
        """The client has everything up to there. Means nothing without sequence ids."""
        if self.sequences is not None:
            self.sequences.acknowledge(sequence_id)


Members = dict[str, Connection]


class Faults(Protocol):
    def intercept(self, connection: Connection, message: Message, ttl_seconds: int) -> bool:
        """Whether it took the message."""


MembershipChanged = Callable[[Connection, str, str], None]


class Hub:
    """Dictionaries by id, so that every operation costs what it touches and nothing else."""

    def __init__(
        self, name: str, membership_changed: MembershipChanged = lambda *_: None, trace: Trace | None = None
    ) -> None:
        """`membership_changed` is called with a connection, a group and `joined` or `left`."""
        self.name = name
        self._trace = trace or Trace()
        self._membership_changed = membership_changed
        self._faults: Faults | None = None
        self.connections: Members = {}
        self._groups: dict[str, Members] = {}
        self._users: dict[str, Members] = {}

    def add(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        connection.faults = self._faults
        if connection.user_id:
            self._users.setdefault(connection.user_id, {})[connection.id] = connection

    def restore(self, connection: Connection) -> None:
        """It was there before the service was started: nobody hears of the groups it is in."""
        self.add(connection)
        for group in connection.groups:
            self._groups.setdefault(group, {})[connection.id] = connection

    def remove(self, connection: Connection) -> bool:
        """Whether it was there."""
        if self.connections.get(connection.id) is not connection:
            return False
        del self.connections[connection.id]
        self.leave_all(connection)
        if connection.user_id:
            _drop(self._users, connection.user_id, connection.id)
        return True

    def inject(self, faults: Faults | None) -> None:
        """Messages to its connections go through `faults` from now on."""
        self._faults = faults
        for connection in self.connections.values():
            connection.faults = faults

    def join(self, connection: Connection, group: str) -> None:
        connection.groups.add(group)
        members = self._groups.setdefault(group, {})
        if connection.id not in members:
            members[connection.id] = connection
            self._membership_changed(connection, group, "joined")

    def leave(self, connection: Connection, group: str) -> None:
        connection.groups.discard(group)
        if connection.id in self._groups.get(group, ()):
            _drop(self._groups, group, connection.id)
            self._membership_changed(connection, group, "left")

    def leave_all(self, connection: Connection) -> None:
        for group in tuple(connection.groups):
            self.leave(connection, group)

    def group(self, group: str) -> Collection[Connection]:
        return self._groups.get(group, {}).values()

    def user(self, user_id: str) -> Collection[Connection]:
        return self._users.get(user_id, {}).values()

    @property
    def groups(self) -> Mapping[str, Collection[str]]:
        """The ids of the members, by group."""
        return self._groups

    def publish(
        self,
        receivers: Iterable[Connection],
        message: Message,
        *,
        excluded: Collection[str] = (),
        ttl_seconds: int = 0,
    ) -> None:
        """As `deliver`, and in sight of whoever looks."""
        if self._trace.on:
            receivers = tuple(receivers)
            self._trace.delivery(self.name, message, [one for one in receivers if one.id not in excluded])
        self.deliver(receivers, message, excluded=excluded, ttl_seconds=ttl_seconds)

    @staticmethod
    def deliver(
        receivers: Iterable[Connection],
        message: Message,
        *,
        excluded: Collection[str] = (),
        ttl_seconds: int = 0,
    ) -> None:
        """Each encoding of the message is made once."""
        encoded: dict[str, Frame] = {}
        for connection in tuple(receivers):  # one that reads too slowly leaves the hub on the way
            if connection.id not in excluded:
                connection.deliver(message, encoded, ttl_seconds)

    def close(self, connection: Connection, reason: str, close: Close) -> None:
        """Ends a connection from this side: it is gone at once, its socket when the last frames are written."""
        if self.remove(connection):
            connection.end_reason = reason
            if self._trace.on:
                self._trace.ending(connection)
            connection.outbound.put_control(connection.codec.disconnected(reason), counted=False)
            connection.outbound.close(close)


def _drop(members_by_name: dict[str, Members], name: str, connection_id: str) -> None:
    members = members_by_name.get(name)
    if members is not None:
        members.pop(connection_id, None)
        if not members:
            del members_by_name[name]
