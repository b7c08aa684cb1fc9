"""What a connection speaks (spec/service.md 1.5, 3, 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from localpubsub.protocol import json_codec, json_frames, protobuf_codec, protobuf_frames
from localpubsub.protocol.messages import Command, DataType, Frame, Message, Payload, SendEvent, SendToGroup
from localpubsub.protocol.notices import Notice

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


@runtime_checkable
class PubSubCodec(Codec, Protocol):
    """A subprotocol of the service's own. `is_pubsub` is true of these alone."""

    def connected(
        self, connection_id: str, user_id: str | None, reconnection_token: str | None = None, /
    ) -> Frame | None: ...

    def notice(self, notice: Notice) -> Frame: ...

    def with_sequence_id(self, frame: Frame, sequence_id: int) -> Frame:
        """What `encode` made, or a `GroupStates` notice, for one reliable receiver."""


class JsonCodec(PubSubCodec):
    key = json_codec.NAME
    is_pubsub = True

    def decode(self, frame: Frame) -> Command:
        return json_codec.decode_frame(frame)

    def encode(self, message: Message) -> Frame:
        return json_frames.encode_message(message)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None = None, /) -> Frame:
        return json_frames.encode_connected(connection_id, user_id, reconnection_token)

    def disconnected(self, reason: str, /) -> Frame:
        return json_frames.encode_disconnected(reason)

    def ack(self, ack_id: int, error: tuple[str, str] | None = None, /) -> Frame:
        return json_frames.encode_ack(ack_id, error)

    def pong(self) -> Frame:
        return json_frames.PONG

    def notice(self, notice: Notice) -> Frame:
        return json_frames.encode_notice(notice)

    def with_sequence_id(self, frame: Frame, sequence_id: int) -> Frame:
        return json_frames.with_sequence_id(frame, sequence_id)


class ProtobufCodec(PubSubCodec):
    key = protobuf_codec.NAME
    is_pubsub = True

    def decode(self, frame: Frame) -> Command:
        return protobuf_codec.decode_frame(frame)

    def encode(self, message: Message) -> Frame:
        return protobuf_frames.encode_message(message)

    def connected(self, connection_id: str, user_id: str | None, reconnection_token: str | None = None, /) -> Frame:
        return protobuf_frames.encode_connected(connection_id, user_id, reconnection_token)

    def disconnected(self, reason: str, /) -> Frame:
        return protobuf_frames.encode_disconnected(reason)

    def ack(self, ack_id: int, error: tuple[str, str] | None = None, /) -> Frame:
        return protobuf_frames.encode_ack(ack_id, error)

    def pong(self) -> Frame:
        return protobuf_frames.PONG

    def notice(self, notice: Notice) -> Frame:
        return protobuf_frames.encode_notice(notice)

    def with_sequence_id(self, frame: Frame, sequence_id: int) -> Frame:
        return protobuf_frames.with_sequence_id(frame, sequence_id)


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


RELIABLE: Mapping[str, PubSubCodec] = {
    "json.reliable.webpubsub.azure.v1": JsonCodec(),
    "protobuf.reliable.webpubsub.azure.v1": ProtobufCodec(),
}
WELL_KNOWN: Mapping[str, PubSubCodec] = {
    json_codec.NAME: JsonCodec(),
    protobuf_codec.NAME: ProtobufCodec(),
    **RELIABLE,
}


def well_known(offered: Sequence[str]) -> str | None:
    """The first offered subprotocol the service speaks, in the client's spelling."""
    return next((name for name in offered if name.lower() in WELL_KNOWN), None)


def reliable_codec(subprotocol: str | None) -> PubSubCodec | None:
    """`None` for a subprotocol without sequence ids."""
    return RELIABLE.get((subprotocol or "").lower())


def codec_for(subprotocol: str | None, raw: RawCodec) -> Codec:
    """Custom subprotocols are raw clients."""
    return WELL_KNOWN.get((subprotocol or "").lower(), raw)
