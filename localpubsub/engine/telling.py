"""Notices to clients, in whatever subprotocol they speak. Raw and MQTT clients have none."""

from collections.abc import Iterable

from localpubsub.engine.hub import Connection
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.notices import GroupStates, Notice
from localpubsub.protocol.subprotocols import PubSubCodec


def tell(connection: Connection, notice: Notice) -> None:
    """To this client, at the socket it has now: it is not sent again after a recovery."""
    if isinstance(connection.codec, PubSubCodec):
        connection.outbound.put_control(connection.codec.notice(notice))


def publish_states(receivers: Iterable[Connection], states: GroupStates) -> None:
    """A state is data: reliable clients get it with a sequence id. Each encoding is made once."""
    encoded: dict[str, Frame] = {}
    for connection in tuple(receivers):
        codec = connection.codec
        if isinstance(codec, PubSubCodec):
            if codec.key not in encoded:
                encoded[codec.key] = codec.notice(states)
            connection.outbound.put(encoded[codec.key])
