"""From headers and bytes to one member of the closed event union (spec/upstream.md 2, 4-6).

Binary content mode only: attributes are `ce-*` headers, the body is the data.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    Event,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectedEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
    MqttUserEvent,
    UserEvent,
)
from app.models.payloads import BINARY, JSON, PROTOBUF, TEXT, BinaryData, JsonData, Payload, ProtobufData, TextData
from app.upstream.errors import MalformedEvent, NotFound, UnsupportedMedia

SYSTEM = "azure.webpubsub.sys."
USER = "azure.webpubsub.user."
GROUP_PRESENCE = "azure.webpubsub.gp."
ANY_SERVICE_TYPE = "azure.webpubsub."
METADATA = "x-webpubsub-metadata-"
MQTT_PROPERTY = "mqtt-"
STRUCTURED_MODE = "application/cloudevents"

_IDENTITY = frozenset({b"ce-connectionid", b"ce-hub", b"ce-type", b"ce-eventname", b"ce-connectionstate"})
_LISTS = frozenset({b"ce-signature", b"webhook-request-origin"})

Headers = dict[str, str]
_EventModel = TypeVar("_EventModel", bound=BaseModel)


def read_headers(lines: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The header lines as a dictionary; the first of repeated lines wins, lists are joined.

    Names must be lower case, as ASGI has them. Raises `MalformedEvent` where an identity header is repeated: two
    readers of one request must not see two connections.
    """
    lines = lines if isinstance(lines, list) else list(lines)
    headers = dict(lines)
    if len(headers) == len(lines):
        return headers
    headers = {}
    for name, value in lines:
        if name not in headers:
            headers[name] = value
        elif name in _LISTS:
            headers[name] += b"," + value
        elif name in _IDENTITY:
            raise MalformedEvent(f"header {name.decode()} is repeated")
    return headers


def decode_headers(headers: Mapping[bytes, bytes]) -> Headers:
    """Header text. The user id is UTF-8 on the wire although HTTP libraries assume latin-1."""
    decoded = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    user_id = headers.get(b"ce-userid")
    if user_id is not None and not user_id.isascii():
        with suppress(UnicodeDecodeError):  # an intermediary may have spoken latin-1 after all
            decoded["ce-userid"] = user_id.decode()
    return decoded


def decode_context(headers: Headers, *, strict: bool = False) -> ConnectionContext:
    """The attributes of an event. Raises `MalformedEvent`, naming the header that is missing or wrong."""
    try:
        context = ConnectionContext.model_validate(headers)
    except ValidationError as error:
        raise MalformedEvent(_first_problem(error, "header ")) from None
    if not context.awps_version:
        raise MalformedEvent("header ce-awpsversion is required")
    if context.spec_version is not None and context.spec_version != "1.0":
        raise MalformedEvent("header ce-specversion must be 1.0")
    if strict:
        _check_strictly(context)
    return context


def _check_strictly(context: ConnectionContext) -> None:
    if context.spec_version is None:
        raise MalformedEvent("header ce-specversion is required")
    if context.awps_version != "1.0":
        raise MalformedEvent("header ce-awpsversion must be 1.0")
    if context.event_id is None or not (context.event_id.isascii() and context.event_id.isdigit()):
        raise MalformedEvent("header ce-id must be a decimal integer")


def is_user_event(context: ConnectionContext) -> bool:
    return context.type.startswith(USER)


def check_type(context: ConnectionContext) -> None:
    """Raises `MalformedEvent` for what no service sends and `NotFound` for what a newer one might."""
    for family in (USER, SYSTEM, GROUP_PRESENCE):
        if context.type.startswith(family):
            name = context.type[len(family) :]
            break
    else:
        if context.type.startswith(ANY_SERVICE_TYPE):
            raise NotFound("this event type is not known here")
        raise MalformedEvent("ce-type is not an Azure Web PubSub event")
    if not name:
        raise MalformedEvent("ce-type names no event")
    if name.lower() != context.event_name.lower():
        raise MalformedEvent("ce-type and ce-eventName contradict each other")
    if family != USER and context.type not in _DECODERS:
        raise NotFound("this event type is not known here")


