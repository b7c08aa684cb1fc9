"""The closed union of events Azure Web PubSub delivers (spec/upstream.md 2-6)."""

from hashlib import blake2b
from http.cookies import SimpleCookie
from secrets import token_hex
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue
from pydantic_core import to_json

from app.models.mqtt import MqttConnectProperties, MqttDisconnectProperties
from app.models.payloads import JsonData, Payload, TextData
from app.models.wire import WireModel
from app.upstream.connection_state import ConnectionState


def _header(name: str, description: str, **rules: Any) -> Any:
    """A field that is read from the header `name`."""
    return Field(title=name, description=description, **rules)


class ConnectionContext(WireModel):
    """The attributes every event carries in its headers (spec/upstream.md 2.2)."""

    model_config = ConfigDict(arbitrary_types_allowed=True, alias_generator=None)

    origin: str = _header("WebHook-Request-Origin", "Host of the calling service, or a list of hosts", min_length=1)
    awps_version: str = _header("ce-awpsversion", "Event contract version, `1.0`", min_length=1)
    type: str = _header("ce-type", "`azure.webpubsub.{sys,user,gp}.*`", min_length=1)
    event_name: str = _header("ce-eventName", "Event name without the prefix of `ce-type`", min_length=1)
    hub: str = _header("ce-hub", "Hub name", min_length=1, max_length=128)
    connection_id: str = _header(
        "ce-connectionId", "Connection id; for MQTT the client id", min_length=1, max_length=1024, pattern=r"\S"
    )
    event_id: str | None = _header(
        "ce-id", "Counts up per connection; the same on a redelivery", default=None, max_length=256
    )
    user_id: str | None = _header("ce-userId", "User id, UTF-8", default=None, max_length=1024)
    subprotocol: str | None = _header("ce-subprotocol", "Negotiated subprotocol", default=None)
    spec_version: str | None = _header("ce-specversion", "CloudEvents version, `1.0`", default=None)
    source: str | None = _header("ce-source", "`/hubs/{hub}/client/{connectionId}`", default=None)
    time: str | None = _header("ce-time", "When the event was sent, UTC", default=None)
    physical_connection_id: str | None = _header(
        "ce-physicalConnectionId", "MQTT: the network connection", default=None, max_length=256
    )
    session_id: str | None = _header("ce-sessionId", "MQTT: the session; absent on connect", default=None)
    request_id: str | None = _header("x-ms-client-request-id", "Correlation id of the service", default=None)
    traceparent: str | None = _header("traceparent", "W3C trace context of the caller", default=None)
    cookie: str | None = _header("Cookie", "Cookies that earlier answers set", default=None, repr=False)
    state: Annotated[ConnectionState, BeforeValidator(ConnectionState.from_header)] = _header(
        "ce-connectionState",
        "What earlier answers stored for this connection",
        default_factory=ConnectionState,
        json_schema_extra={"type": "string"},
    )

    @property
    def is_mqtt(self) -> bool:
        """The physical connection id is the one attribute that only MQTT has (spec/upstream.md 6)."""
        return bool(self.physical_connection_id)


class EventBase(WireModel):
    """The members are those of the body; the headers are in `context`. The shortcuts are for reading."""

    # Beside the fields, not among them: no member of a body can pass for a header.
    __slots__ = ("context",)

    if TYPE_CHECKING:

        @property
        def context(self) -> ConnectionContext: ...

    def within(self, context: ConnectionContext) -> Self:
        """The same event, with the headers it came in. Every event gets its context once, where it is made."""
        object.__setattr__(self, "context", context)
        return self

    @property
    def hub(self) -> str:
        return self.context.hub

    @property
    def connection_id(self) -> str:
        return self.context.connection_id

    @property
    def user_id(self) -> str | None:
        """`None` for an anonymous connection."""
        return self.context.user_id or None

    @property
    def state(self) -> ConnectionState:
        """What was stored for this connection. Changes are kept by answers to `connect` and user events only."""
        return self.context.state

    @property
    def cookies(self) -> dict[str, str]:
        """Cookies that earlier answers set for this connection."""
        pairs = (pair.partition("=") for pair in (self.context.cookie or "").split(";"))
        unquote = SimpleCookie().value_decode
        return {name.strip(): unquote(value.strip())[0] for name, _, value in pairs if name.strip()}

    def message_id(self, part: str = "") -> str:
        """An id for a message this event causes: the same on a redelivery, so that readers can drop a repeat.

        Where an event causes several messages, `part` tells them apart. It gives nothing of the connection away.
        """
        context = self.context
        cause = (context.hub.lower(), context.connection_id, context.physical_connection_id, context.event_id)
        if not context.event_id:
            return token_hex(12)
        return blake2b(to_json((*cause, context.type, part)), digest_size=12).hexdigest()


