"""What `/negotiate` answers (spec/upstream.md 9.5)."""

from enum import StrEnum

from app.models.wire import WireModel

MOST_MINUTES = 24 * 60
"""The longest life of a client access URL that is made here."""


class ClientProtocol(StrEnum):
    """Which door of the service a client access URL opens."""

    DEFAULT = "default"
    MQTT = "mqtt"
    SOCKET_IO = "socketio"


class ClientAccess(WireModel):
    """A client access URL in every shape the field reads: the SDK's `token`, the binding's `accessToken`."""

    base_url: str
    url: str
    access_token: str
    token: str

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self, by_alias=True)
