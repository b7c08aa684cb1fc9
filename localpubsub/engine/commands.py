"""What the frames of a client do (spec/service.md 2.5, 3, 6)."""

from collections.abc import Callable

from localpubsub.engine.events import Events
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.previews import Previews
from localpubsub.engine.trace import Trace
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
    SequenceAck,
    SubscribeGroupState,
)
from localpubsub.protocol.roles import Permission


class Commands:
    """`hub` is the hub of a name."""

    def __init__(self, hub: Callable[[str], Hub], events: Events, previews: Previews, trace: Trace) -> None:
        self._hub = hub
        self._events = events
        self._previews = previews
        self._trace = trace

    async def handle(self, connection: Connection, frame: Frame) -> None:
        """One frame, to its ack. Raises `Disconnect` where it ends the connection."""
        command = connection.codec.decode(frame)
        ack_id = getattr(command, "ack_id", None)
        try:
            connection.acks.check(ack_id)
            await self._execute(connection, command)
        except CommandError as error:
            if not connection.codec.is_pubsub:
                raise Disconnect(1008 if error.name == "Forbidden" else 1011, error.message) from error
            if ack_id is not None:
                self._ack(connection, ack_id, (error.name, error.message))
            return
        connection.acks.remember(ack_id)
        if ack_id is not None:
            self._ack(connection, ack_id)
        if isinstance(command, SubscribeGroupState):
            self._previews.states.send_snapshot(connection, command.group)

    def _ack(self, connection: Connection, ack_id: int, error: tuple[str, str] | None = None) -> None:
        connection.outbound.put_control(connection.codec.ack(ack_id, error))
        if self._trace.on:
            self._trace.acked(ack_id, error)

    async def _execute(self, connection: Connection, command: Command) -> None:
        hub = self._hub(connection.hub)
        match command:
            case JoinGroup(group):
                _demand(connection, Permission.JOIN_LEAVE_GROUP, "join", group)
                hub.join(connection, group)
            case LeaveGroup(group):
                _demand(connection, Permission.JOIN_LEAVE_GROUP, "leave", group)
                hub.leave(connection, group)
            case SendToGroup():
                self._send_to_group(hub, connection, command)
            case SendEvent():
                answer = await self._events.raise_event(connection, command)
                if answer is not None:
                    if self._trace.on:
                        self._trace.delivery(hub.name, answer, (connection,))
                    connection.deliver(answer, {})
            case Ping():
                connection.outbound.put_control(connection.codec.pong())
            case SequenceAck(sequence_id):
                connection.acknowledge(sequence_id)
            case _:
                self._previews.execute(connection, command)

    @staticmethod
    def _send_to_group(hub: Hub, connection: Connection, command: SendToGroup) -> None:
        _demand(connection, Permission.SEND_TO_GROUP, "send to", command.group)
        message = Message(command.payload, command.group, connection.user_id, command.metadata)
        excluded = (connection.id,) if command.no_echo else ()
        hub.publish(hub.group(command.group), message, excluded=excluded, ttl_seconds=command.ttl_seconds)


def _demand(connection: Connection, permission: Permission, action: str, group: str) -> None:
    """Raises `CommandError`."""
    if not connection.permissions.allows(permission, group):
        raise forbidden(action, group)
