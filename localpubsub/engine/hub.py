"""Connections, groups and users of one hub."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.acks import AckMemory
from localpubsub.protocol.messages import Frame, Message
from localpubsub.protocol.roles import Permissions
from localpubsub.protocol.subprotocols import Codec


@dataclass(eq=False)
class Connection:
    """What a connection id names. `event_ids` counts the events sent upstream: `connect` was 0."""

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

    def next_event_id(self) -> int:
        self.event_ids += 1
        return self.event_ids

    def deliver(self, message: Message, encoded: dict[str, Frame], ttl_seconds: int = 0) -> None:
        """Queues a message. `encoded` holds its frames by encoding: receivers that speak one share the bytes."""
        frame = encoded.get(self.codec.key)
        if frame is None:
            frame = encoded[self.codec.key] = self.codec.encode(message)
        self.outbound.put(frame, ttl_seconds=ttl_seconds)


Members = dict[str, Connection]


class Hub:
    """Dictionaries by id, so that every operation costs what it touches and nothing else."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections: Members = {}
        self._groups: dict[str, Members] = {}
        self._users: dict[str, Members] = {}

    def add(self, connection: Connection) -> None:
        self.connections[connection.id] = connection
        if connection.user_id:
            self._users.setdefault(connection.user_id, {})[connection.id] = connection

    def remove(self, connection: Connection) -> bool:
        """Whether it was there."""
        if self.connections.get(connection.id) is not connection:
            return False
        del self.connections[connection.id]
        self.leave_all(connection)
        if connection.user_id:
            _drop(self._users, connection.user_id, connection.id)
        return True

    def join(self, connection: Connection, group: str) -> None:
        connection.groups.add(group)
        self._groups.setdefault(group, {})[connection.id] = connection

    def leave(self, connection: Connection, group: str) -> None:
        connection.groups.discard(group)
        _drop(self._groups, group, connection.id)

    def leave_all(self, connection: Connection) -> None:
        for group in tuple(connection.groups):
            self.leave(connection, group)

    def group(self, group: str) -> Collection[Connection]:
        return self._groups.get(group, {}).values()

    def user(self, user_id: str) -> Collection[Connection]:
        return self._users.get(user_id, {}).values()

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
            connection.outbound.put_control(connection.codec.disconnected(reason))
            connection.outbound.close(close)


def _drop(members_by_name: dict[str, Members], name: str, connection_id: str) -> None:
    members = members_by_name.get(name)
    if members is not None:
        members.pop(connection_id, None)
        if not members:
            del members_by_name[name]
