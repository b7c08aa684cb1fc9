"""Group streams: fragments of one publisher, without gaps and in order (spec/service.md 3.8, a preview)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.telling import tell
from localpubsub.engine.timers import Later, Timer, later
from localpubsub.protocol.messages import (
    DataType,
    EndStream,
    Message,
    Payload,
    StartStream,
    StreamData,
    StreamFailure,
    StreamPart,
)
from localpubsub.protocol.notices import Failure, StreamAck, StreamClosed, StreamNack
from localpubsub.protocol.roles import Permission

DEFAULT_IDLE_MS = 300_000
NOTHING = Payload(DataType.TEXT, b"")  # client libraries want a payload, also where there is none
IDLE = "The stream was idle for too long."


@dataclass
class _Stream:
    group: str
    no_echo: bool
    idle_seconds: float
    expected: int = 1
    timer: Timer | None = None

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Streams:
    """They belong to the connection, not to its socket. `hub` is the hub of a name."""

    def __init__(self, hub: Callable[[str], Hub], later: Later = later) -> None:
        self._hub = hub
        self._later = later
        self._open: dict[Connection, dict[str, _Stream]] = {}

    def start(self, connection: Connection, command: StartStream) -> None:
        refusal = self._refusal(connection, command)
        if refusal is not None:
            tell(connection, StreamClosed(command.stream_id, refusal))
            return
        idle_ms = DEFAULT_IDLE_MS if command.idle_timeout_ms is None else command.idle_timeout_ms
        stream = _Stream(command.group, command.no_echo, idle_ms / 1000)
        self._open.setdefault(connection, {})[command.stream_id] = stream
        self._wait(connection, command.stream_id, stream)
        tell(connection, StreamAck(command.stream_id, stream.expected))

    def _refusal(self, connection: Connection, command: StartStream) -> Failure | None:
        if not connection.permissions.allows(Permission.SEND_TO_GROUP, command.group):
            text = f"The client does not have permission to send to group '{command.group}'."
            return Failure("Forbidden", text)
        if not command.stream_id.strip():
            return Failure("BadRequest", "A stream needs an id.")
        if command.stream_id in self._open.get(connection, ()):
            return Failure("BadRequest", f"There is a stream '{command.stream_id}' already.")
        if command.idle_timeout_ms is not None and command.idle_timeout_ms <= 0:
            return Failure("BadRequest", "idleTimeoutMs is greater than 0.")
        return None

    def receive(self, connection: Connection, command: StreamData) -> None:
        """A fragment is published if it is the next one. Any frame keeps the stream alive."""
        stream = self._find(connection, command.stream_id)
        if stream is None:
            return
        self._wait(connection, command.stream_id, stream)
        if command.fragment is None:
            return
        sequence_id, payload = command.fragment
        if sequence_id > stream.expected:
            refusal = Failure("InvalidSequenceId", f"The next fragment is {stream.expected}.")
            tell(connection, StreamNack(command.stream_id, refusal, stream.expected))
            return
        if sequence_id == stream.expected:
            stream.expected += 1
            self._publish(connection, stream, payload, StreamPart(command.stream_id, sequence_id))
        tell(connection, StreamAck(command.stream_id, stream.expected))

    def end(self, connection: Connection, command: EndStream) -> None:
        stream = self._find(connection, command.stream_id)
        if stream is not None:
            self._close(connection, command.stream_id, command.failure)
            tell(connection, StreamClosed(command.stream_id))

    def cancel_all(self, connection: Connection) -> None:
        """The connection is over."""
        for stream_id in tuple(self._open.get(connection, ())):
            self._close(connection, stream_id, StreamFailure("Cancelled", "The publisher is gone."))

    def _find(self, connection: Connection, stream_id: str) -> _Stream | None:
        """Tells the client where there is none."""
        stream = self._open.get(connection, {}).get(stream_id)
        if stream is None:
            failure = Failure("StreamNotFound", f"There is no stream '{stream_id}'.")
            tell(connection, StreamClosed(stream_id, failure))
        return stream

    def _wait(self, connection: Connection, stream_id: str, stream: _Stream) -> None:
        stream.stop()
        stream.timer = self._later(stream.idle_seconds, partial(self._expire, connection, stream_id))

    def _expire(self, connection: Connection, stream_id: str) -> None:
        self._close(connection, stream_id, StreamFailure("IdleTimeout", IDLE))
        tell(connection, StreamClosed(stream_id, Failure("IdleTimeout", IDLE)))

    def _close(self, connection: Connection, stream_id: str, failure: StreamFailure | None) -> None:
        streams = self._open[connection]
        stream = streams.pop(stream_id)
        stream.stop()
        if not streams:
            del self._open[connection]
        part = StreamPart(stream_id, stream.expected, is_last=True, failure=failure)
        self._publish(connection, stream, NOTHING, part)

    def _publish(self, connection: Connection, stream: _Stream, payload: Payload, part: StreamPart) -> None:
        """Only subprotocols of the service's own have a way to say that a stream is at its end."""
        hub = self._hub(connection.hub)
        receivers = [one for one in hub.group(stream.group) if not part.is_last or one.codec.is_pubsub]
        message = Message(payload, stream.group, connection.user_id, stream=part)
        hub.publish(receivers, message, excluded=(connection.id,) if stream.no_echo else ())
