"""What a connection speaks (spec/service.md 1.5, 3, 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from localpubsub.protocol import json_codec
from localpubsub.protocol.messages import Command, DataType, Frame, Message, Payload, SendEvent, SendToGroup

RAW_EVENT = "message"


class Codec(Protocol):
    """Frames in, frames out. `key` names the encoding: receivers with one key share the bytes of a message.

    What a subprotocol has no frame for is `None`.
    """

    key: str
    is_pubsub: bool

    def decode(self, frame: Frame) -> Command:
        """Raises `Disconnect` for a frame that is not allowed."""

    def encode(self, message: Message) -> Frame: ...

    def connected(self, connection_id: str, user_id: str | None, /) -> Frame | None: ...

    def disconnected(self, reason: str, /) -> Frame | None: ...

    def ack(self, ack_id: int, error: tuple[str, str] | None = None, /) -> Frame | None: ...

    def pong(self) -> Frame | None: ...


class JsonCodec:
    key = json_codec.NAME
    is_pubsub = True

    def decode(self, frame: Frame) -> Command:
        return json_codec.decode_frame(frame)

    def encode(self, message: Message) -> Frame:
        return json_codec.encode_message(message)

    def connected(self, connection_id: str, user_id: str | None) -> Frame:
        return json_codec.encode_connected(connection_id, user_id)

    def disconnected(self, reason: str) -> Frame:
        return json_codec.encode_disconnected(reason)

    def ack(self, ack_id: int, error: tuple[str, str] | None = None) -> Frame:
        return json_codec.encode_ack(ack_id, error)

    def pong(self) -> Frame:
        return json_codec.PONG


@dataclass(frozen=True)
class RawCodec:
    """Data only. Each frame is an event `message`, or in `sendToGroup` mode a message to `group`."""

    group: str | None = None
    no_echo: bool = False
    key = "raw"
    is_pubsub = False

    def decode(self, frame: Frame) -> Command:
        payload = Payload(DataType.TEXT if frame.is_text else DataType.BINARY, frame.data)
        if self.group is None:
            return SendEvent(RAW_EVENT, payload)
        return SendToGroup(self.group, payload, no_echo=self.no_echo)

    def encode(self, message: Message) -> Frame:
        kind, data = message.payload
        return Frame(data, is_text=kind in (DataType.TEXT, DataType.JSON))

    def connected(self, _connection_id: str, _user_id: str | None, /) -> None:
        return None

    def disconnected(self, _reason: str, /) -> None:
        return None

    def ack(self, _ack_id: int, _error: tuple[str, str] | None = None, /) -> None:
        return None

    def pong(self) -> None:
        return None


WELL_KNOWN: Mapping[str, Codec] = {json_codec.NAME: JsonCodec()}


def well_known(offered: Sequence[str]) -> str | None:
    """The first offered subprotocol the service speaks, in the client's spelling."""
    return next((name for name in offered if name.lower() in WELL_KNOWN), None)


def codec_for(subprotocol: str | None, raw: RawCodec) -> Codec:
    """Custom subprotocols are raw clients."""
    return WELL_KNOWN.get((subprotocol or "").lower(), raw)
