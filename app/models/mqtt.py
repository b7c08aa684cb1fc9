"""What MQTT clients add to events and answers, and the codes that refuse them (spec/upstream.md 6)."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any

from pydantic import Base64Bytes, BeforeValidator, Field

from app.models.wire import WireModel

V3_1_1 = 4
V5_0 = 5


class UserProperty(WireModel):
    """A name may repeat, and the order is kept."""

    name: str
    value: str = ""


def _none_is_empty(value: Any) -> Any:
    return () if value is None else value


UserProperties = Annotated[tuple[UserProperty, ...], BeforeValidator(_none_is_empty)]


class MqttConnectProperties(WireModel):
    protocol_version: int = Field(default=V3_1_1, description="4 is MQTT 3.1.1, 5 is MQTT 5.0")
    clean_start: bool | None = None
    username: str | None = None
    password: Base64Bytes | None = Field(default=None, repr=False)
    user_properties: UserProperties = ()


class MqttDisconnectPacket(WireModel):
    code: int = Field(default=0, ge=0, le=255)
    user_properties: UserProperties = ()


class MqttDisconnectProperties(WireModel):
    initiated_by_client: bool = False
    disconnect_packet: MqttDisconnectPacket | None = Field(
        default=None, description="null when no DISCONNECT was exchanged"
    )


class MqttConnectAnswer(WireModel):
    """Goes into the CONNACK; MQTT 5.0 clients see it, 3.1.1 clients do not."""

    user_properties: tuple[UserProperty, ...]


class MqttRefusal(WireModel):
    """Why a CONNECT was refused. `code` suits the client's protocol version."""

    code: int
    reason: str | None = None
    user_properties: tuple[UserProperty, ...] | None = None


class MqttRefusalBody(WireModel):
    """The JSON body of a refused MQTT connect (spec/upstream.md 6.3)."""

    mqtt: MqttRefusal


class ConnectReturnCode(IntEnum):
    """Return codes of CONNACK in MQTT 3.1.1."""

    UNACCEPTABLE_PROTOCOL_VERSION = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_USER_NAME_OR_PASSWORD = 4
    NOT_AUTHORIZED = 5


class ConnectReasonCode(IntEnum):
    """Failing reason codes of CONNACK in MQTT 5.0."""

    UNSPECIFIED_ERROR = 128
    MALFORMED_PACKET = 129
    PROTOCOL_ERROR = 130
    IMPLEMENTATION_SPECIFIC_ERROR = 131
    UNSUPPORTED_PROTOCOL_VERSION = 132
    CLIENT_IDENTIFIER_NOT_VALID = 133
    BAD_USER_NAME_OR_PASSWORD = 134
    NOT_AUTHORIZED = 135
    SERVER_UNAVAILABLE = 136
    SERVER_BUSY = 137
    BANNED = 138
    BAD_AUTHENTICATION_METHOD = 140
    TOPIC_NAME_INVALID = 144
    PACKET_TOO_LARGE = 149
    QUOTA_EXCEEDED = 151
    PAYLOAD_FORMAT_INVALID = 153
    RETAIN_NOT_SUPPORTED = 154
    QOS_NOT_SUPPORTED = 155
    USE_ANOTHER_SERVER = 156
    SERVER_MOVED = 157
    CONNECTION_RATE_EXCEEDED = 159


_V3, _V5 = ConnectReturnCode, ConnectReasonCode

_STATUS: Mapping[int, int] = {
    _V3.UNACCEPTABLE_PROTOCOL_VERSION: 400,
    _V3.IDENTIFIER_REJECTED: 400,
    _V3.SERVER_UNAVAILABLE: 503,
    _V3.BAD_USER_NAME_OR_PASSWORD: 401,
    _V3.NOT_AUTHORIZED: 401,
    _V5.UNSPECIFIED_ERROR: 500,
    _V5.PROTOCOL_ERROR: 500,
    _V5.BAD_USER_NAME_OR_PASSWORD: 401,
    _V5.NOT_AUTHORIZED: 401,
    _V5.SERVER_UNAVAILABLE: 500,
    _V5.SERVER_BUSY: 500,
    _V5.BANNED: 403,
    _V5.QUOTA_EXCEEDED: 429,
    _V5.CONNECTION_RATE_EXCEEDED: 429,
    _V5.USE_ANOTHER_SERVER: 500,
    _V5.SERVER_MOVED: 500,
}

_V3_CODE: Mapping[int, int] = {
    400: _V3.BAD_USER_NAME_OR_PASSWORD,
    401: _V3.NOT_AUTHORIZED,
    403: _V3.NOT_AUTHORIZED,
}
_V5_CODE: Mapping[int, int] = {
    400: _V5.BAD_USER_NAME_OR_PASSWORD,
    401: _V5.NOT_AUTHORIZED,
    403: _V5.BANNED,
    429: _V5.CONNECTION_RATE_EXCEEDED,
    503: _V5.SERVER_UNAVAILABLE,
}


def status_for(code: int) -> int:
    """The HTTP status that goes with a CONNACK code of either version; 400 for those the table leaves out."""
    return _STATUS.get(code, 400)


def code_for(status: int, protocol_version: int) -> int:
    """The CONNACK code for a bare HTTP status, valid for the client's protocol version."""
    if protocol_version == V3_1_1:
        return _V3_CODE.get(status, _V3.SERVER_UNAVAILABLE)
    return _V5_CODE.get(status, _V5.UNSPECIFIED_ERROR)


def is_code_valid(code: int, protocol_version: int) -> bool:
    """Whether a client of this protocol version may be sent `code` as a refusal."""
    if protocol_version == V3_1_1:
        return 1 <= code <= 5
    return 128 <= code <= 255
