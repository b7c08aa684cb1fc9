"""What `--protocol` chooses from, and what each of them can carry."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.client import json_codec, protobuf_codec
from app.client.frames import Command, Data, Frame, Heard, SendEvent, SendToGroup
from app.models.payloads import BinaryData, JsonData, Payload, TextData


class ProtocolName(StrEnum):
    JSON = "json"
    RELIABLE = "reliable"
    PROTOBUF = "protobuf"
    PROTOBUF_RELIABLE = "protobuf-reliable"
    RAW = "raw"


class NotCarried(Exception):
    """The protocol has no frame for the command."""


@dataclass(frozen=True)
class Protocol:
    """`is_reliable`: messages are numbered and a lost connection can be recovered.

    Without a subprotocol a client is raw: it has no greeting, no acks and no commands, only data.
    """

    subprotocol: str | None
    encode: Callable[[Command, int | None], Frame]
    """The second argument is the ack id. Raises `NotCarried`."""
    decode: Callable[[Frame], Heard]
    is_reliable: bool = False

    @property
    def is_raw(self) -> bool:
        return self.subprotocol is None


def raw(group: str | None = None) -> Protocol:
    """A raw client. Its frames are events called `message`, or with a group, messages to that group."""

    def encode(command: Command, _ack_id: int | None) -> Frame:
        match command:
            case SendEvent("message", payload) if group is None:
                return _raw_frame(payload)
            case SendToGroup(wanted, payload, no_echo=False) if wanted == group:
                return _raw_frame(payload)
        if group is None:
            raise NotCarried("a raw client can only send the event `message`")
        raise NotCarried(f"this raw client can only send to the group {group}, and always with an echo")

    return Protocol(None, encode, _from_raw)


def _raw_frame(payload: Payload) -> Frame:
    return Frame(payload.body, is_text=isinstance(payload, TextData | JsonData))


def _from_raw(frame: Frame) -> Heard:
    return Data(TextData(text=frame.data.decode()) if frame.is_text else BinaryData(data=frame.data))


PUBSUB: dict[ProtocolName, Protocol] = {
    ProtocolName.JSON: Protocol("json.webpubsub.azure.v1", json_codec.encode, json_codec.decode),
    ProtocolName.RELIABLE: Protocol(
        "json.reliable.webpubsub.azure.v1", json_codec.encode, json_codec.decode, is_reliable=True
    ),
    ProtocolName.PROTOBUF: Protocol("protobuf.webpubsub.azure.v1", protobuf_codec.encode, protobuf_codec.decode),
    ProtocolName.PROTOBUF_RELIABLE: Protocol(
        "protobuf.reliable.webpubsub.azure.v1", protobuf_codec.encode, protobuf_codec.decode, is_reliable=True
    ),
}
