"""What `/docs` says of the hot routes.

They are answered before the framework's routing, so their contract is declared here: from the same models that decode
the events, once per event kind under `webhooks` and as a whole under `paths`.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.models.events import (
    ConnectEvent,
    ConnectionContext,
    DisconnectedEvent,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
)
from app.models.mqtt import MqttRefusalBody
from app.models.negotiate import ClientAccess, ClientProtocol
from app.models.payloads import BINARY, JSON, PROTOBUF, TEXT
from app.models.responses import ConnectResponse

Document = dict[str, Any]

_MODELS: tuple[type[BaseModel], ...] = (
    ClientAccess,
    ConnectEvent,
    ConnectResponse,
    DisconnectedEvent,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
    MqttRefusalBody,
)
_REFUSALS: Mapping[str, str] = {
    "400": "Malformed: a header is missing or repeated, headers contradict each other, or the body does not fit",
    "401": "Not authentic: no signature of a configured access key, or no valid bearer token",
    "403": "A genuine token of somebody else",
    "404": "This hub or event type is not served here",
    "408": "The body takes too long to come; the service delivers again",
    "413": "The body is too large",
    "415": "A content type no client can have sent, or the structured mode of CloudEvents",
    "431": "The headers are too large",
    "500": "The hub failed. The service delivers again after 1, 3 and 5 seconds",
    "503": "Too much is waiting; the service delivers again",
}
_STATE = {
    "ce-connectionState": {
        "description": "base64 of a JSON object, at most 8 KiB; absent: unchanged, `e30=`: cleared",
        "schema": {"type": "string"},
    },
    "Set-Cookie": {"description": "Comes back with later events of this connection", "schema": {"type": "string"}},
}
_METADATA = {
    "x-webpubsub-metadata-*": {"description": "Message metadata, ASCII", "schema": {"type": "string"}},
    "mqtt-*": {"description": "MQTT 5.0 user property", "schema": {"type": "string"}},
}
_ORIGIN_ALLOWED = {
    "WebHook-Allowed-Origin": {"description": "`*` or the one host that matched", "schema": {"type": "string"}}
}
_ANY_JSON: Document = {"description": "Any JSON value"}
_BYTES = {"type": "string", "format": "binary"}
_DATA: Mapping[str, Document] = {
    TEXT: {"schema": {"type": "string"}},
    JSON: {"schema": _ANY_JSON},
    BINARY: {"schema": _BYTES},
    PROTOBUF: {"schema": _BYTES},
}


def describe(app: FastAPI) -> None:
    """Adds the event handler, negotiate and every event to the document of `app`."""
    generated = app.openapi

    def openapi() -> Document:
        if app.openapi_schema is None:
            _extend(generated())
        return generated()

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _extend(document: Document) -> None:
    _, definitions = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
    document["paths"].update(
        {
            "/eventhandler": _event_handler([]),
            "/eventhandler/{event}": _event_handler([_EVENT_PATH]),
            "/negotiate": {"get": _negotiate("negotiate"), "post": _negotiate("negotiate_with_post")},
        }
    )
    document["webhooks"] = {name: {"post": operation} for name, operation in _events().items()}


def _ref(model: type[BaseModel]) -> Document:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _json(*models: type[BaseModel], example: Any = None) -> Document:
    schema = _ref(models[0]) if len(models) == 1 else {"anyOf": [_ref(model) for model in models]}
    return {JSON: {"schema": schema} | ({"example": example} if example is not None else {})}


def _header(name: str, description: str, *, required: bool = False) -> Document:
    return {
        "name": name,
        "in": "header",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


_EVENT_PATH = {
    "name": "event",
    "in": "path",
    "required": True,
    "description": "Routes only; `ce-eventName` says which event it is. `validate` in a validation request",
    "schema": {"type": "string"},
}
_ORIGIN = _header("WebHook-Request-Origin", "Host of the calling service, or a list of hosts", required=True)


def _event_headers() -> list[Document]:
    fields = ConnectionContext.model_fields.values()
    return [
        *(_header(str(one.title), str(one.description), required=one.is_required()) for one in fields),
        _header("ce-signature", "`sha256=` HMAC of the connection id, one entry per access key, comma-separated"),
        _header("Authorization", "`Bearer` token where the event handler uses managed identity"),
        _header("x-webpubsub-metadata-*", "Message metadata of a user event"),
        _header("mqtt-*", "MQTT 5.0 user property of a user event"),
    ]


def _refusals() -> Document:
    text = {TEXT: {"schema": {"type": "string"}}}
    return {status: {"description": description, "content": text} for status, description in _REFUSALS.items()}


def _event(
    name: str, kind: str, summary: str, content: Mapping[str, Document], answers: Document, *, note: str = ""
) -> Document:
    return {
        "operationId": f"event_{name}",
        "tags": ["events"],
        "summary": summary,
        "description": f"`ce-type: {kind}`. {note}".strip(),
        "parameters": _event_headers(),
        "requestBody": {"required": True, "content": dict(content)},
        "responses": answers | _refusals(),
    }


_ACKNOWLEDGED: Document = {"204": {"description": "Acknowledged; the hub runs afterwards. State and body are ignored"}}
_EMPTY_OBJECT: Document = {JSON: {"schema": {"type": "object"}, "example": {}}}


def _connect_answers() -> Document:
    return {
        "200": {"description": "Accepted, with changes", "headers": _STATE, "content": _json(ConnectResponse)},
        "204": {"description": "Accepted as the token says", "headers": _STATE},
    }


def _user_event_answers() -> Document:
    return {
        "200": {
            "description": "Goes to the client that sent the event, and only to it",
            "headers": _STATE | _METADATA,
            "content": dict(_DATA),
        },
        "204": {"description": "Nothing for the client", "headers": _STATE | _METADATA},
    }


def _events() -> dict[str, Document]:
    system, presence = "azure.webpubsub.sys.", "azure.webpubsub.gp."
    refused = {"description": "Refused by the hub", "content": _json(MqttRefusalBody)}
    mqtt_connect = _event(
        "mqtt_connect",
        f"{system}connect",
        "An MQTT client knocks",
        _json(MqttConnectEvent),
        _connect_answers(),
        note="Sent on every CONNECT, with `ce-physicalConnectionId`. A refusal carries a CONNACK code.",
    )
    mqtt_connect["responses"] |= dict.fromkeys(("401", "403"), refused)
    return {
        "connect": _event(
            "connect", f"{system}connect", "A client knocks", _json(ConnectEvent), _connect_answers(),
            note="Blocking: the socket opens, or not, with the answer.",
        ),
        "connected": _event(
            "connected", f"{system}connected", "A socket is open", _EMPTY_OBJECT, _ACKNOWLEDGED
        ),
        "disconnected": _event(
            "disconnected", f"{system}disconnected", "A connection is over", _json(DisconnectedEvent), _ACKNOWLEDGED
        ),
        "user_event": _event(
            "user", "azure.webpubsub.user.{event}", "A client sent something", _DATA, _user_event_answers(),
            note="Blocking. Frames of raw WebSocket clients arrive as `message`.",
        ),
        "group_joined": _event(
            "group_joined", f"{presence}joined", "A connection joined a group", _json(GroupJoinedEvent), _ACKNOWLEDGED
        ),
        "group_left": _event(
            "group_left", f"{presence}left", "A connection left a group", _json(GroupLeftEvent), _ACKNOWLEDGED
        ),
        "mqtt_connect": mqtt_connect,
        "mqtt_connected": _event(
            "mqtt_connected", f"{system}connected", "An MQTT session began", _EMPTY_OBJECT, _ACKNOWLEDGED
        ),
        "mqtt_disconnected": _event(
            "mqtt_disconnected", f"{system}disconnected", "An MQTT session ended",
            _json(MqttDisconnectedEvent), _ACKNOWLEDGED,
        ),
        "mqtt_user_event": _event(
            "mqtt_user", "azure.webpubsub.user.{event}", "A PUBLISH to `$webpubsub/server/events/{event}`",
            dict(_DATA) | {"*/*": {"schema": _BYTES}}, _user_event_answers(),
            note="Any media type, or none. The answer is published to `.../succeeded` or `.../failed`.",
        ),
    }  # fmt: skip


def _event_handler(path_parameters: list[Document]) -> Document:
    suffix = "_at_path" if path_parameters else ""
    bodies = (ConnectEvent, MqttConnectEvent, DisconnectedEvent, MqttDisconnectedEvent, GroupJoinedEvent)
    every_json = {"anyOf": [*(_ref(model) for model in bodies), _ANY_JSON]}
    answers = _user_event_answers()
    answers["200"]["description"] = "An answer to `connect`, or data for the client that sent a user event"
    answers["200"]["content"][JSON] = {"schema": {"anyOf": [_ref(ConnectResponse), _ANY_JSON]}}
    deliver = _event(
        f"deliver{suffix}",
        "azure.webpubsub.*",
        "Takes an event",
        dict(_DATA) | {JSON: {"schema": every_json}},
        answers,
        note="Every kind has its own page under webhooks. A redelivery gets the first answer again.",
    )
    deliver["parameters"] = path_parameters + deliver["parameters"]
    validate: Document = {
        "tags": ["events"],
        "summary": "Abuse protection: whether this service may deliver here",
        "parameters": [*path_parameters, _ORIGIN],
        "responses": {
            "200": {"description": "It may", "headers": _ORIGIN_ALLOWED},
            "400": {"description": "It may not", "content": {TEXT: {"schema": {"type": "string"}}}},
        },
    }
    fallback: Document = {"405": {"description": "Without `WebHook-Request-Origin` it is no validation"}}
    return {
        "options": validate | {"operationId": f"validate{suffix}"},
        "get": validate | {"operationId": f"validate_with_get{suffix}", "responses": validate["responses"] | fallback},
        "post": deliver,
    }


def _negotiate(operation_id: str) -> Document:
    def query(name: str, description: str, schema: Document) -> Document:
        return {"name": name, "in": "query", "description": description, "schema": schema}

    text = {TEXT: {"schema": {"type": "string"}}}
    return {
        "operationId": operation_id,
        "tags": ["negotiate"],
        "summary": "A client access URL",
        "description": "Roles and groups come from the settings, never from the caller. Not to be cached or shared.",
        "parameters": [
            query("id", "User id", {"type": "string", "maxLength": 1024}),
            query("hub", "Hub; the first one served where it is left out", {"type": "string"}),
            query("minutes", "Lifetime of the URL", {"type": "integer", "minimum": 1}),
            query("client", "Kind of client", {"type": "string", "enum": [one.value for one in ClientProtocol]}),
        ],
        "responses": {
            "200": {"description": "For one client, once", "content": _json(ClientAccess)},
            "400": {"description": "Missing user id, or a parameter out of bounds", "content": text},
            "401": {"description": "App Service principals are trusted and this request has none", "content": text},
            "404": {"description": "This hub is not served here", "content": text},
            "502": {"description": "The service did not issue a token", "content": text},
            "503": {"description": "No service is configured", "content": text},
        },
    }
