"""The two languages parties speak with the service. Frames in and out, no I/O."""

import re
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue
from pydantic_core import from_json, to_json

from app.models.negotiate import ClientProtocol
from app.simulation import mqtt

Message = dict[str, JsonValue]


@dataclass
class Heard:
    """What one frame held."""

    is_greeting: bool = False
    messages: list[Message] = field(default_factory=list)
    replies: list[bytes] = field(default_factory=list)
    """To be sent back."""


class Dialect(Protocol):
    subprotocol: str
    protocol: ClientProtocol

    def opening(self) -> bytes | None:
        """What the client says first."""

    def event(self, name: str, data: JsonValue) -> str | bytes: ...

    def ping(self) -> bytes | None:
        """To be sent where nothing else was for a while."""

    def hear(self, frame: str | bytes) -> Heard:
        """Raises `ValueError` for what is not of this language."""


class JsonDialect:
    subprotocol = "json.webpubsub.azure.v1"
    protocol = ClientProtocol.DEFAULT

    def opening(self) -> bytes | None:
        return None

    def event(self, name: str, data: JsonValue) -> str | bytes:
        return to_json({"type": "event", "event": name, "dataType": "json", "data": data}).decode()

    def ping(self) -> bytes | None:
        return None

    def hear(self, frame: str | bytes) -> Heard:
        value = from_json(frame)
        kind = value.get("type")
        if kind == "message" and isinstance(value.get("data"), dict):
            return Heard(messages=[value["data"]])
        return Heard(is_greeting=kind == "system" and value.get("event") == "connected")


class MqttDialect:
    """Its connection id is chosen by the device: letters and digits of the party."""

    subprotocol = "mqtt"
    protocol = ClientProtocol.MQTT

    def __init__(self, party: str) -> None:
        self._client_id = re.sub("[^0-9a-zA-Z]", "", party)
        self._reader = mqtt.Reader()

    def opening(self) -> bytes | None:
        self._reader = mqtt.Reader()
        return mqtt.connect(self._client_id)

    def event(self, name: str, data: JsonValue) -> str | bytes:
        return mqtt.publish(f"{mqtt.EVENTS}{name}", to_json(data))

    def ping(self) -> bytes | None:
        return mqtt.PING

    def hear(self, frame: str | bytes) -> Heard:
        heard = Heard()
        for packet in self._reader.feed(frame.encode() if isinstance(frame, str) else frame):
            if packet.kind == mqtt.CONNACK:
                if packet.body[1:2] != b"\x00":
                    raise ValueError("the service refused the CONNECT")
                heard.is_greeting = True
            elif packet.kind == mqtt.PUBLISH:
                publication = mqtt.read_publication(packet)
                if publication.packet_id is not None:
                    heard.replies.append(mqtt.acknowledge(publication.packet_id))
                value = from_json(publication.payload) if publication.payload else None
                if isinstance(value, dict):
                    heard.messages.append(value)
        return heard
