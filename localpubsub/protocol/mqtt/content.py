"""Payloads on their way between MQTT and the other subprotocols (spec/service.md 3.4, 7.2, 7.7)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from localpubsub.protocol.json_codec import is_json
from localpubsub.protocol.messages import DataType, Message, Payload, data_type_of, is_text
from localpubsub.protocol.mqtt.packets import Publish, Will
from localpubsub.protocol.mqtt.properties import NONE, Properties, UserProperties
from localpubsub.protocol.mqtt.wire import is_legal

SERVER_QOS = 1
"""Of what did not come in as MQTT."""

UTF_8 = 1
"""The payload format indicator of text."""

OCTETS = "application/octet-stream"
USER_PROPERTY_HEADER = "mqtt-"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the RFC's word for it
_MEDIA_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(\s*;\s*{_TOKEN}=({_TOKEN}|"[ -~]*"))*\s*;?')
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_OUTGOING: Mapping[DataType, Properties] = {
    DataType.TEXT: Properties(payload_format=UTF_8, content_type="text/plain"),
    DataType.JSON: Properties(payload_format=UTF_8, content_type="application/json"),
    DataType.BINARY: Properties(payload_format=0, content_type=OCTETS),
    DataType.PROTOBUF: Properties(payload_format=0, content_type="application/x-protobuf"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class MqttMessage(Message):
    """As an MQTT client published it. `origin` is that client; `properties` go on unchanged to other MQTT clients."""

    origin: str
    qos: int
    properties: Properties = NONE


def is_payload_legal(publish: Publish | Will) -> bool:
    """What says it is text must be."""
    return publish.properties.payload_format != UTF_8 or is_text(publish.payload)


def payload_of(publish: Publish | Will) -> Payload:
    """For clients that do not speak MQTT. What is not what its content type says is passed on as bytes."""
    content_type, data = publish.properties.content_type, publish.payload
    if content_type:
        media_type = content_type.partition(";")[0].strip().lower()
        if data_type_of(content_type) is DataType.JSON and is_json(data):
            return Payload(DataType.JSON, data)
        textual = media_type.startswith("text/")
    else:
        textual = publish.properties.payload_format == UTF_8
    return Payload(DataType.TEXT if textual and is_text(data) else DataType.BINARY, data)


def forwarded(properties: Properties) -> Properties:
    """What of a PUBLISH or a will goes on to its receivers; the message expiry is counted elsewhere."""
    return replace(
        properties, message_expiry=None, subscription_identifiers=(), topic_alias=None, will_delay=None
    )  # fmt: skip


def properties_of(message: Message) -> Properties:
    """What a receiver that speaks 5.0 is told of a message."""
    return message.properties if isinstance(message, MqttMessage) else _OUTGOING[message.payload.data_type]


def request_content_type(properties: Properties) -> str:
    """Of the event's body, where the client named a media type."""
    content_type = properties.content_type or ""
    return content_type if _MEDIA_TYPE.fullmatch(content_type) else OCTETS


def request_headers(properties: Properties) -> dict[str, str]:
    """The user properties that can be headers; of one that repeats, the values are joined."""
    headers: dict[str, str] = {}
    for name, value in properties.user_properties:
        if re.fullmatch(_TOKEN, name) and _HEADER_VALUE.fullmatch(value):
            header = USER_PROPERTY_HEADER + name.lower()
            headers[header] = f"{headers[header]}, {value}" if header in headers else value
    return headers


def response_properties(
    request: Properties,
    status: int,
    content_type: str | None,
    body: bytes,
    user_properties: UserProperties,
) -> Properties:
    """Of the upstream's answer to an event. What cannot be a text in MQTT is left out."""
    content_type = content_type if content_type and is_legal(content_type) else None
    legal = tuple(pair for pair in user_properties if is_legal(pair[0]) and is_legal(pair[1]))
    textual = content_type is not None and content_type.lower().startswith(("text/", "application/json"))
    return Properties(
        payload_format=UTF_8 if textual and is_text(body) else None,
        content_type=content_type,
        correlation_data=request.correlation_data,
        user_properties=(*legal, ("azure-status-code", str(status))),
    )
