"""From headers and bytes to one member of the closed event union (spec/upstream.md 2, 4-6).

Binary content mode only: attributes are `ce-*` headers, the body is the data.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from functools import lru_cache
from typing import NamedTuple, TypeVar

import structlog
from pydantic import JsonValue, ValidationError

from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    Event,
    EventBase,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectedEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
    MqttUserEvent,
    UserEvent,
)
from app.models.payloads import (
    BINARY,
    JSON,
    PROTOBUF,
    TEXT,
    BinaryData,
    JsonData,
    Payload,
    ProtobufData,
    TextData,
    parse_json,
)
from app.upstream.errors import MalformedEvent, UnknownEventType, UnsupportedMedia

log = structlog.get_logger(__name__)

SYSTEM = "azure.webpubsub.sys."
USER = "azure.webpubsub.user."
GROUP_PRESENCE = "azure.webpubsub.gp."
ANY_SERVICE_TYPE = "azure.webpubsub."
METADATA = b"x-webpubsub-metadata-"
MQTT_PROPERTY = b"mqtt-"
STRUCTURED_MODE = b"application/cloudevents"

_PAYLOADS = frozenset({TEXT, JSON, BINARY, PROTOBUF})
_MEDIA_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*", re.ASCII)

_CONTEXT_FIELDS: Mapping[bytes, str] = {
    str(field.title).lower().encode(): name for name, field in ConnectionContext.model_fields.items()
}
_HEADER_NAMES: Mapping[str, str] = {name: str(field.title) for name, field in ConnectionContext.model_fields.items()}
_IDENTITY = frozenset(
    {
        b"authorization", b"ce-connectionid", b"ce-connectionstate", b"ce-eventname", b"ce-hub", b"ce-id",
        b"ce-physicalconnectionid", b"ce-sessionid", b"ce-type", b"ce-userid",
    }
)  # fmt: skip
_LISTS = frozenset({b"ce-signature", b"webhook-request-origin"})

_USUAL_HEADERS = frozenset(_CONTEXT_FIELDS) | {
    b"accept", b"accept-encoding", b"authorization", b"ce-signature", b"connection", b"content-length",
    b"content-type", b"host", b"traceparent", b"tracestate", b"user-agent",
}  # fmt: skip

# What `model_validate` and `__init__` call. Their own work around it costs as much as reading four headers.
_context_from = ConnectionContext.__pydantic_validator__.validate_python
_user_event_from = UserEvent.__pydantic_validator__.validate_python
_text_from = TextData.__pydantic_validator__.validate_python

Lines = Sequence[tuple[bytes, bytes]]
Headers = dict[bytes, bytes]
_EventModel = TypeVar("_EventModel", bound=EventBase)


def read_headers(lines: Lines) -> Headers:
    """The header lines as a dictionary; lists, cookies and MQTT properties are joined, of others the first line wins.

    Names must be lower case, as ASGI has them. Raises `MalformedEvent` where an identity header is repeated: two
    readers of one request must not see two connections.
    """
    headers = dict(lines)
    if len(headers) == len(lines):
        return headers
    headers = {}
    for name, value in lines:
        if name not in headers:
            headers[name] = value
        elif name in _LISTS or name.startswith(MQTT_PROPERTY):
            headers[name] += b"," + value
        elif name == b"cookie":
            headers[name] += b"; " + value
        elif name in _IDENTITY:
            raise MalformedEvent(f"header {name.decode()} is repeated")
    return headers


def decode_context(headers: Headers, *, strict: bool = False) -> ConnectionContext:
    """The attributes of an event. Raises `MalformedEvent`, naming the header that is missing or wrong."""
    fields = _CONTEXT_FIELDS
    # pydantic reads bytes as UTF-8, which is what the service writes; HTTP libraries would assume latin-1.
    attributes = {fields[name]: value for name, value in headers.items() if name in fields}
    try:
        context: ConnectionContext = _context_from(attributes)
    except ValidationError as error:
        context = _decode_latin(attributes, error)
    if context.spec_version is not None and context.spec_version != "1.0":
        raise MalformedEvent("header ce-specversion must be 1.0")
    if strict:
        _check_strictly(context)
    return context


def _decode_latin(attributes: Mapping[str, bytes], error: ValidationError) -> ConnectionContext:
    """The second look at headers that are not what they should be: an intermediary may have spoken latin-1."""
    if all(value.isascii() for value in attributes.values()):
        raise MalformedEvent(_first_problem(error, "header", _HEADER_NAMES)) from None
    try:
        return ConnectionContext.model_validate({name: _text(value) for name, value in attributes.items()})
    except ValidationError as second:
        raise MalformedEvent(_first_problem(second, "header", _HEADER_NAMES)) from None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _check_strictly(context: ConnectionContext) -> None:
    if context.spec_version is None:
        raise MalformedEvent("header ce-specversion is required")
    if context.awps_version != "1.0":
        raise MalformedEvent("header ce-awpsversion must be 1.0")
    if context.event_id is None or not (context.event_id.isascii() and context.event_id.isdigit()):
        raise MalformedEvent("header ce-id must be a decimal integer")


class Kind(NamedTuple):
    """What an event is, as far as its headers tell. `media` is `None` where the body is JSON by definition."""

    media: str
    decode: "Decoder"


@lru_cache(maxsize=1024)
def kind_of(event_type: str, event_name: str, content_type: bytes, is_mqtt: bool) -> Kind:  # noqa: FBT001
    """Which event this is and how its body is read; a service sends few kinds and many of each.

    Raises `MalformedEvent` for what no service sends, `UnknownEventType` for what a newer one might, `UnsupportedMedia`
    where a user event has a content type no client can have sent. MQTT may carry any, or none.
    """
    family = next((prefix for prefix in (USER, SYSTEM, GROUP_PRESENCE) if event_type.startswith(prefix)), None)
    if family is None and event_type.startswith(ANY_SERVICE_TYPE):
        raise UnknownEventType("this event type is not known here")
    if family is None:
        raise MalformedEvent("ce-type is not an Azure Web PubSub event")
    name = event_type.removeprefix(family)
    if not name:
        raise MalformedEvent("ce-type names no event")
    if name.lower() != event_name.lower():
        raise MalformedEvent("ce-type and ce-eventName contradict each other")
    if family != USER:
        if event_type not in _DECODERS:
            raise UnknownEventType("this event type is not known here")
        return Kind(JSON, _DECODERS[event_type])
    bare = content_type.partition(b";")[0].strip().lower().decode("latin-1")
    if is_mqtt:
        return Kind(bare if bare in _PAYLOADS else _media_of(content_type), _decode_mqtt_user_event)
    if bare not in _PAYLOADS:
        raise UnsupportedMedia(f"a user event needs a content type of {TEXT}, {JSON}, {BINARY} or {PROTOBUF}")
    return Kind(bare, _decode_user_event)


def _media_of(content_type: bytes) -> str:
    """A media type as a device wrote it, parameters included; binary where it is none that could be sent back."""
    text = content_type.strip().decode("latin-1")
    return text if _MEDIA_TYPE.fullmatch(text) else BINARY


def _prefixed(headers: Headers, names: Set[bytes], prefix: bytes) -> list[tuple[str, str]]:
    return [
        (name[len(prefix) :].decode("latin-1"), _text(value))
        for name, value in headers.items()
        if name in names and name.startswith(prefix) and name != prefix
    ]


def _metadata(headers: Headers) -> dict[str, str]:
    """What is not ASCII is no metadata: a hub that sends it back as it came must not fail for it."""
    if _USUAL_HEADERS.issuperset(headers):
        return {}
    unusual = headers.keys() - _USUAL_HEADERS
    return {key: value for key, value in _prefixed(headers, unusual, METADATA) if value.isascii()}


def _decode_user_event(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> UserEvent:
    event: UserEvent = _user_event_from({"data": decode_payload(media, body), "metadata": _metadata(headers)})
    return event.within(context)


def _decode_mqtt_user_event(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> MqttUserEvent:
    properties = _prefixed(headers, headers.keys(), MQTT_PROPERTY)
    data = decode_payload(media, body)
    return MqttUserEvent(data=data, metadata=_metadata(headers), user_properties=properties).within(context)


def decode_payload(media: str, body: bytes) -> Payload:
    """The data of a user event. Raises `MalformedEvent` for text that is not UTF-8 and for JSON that is not JSON."""
    try:
        match media:
            case "text/plain":
                text: TextData = _text_from({"text": body.decode()})
                return text
            case "application/json":
                return JsonData.model_construct(value=parse_json(body), raw=body)
            case "application/x-protobuf":
                return ProtobufData(data=body)
            case _:
                return BinaryData(data=body, content_type=media)
    except UnicodeDecodeError:
        raise MalformedEvent("the text is not UTF-8") from None
    except ValueError:
        raise MalformedEvent("the body is not valid JSON") from None


def _read(model: type[_EventModel], context: ConnectionContext, body: bytes) -> _EventModel:
    try:
        if b"NaN" not in body and b"Infinity" not in body:
            event: _EventModel = model.__pydantic_validator__.validate_json(body, by_alias=True, by_name=False)
            return event.within(context)
    except ValidationError:
        pass  # it may still be an older service's way of saying nothing
    return _read_leniently(model, context, body)


def _read_leniently(model: type[_EventModel], context: ConnectionContext, body: bytes) -> _EventModel:
    """As `_read`; a null counts as absent, wherever it is (spec/upstream.md 4.1)."""
    try:
        members = parse_json(body)
    except ValueError:
        raise MalformedEvent("the body is not valid JSON") from None
    if not isinstance(members, dict):
        raise MalformedEvent("the body is not a JSON object")
    try:
        return model.model_validate(_without_nulls(members), by_alias=True, by_name=False).within(context)
    except ValidationError as error:
        raise MalformedEvent(_first_problem(error, "member", {})) from None


def _without_nulls(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value if one is not None]
    return value


def _decode_connect(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> ConnectEvent:  # noqa: ARG001
    return _read(MqttConnectEvent if context.is_mqtt else ConnectEvent, context, body)


def _decode_connected(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> ConnectedEvent:  # noqa: ARG001
    return (MqttConnectedEvent() if context.is_mqtt else ConnectedEvent()).within(context)


def _decode_disconnected(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> DisconnectedEvent:  # noqa: ARG001
    """The connection is gone whatever the body says, so what cannot be read is left out (spec/upstream.md 5.2)."""
    model = MqttDisconnectedEvent if context.is_mqtt else DisconnectedEvent
    try:
        return _read(model, context, body)
    except MalformedEvent as error:
        log.warning(
            "disconnected cannot be read", hub=context.hub, connection_id=context.connection_id, reason=error.reason
        )
        return model().within(context)


def _decode_joined(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> GroupJoinedEvent:  # noqa: ARG001
    return _read(GroupJoinedEvent, context, body)


def _decode_left(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> GroupLeftEvent:  # noqa: ARG001
    return _read(GroupLeftEvent, context, body)


Decoder = Callable[[ConnectionContext, str, Headers, bytes], Event]

_DECODERS: Mapping[str, Decoder] = {
    f"{SYSTEM}connect": _decode_connect,
    f"{SYSTEM}connected": _decode_connected,
    f"{SYSTEM}disconnected": _decode_disconnected,
    f"{GROUP_PRESENCE}joined": _decode_joined,
    f"{GROUP_PRESENCE}left": _decode_left,
}


def _first_problem(error: ValidationError, what: str, names: Mapping[str, str]) -> str:
    """One sentence for the caller; it names the place and the rule, never the value."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(names.get(str(step), str(step)) for step in problem["loc"])
    if problem["type"] in ("missing", "string_too_short"):
        return f"{what} {place} is required"
    return f"{what} {place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
