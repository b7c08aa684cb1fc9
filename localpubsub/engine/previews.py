"""What clients of today do not need: invocations, streams, group states (spec/service.md 3.7-3.9)."""

from dataclasses import dataclass

from localpubsub.engine.group_states import GroupStateBoard
from localpubsub.engine.hub import Connection
from localpubsub.engine.invocations import Invocations
from localpubsub.engine.streams import Streams
from localpubsub.protocol.messages import (
    CancelInvocation,
    Command,
    EndStream,
    Invoke,
    SetGroupState,
    StartStream,
    StreamData,
    SubscribeGroupState,
    UnsubscribeGroupState,
)


@dataclass(frozen=True)
class Previews:
    invocations: Invocations
    streams: Streams
    states: GroupStateBoard

    def execute(self, connection: Connection, command: Command) -> None:
        """Raises `CommandError`."""
        match command:
            case Invoke():
                self.invocations.start(connection, command)
            case CancelInvocation(invocation_id):
                self.invocations.cancel(connection, invocation_id)
            case StartStream():
                self.streams.start(connection, command)
            case StreamData():
                self.streams.receive(connection, command)
            case EndStream():
                self.streams.end(connection, command)
            case SetGroupState():
                self.states.set(connection, command)
            case SubscribeGroupState(group):
                self.states.subscribe(connection, group)
            case UnsubscribeGroupState(group):
                self.states.unsubscribe(connection, group)

    def lost(self, connection: Connection) -> None:
        """The socket is gone, perhaps not for ever."""
        self.invocations.cancel_all(connection)

    def over(self, connection: Connection) -> None:
        self.invocations.cancel_all(connection)
        self.streams.cancel_all(connection)
        self.states.unsubscribe_all(connection)
