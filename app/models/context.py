"""The shapes of the Functions binding `WebPubSubContext` (spec/upstream.md 10)."""

import base64
from collections.abc import Mapping
from enum import IntEnum

from pydantic import Field, JsonValue

from app.models.events import ClientCertificate, Multi
from app.models.mqtt import MqttConnectProperties, MqttDisconnectProperties
from app.models.payloads import JsonData, Payload, TextData
from app.models.wire import WireModel


def _is_none(value: object) -> bool:
    return value is None


class EventType(IntEnum):
    SYSTEM = 0
    USER = 1
    GROUP_PRESENCE = 2


class ConnectionContextInfo(WireModel):
    """Which connection the event is of. `states` are the values of the connection state."""

    event_type: EventType
    event_name: str
    hub: str
    connection_id: str
    user_id: str | None = None
    signature: str | None = Field(default=None, repr=False)
    origin: str
    states: dict[str, JsonValue] = Field(default_factory=dict)
    headers: Multi = Field(default_factory=dict)
    physical_connection_id: str | None = Field(default=None, exclude_if=_is_none)
    session_id: str | None = Field(default=None, exclude_if=_is_none)


class PreflightRequest(WireModel):
    is_valid: bool


class EventRequest(WireModel):
    """What every event has. `ConnectedEventRequest` has nothing more."""

    connection_context: ConnectionContextInfo


class ConnectEventRequest(EventRequest):
    claims: Multi
    query: Multi
    headers: Multi
    subprotocols: list[str]
    client_certificates: list[ClientCertificate]


class MqttConnectEventRequest(ConnectEventRequest):
    mqtt: MqttConnectProperties


class ConnectedEventRequest(EventRequest):
    """A connection is open."""


class UserEventRequest(EventRequest):
    """`data_type` is `Text`, `Json` or `Binary`; binary data is base64 in JSON."""

    data: JsonValue
    data_type: str

    @classmethod
    def of(cls, connection_context: ConnectionContextInfo, payload: Payload) -> "UserEventRequest":
        if isinstance(payload, TextData):
            data, kind = payload.text, "Text"
        elif isinstance(payload, JsonData):
            return cls(connection_context=connection_context, data=payload.value, data_type="Json")
        else:
            data, kind = base64.b64encode(payload.body).decode(), "Binary"
        return cls(connection_context=connection_context, data=data, data_type=kind)


class DisconnectedEventRequest(EventRequest):
    reason: str | None


class MqttDisconnectedEventRequest(DisconnectedEventRequest):
    mqtt: MqttDisconnectProperties


class GroupJoinedEventRequest(EventRequest):
    group: str


class GroupLeftEventRequest(EventRequest):
    group: str


ContextRequest = (
    PreflightRequest
    | MqttConnectEventRequest
    | ConnectEventRequest
    | UserEventRequest
    | MqttDisconnectedEventRequest
    | DisconnectedEventRequest
    | GroupJoinedEventRequest
    | GroupLeftEventRequest
    | ConnectedEventRequest
)


class ContextResponse(WireModel):
    """To be returned unchanged for a preflight and for an error."""

    body: str | None = None
    status: int
    headers: Mapping[str, str] = Field(default_factory=dict)


class WebPubSubContext(WireModel):
    """One request of the service, decoded: `request` is `None` where `has_error`, and left out of the JSON then."""

    request: ContextRequest | None = Field(default=None, exclude_if=_is_none)
    response: ContextResponse
    error_message: str | None = None
    has_error: bool = False
    is_preflight: bool = False


class ConnectionInfo(WireModel):
    """The shape of the Functions binding `WebPubSubConnection`."""

    base_url: str
    url: str
    access_token: str