def media_type(context: ConnectionContext, content_type: str | None) -> str:
    """The bare media type of the body, in lower case.

    Raises `UnsupportedMedia` where a user event has one no client can have sent. MQTT may carry any, or none.
    """
    bare = (content_type or "").partition(";")[0].strip().lower()
    if not is_user_event(context):
        return JSON
    if context.is_mqtt:
        return bare or BINARY
    if bare not in (TEXT, JSON, BINARY, PROTOBUF):
        raise UnsupportedMedia(f"a user event needs a content type of {TEXT}, {JSON}, {BINARY} or {PROTOBUF}")
    return bare


def decode_event(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> Event:
    """The event. Raises `MalformedEvent` where the body does not fit; `check_type` has passed before."""
    if is_user_event(context):
        return _decode_user_event(context, media, headers, body)
    return _DECODERS[context.type](context, body)


def _decode_user_event(context: ConnectionContext, media: str, headers: Headers, body: bytes) -> UserEvent:
    metadata = {name[len(METADATA) :]: value for name, value in headers.items() if name.startswith(METADATA)}
    data = decode_payload(media, body)
    if not context.is_mqtt:
        return UserEvent.model_construct(context=context, data=data, metadata=metadata)
    properties = [
        (name[len(MQTT_PROPERTY) :], value) for name, value in headers.items() if name.startswith(MQTT_PROPERTY)
    ]
    return MqttUserEvent.model_construct(context=context, data=data, metadata=metadata, user_properties=properties)


def decode_payload(media: str, body: bytes) -> Payload:
    """The data of a user event. Raises `MalformedEvent` for text that is not UTF-8 and for JSON that is not JSON."""
    try:
        match media:
            case "text/plain":
                return TextData.model_construct(text=body.decode())
            case "application/json":
                return JsonData.model_construct(value=from_json(body, allow_inf_nan=False), raw=body)
            case "application/x-protobuf":
                return ProtobufData.model_construct(data=body)
            case _:
                return BinaryData.model_construct(data=body, content_type=media)
    except UnicodeDecodeError:
        raise MalformedEvent("the text is not UTF-8") from None
    except ValueError:
        raise MalformedEvent("the body is not valid JSON") from None


def _members(body: bytes) -> dict[str, Any]:
    """The members of a JSON object; null ones are left out, as if they were not there."""
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise MalformedEvent("the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise MalformedEvent("the body is not a JSON object")
    return {name: member for name, member in value.items() if member is not None}


def _validated(model: type[_EventModel], context: ConnectionContext, members: dict[str, Any]) -> _EventModel:
    try:
        # `context` comes last: a member of the body must never pass for a header.
        return model.model_validate({**members, "context": context})
    except ValidationError as error:
        raise MalformedEvent(_first_problem(error, "member ")) from None


def _decode_connect(context: ConnectionContext, body: bytes) -> ConnectEvent:
    return _validated(MqttConnectEvent if context.is_mqtt else ConnectEvent, context, _members(body))


def _decode_connected(context: ConnectionContext, body: bytes) -> ConnectedEvent:  # noqa: ARG001 - the body is unused
    model = MqttConnectedEvent if context.is_mqtt else ConnectedEvent
    return model.model_construct(context=context)


def _decode_disconnected(context: ConnectionContext, body: bytes) -> DisconnectedEvent:
    """The connection is gone whatever the body says, so what cannot be read is left out (spec/upstream.md 5.2)."""
    model = MqttDisconnectedEvent if context.is_mqtt else DisconnectedEvent
    try:
        return _validated(model, context, _members(body))
    except MalformedEvent:
        return model(context=context)


def _decode_joined(context: ConnectionContext, body: bytes) -> GroupJoinedEvent:
    return _validated(GroupJoinedEvent, context, _members(body))


def _decode_left(context: ConnectionContext, body: bytes) -> GroupLeftEvent:
    return _validated(GroupLeftEvent, context, _members(body))


_DECODERS: Mapping[str, Callable[[ConnectionContext, bytes], Event]] = {
    f"{SYSTEM}connect": _decode_connect,
    f"{SYSTEM}connected": _decode_connected,
    f"{SYSTEM}disconnected": _decode_disconnected,
    f"{GROUP_PRESENCE}joined": _decode_joined,
    f"{GROUP_PRESENCE}left": _decode_left,
}


def _first_problem(error: ValidationError, what: str) -> str:
    """One sentence for the caller; it names the place and the rule, never the value."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(step) for step in problem["loc"])
    rule = "is required" if problem["type"] == "missing" else problem["msg"][:1].lower() + problem["msg"][1:]
    return f"{what}{place}: {rule}" if problem["type"] != "missing" else f"{what}{place} is required"