Multi = dict[str, list[str]]


GroupName = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"\S")]


class OtherData(TypeError):
    """The client sent other data than the hub reads. Where the hub lets this pass, the event is answered 400."""


class ClientCertificate(WireModel):
    thumbprint: str = ""
    content: str | None = None

    @property
    def fingerprint(self) -> str:
        """The thumbprint in one spelling: upper case, no separators."""
        return self.thumbprint.replace(":", "").replace(" ", "").upper()


class ConnectEvent(EventBase):
    """A client knocks. Blocking: its socket opens, or not, with the answer (spec/upstream.md 4)."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    claims: Multi = Field(default_factory=dict, description="Token claims; every value is a list")
    query: Multi = Field(default_factory=dict, description="Query of the client's URL")
    headers: Multi = Field(default_factory=dict, description="Headers of the client's handshake, cookies included")
    subprotocols: list[str] = Field(default_factory=list, description="What the client offered, in its order")
    client_certificates: list[ClientCertificate] = Field(default_factory=list)

    def query_value(self, name: str) -> str | None:
        """The first value of the query parameter `name`, or `None`."""
        return next(iter(self.query.get(name, ())), None)

    def claim(self, name: str) -> str | None:
        """The first value of the claim `name`, or `None`."""
        return next(iter(self.claims.get(name, ())), None)


class MqttConnectEvent(ConnectEvent):
    """An MQTT CONNECT, sent on reconnects to a live session too (spec/upstream.md 6.1)."""

    mqtt: MqttConnectProperties = MqttConnectProperties()


class ConnectedEvent(EventBase):
    """The socket is open. Acknowledged before it is handled; may overtake or follow the first user event."""


class MqttConnectedEvent(ConnectedEvent):
    """A new MQTT session began."""


class DisconnectedEvent(EventBase):
    """The connection is over for good; reliable clients are past recovery. It may never come."""

    reason: str | None = None


class MqttDisconnectedEvent(DisconnectedEvent):
    """The MQTT session ended or expired."""

    mqtt: MqttDisconnectProperties = MqttDisconnectProperties()


class UserEvent(EventBase):
    """What a client sent. Blocking: the answer goes back to this client only (spec/upstream.md 5.3)."""

    data: Payload
    metadata: dict[str, str] = Field(default_factory=dict, description="`x-webpubsub-metadata-*`, keys in lower case")

    @property
    def name(self) -> str:
        return self.context.event_name

    @property
    def text(self) -> str:
        """The data as text. Raises `OtherData` where bytes are not UTF-8."""
        if isinstance(self.data, TextData):
            return self.data.text
        try:
            return self.data.body.decode()
        except UnicodeDecodeError:
            raise OtherData("the data of this event is not text") from None

    @property
    def value(self) -> JsonValue:
        """The JSON value. Raises `OtherData` where the client sent something else."""
        if not isinstance(self.data, JsonData):
            raise OtherData("the data of this event is not JSON")
        return self.data.value


class MqttUserEvent(UserEvent):
    """A PUBLISH to `$webpubsub/server/events/{name}`; metadata-like user properties come as headers."""

    user_properties: list[tuple[str, str]] = Field(default_factory=list, description="`mqtt-*` headers, prefix removed")


class GroupJoinedEvent(EventBase):
    """A connection joined a group (preview)."""

    group: GroupName


class GroupLeftEvent(EventBase):
    """A connection left a group (preview)."""

    group: GroupName


Event = ConnectEvent | ConnectedEvent | DisconnectedEvent | UserEvent | GroupJoinedEvent | GroupLeftEvent
"""Closed: `match` over it with `assert_never`. The MQTT variants are subclasses of their plain forms."""
