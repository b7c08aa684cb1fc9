"""What a hub may answer (spec/upstream.md 4.2, 5.3)."""

from pydantic import Field

from app.models.actions import Action
from app.models.mqtt import MqttConnectAnswer
from app.models.payloads import Message
from app.models.wire import WireModel


class ConnectResponse(WireModel):
    """Accepts a client. What is left out keeps what its token said."""

    user_id: str | None = Field(default=None, description="Replaces the user id of the token; `''` is literal")
    groups: tuple[str, ...] | None = Field(
        default=None, description="A non-empty list replaces the groups of the token; an empty one keeps them"
    )
    roles: tuple[str, ...] | None = Field(
        default=None, description="Replaces the roles of the token; an empty list removes them all"
    )
    subprotocol: str | None = Field(default=None, description="One of those the client offered")
    mqtt: MqttConnectAnswer | None = Field(default=None, description="User properties for the CONNACK")
    cookies: dict[str, str] = Field(
        default_factory=dict, exclude=True, description="Sent back with later events of this connection"
    )
    actions: tuple[Action, ...] = Field(default=(), exclude=True, description="What the service is asked to do")


class UserEventResponse(WireModel):
    """Answers the client that sent the event, and only that client."""

    data: Message = Field(default=None, description="`None` sends nothing; `JsonData(value=None)` sends a null")
    metadata: dict[str, str] = Field(default_factory=dict, description="Message metadata; ASCII values")
    user_properties: list[tuple[str, str]] = Field(
        default_factory=list, description="MQTT 5.0 user properties; those that are not ASCII are left out"
    )
    cookies: dict[str, str] = Field(default_factory=dict, description="Sent back with later events of this connection")
    actions: tuple[Action, ...] = Field(default=(), description="What the service is asked to do")
