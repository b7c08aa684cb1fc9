"""One event, one hub, one reply (spec/upstream.md 4-8)."""

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple, assert_never

import structlog

from app.models.actions import Action, ActionBase
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    DisconnectedEvent,
    Event,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectEvent,
    OtherData,
    UserEvent,
)
from app.models.mqtt import MqttRefusal, MqttRefusalBody, code_for, is_code_valid
from app.models.payloads import as_payload
from app.models.responses import ConnectResponse, UserEventResponse
from app.upstream.connection_state import HARD_LIMIT_BYTES, SOFT_LIMIT_BYTES, ConnectionState
from app.upstream.errors import Declined, HandlerError, MqttRejected, Rejected
from app.upstream.hub import Actions, Answer, Hub
from app.upstream.reply import APPLICATION_JSON, NO_CONTENT, Headers, Reply, text

log = structlog.get_logger(__name__)

Followup = Callable[[], Awaitable[Actions]]

SUBJECT_CLAIMS = ("sub", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier")

METADATA_KEY_BYTES = 256
METADATA_VALUE_BYTES = 1024
METADATA_TOTAL_BYTES = 8192

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_MEDIA_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*", re.ASCII)


class Outcome(NamedTuple):
    reply: Reply
    actions: Sequence[Action] = ()
    """Those the hub returned."""
    followup: Followup | None = None
    """For an unblocking event: what to run once it was acknowledged."""


async def dispatch(hub: Hub, event: Event) -> Outcome:
    """Has the hub handle the event.

    Raises what the hub raises, `Rejected` apart, which becomes the reply; `HandlerError` for an answer that cannot
    go over the wire.
    """
    match event:
        case ConnectEvent():
            return await _connect(hub, event)
        case UserEvent():
            return await _user_event(hub, event)
        case ConnectedEvent():
            return Outcome(NO_CONTENT, (), partial(hub.on_connected, event))
        case DisconnectedEvent():
            return Outcome(NO_CONTENT, (), partial(hub.on_disconnected, event))
        case GroupJoinedEvent():
            return Outcome(NO_CONTENT, (), partial(hub.on_group_joined, event))
        case GroupLeftEvent():
            return Outcome(NO_CONTENT, (), partial(hub.on_group_left, event))
        case _:
            assert_never(event)


async def _connect(hub: Hub, event: ConnectEvent) -> Outcome:
    if any(map(has_blank_end, _user_ids(event))):
        return _refused_for_a_blank(event)
    try:
        answer = await hub.on_connect(event)
    except Rejected as rejection:
        return Outcome(encode_rejection(event, rejection))
    if answer is not None and has_blank_end(answer.user_id or ""):
        # Final, and not a failure of the hub: it may hand on what a client calls itself.
        log.warning("a hub names a user with a blank at an end", hub=hub.name, connection_id=event.connection_id)
        return _refused_for_a_blank(event)
    return Outcome(encode_connect(event, answer), answer.actions if answer else ())


def _refused_for_a_blank(event: ConnectEvent) -> Outcome:
    return Outcome(encode_rejection(event, Rejected("a user id neither begins nor ends with a blank", status=401)))


async def _user_event(hub: Hub, event: UserEvent) -> Outcome:
    try:
        answer = await hub.on_user_event(event)
    except Rejected as rejection:
        return Outcome(encode_rejection(event, rejection))
    except OtherData as error:
        return Outcome(encode_rejection(event, Rejected(str(error), status=400)))
    except Declined as declined:
        answer = declined.answer(event.name)
    if actions := actions_in(answer):
        return Outcome(encode_user_event(event, None), actions)
    return Outcome(encode_user_event(event, answer), answer.actions if isinstance(answer, UserEventResponse) else ())


def has_blank_end(user_id: str) -> bool:
    """A header is trimmed on its way: a token for ` mia` would come in as `mia`, who is somebody else.

    Other blanks than these two stay in a header.
    """
    return user_id != user_id.strip(" \t")


def _user_ids(event: ConnectEvent) -> list[str]:
    return [event.user_id or "", *(one for name in SUBJECT_CLAIMS for one in event.claims.get(name, ()))]


def actions_in(answer: object) -> Sequence[Action]:
    """The actions, where an answer is nothing else."""
    if answer is None:
        return ()
    if isinstance(answer, ActionBase):
        return (answer,)  # type: ignore[return-value]  # the union holds every subclass
    if isinstance(answer, list | tuple) and answer and all(isinstance(one, ActionBase) for one in answer):
        return answer
    return ()


def encode_connect(event: ConnectEvent, answer: ConnectResponse | None) -> Reply:
    headers = _state_header(event.state)
    if answer is None:
        return Reply(204, b"", headers) if headers else NO_CONTENT
    if answer.subprotocol and answer.subprotocol not in event.subprotocols:
        raise HandlerError(f"the client did not offer the subprotocol {answer.subprotocol!r}")
    if answer.cookies:
        headers += _cookie_headers(answer.cookies)
    # An empty subprotocol must be left out, not sent as "" (spec/upstream.md 0.7).
    blank = {"subprotocol"} if answer.subprotocol == "" else None
    body: bytes = answer.__pydantic_serializer__.to_json(answer, by_alias=True, exclude_none=True, exclude=blank)
    if body == b"{}":
        return Reply(204, b"", headers)
    return Reply(200, body, APPLICATION_JSON + headers)


def encode_user_event(event: UserEvent, answer: Answer) -> Reply:
    headers = _state_header(event.state)
    data = answer
    if isinstance(answer, UserEventResponse):
        data = answer.data
        headers += _metadata_headers(answer.metadata)
        headers += _user_property_headers(answer.user_properties)
        headers += _cookie_headers(answer.cookies)
    if data is None:
        return Reply(204, b"", headers) if headers else NO_CONTENT
    try:
        payload = as_payload(data)  # type: ignore[arg-type]  # a response was unwrapped above
    except ValueError as error:
        raise HandlerError(f"the answer is not JSON: {error}") from error
    media = payload.content_type
    if not _MEDIA_TYPE.fullmatch(media):
        raise HandlerError("the content type of the answer is not a media type")
    return Reply(200, payload.body, ((b"content-type", media.encode()), *headers))


def encode_rejection(event: Event, rejection: Rejected) -> Reply:
    """What a hub's refusal looks like on the wire; an MQTT client needs a code of its own version."""
    if not isinstance(event, MqttConnectEvent):
        return text(rejection.status, rejection.reason)
    version = event.mqtt.protocol_version
    code, properties = code_for(rejection.status, version), None
    if isinstance(rejection, MqttRejected):
        code = rejection.code if is_code_valid(rejection.code, version) else code
        properties = rejection.user_properties or None
    return _mqtt_refusal(rejection.status, MqttRefusal(code=code, reason=rejection.reason, user_properties=properties))


def encode_failure(event: Event) -> Reply:
    """A hub raised what it should not have. The service may deliver again; nobody learns what it was."""
    if isinstance(event, MqttConnectEvent):
        return _mqtt_refusal(500, MqttRefusal(code=code_for(500, event.mqtt.protocol_version)))
    return text(500, "the event handler failed")


def _mqtt_refusal(status: int, refusal: MqttRefusal) -> Reply:
    body = MqttRefusalBody(mqtt=refusal).model_dump_json(by_alias=True, exclude_none=True)
    return Reply(status, body.encode(), APPLICATION_JSON)


def _state_header(state: ConnectionState) -> Headers:
    value = state.header()
    if value is None:
        return ()
    if len(value) > SOFT_LIMIT_BYTES:
        log.warning("connection state is large", size=len(value), limit=HARD_LIMIT_BYTES)
    return ((b"ce-connectionstate", value.encode()),)


def _is_plain(value: str) -> bool:
    return value.isascii() and value.replace("\t", " ").isprintable()


def _safe_header(name: str, value: str, what: str) -> tuple[bytes, bytes]:
    """Raises `HandlerError` for anything a header line cannot carry: the text may come from a client."""
    if not _TOKEN.fullmatch(name):
        raise HandlerError(f"{what} has a name that is no header token")
    if not _is_plain(value):
        raise HandlerError(f"{what} {name!r} has a value that is not plain ASCII")
    return name.lower().encode(), value.encode()


def _metadata_headers(metadata: dict[str, str]) -> Headers:
    if not metadata:
        return ()
    headers = []
    for key, value in metadata.items():
        name, encoded = _safe_header(key, value, "metadata")
        if len(name) > METADATA_KEY_BYTES or len(encoded) > METADATA_VALUE_BYTES:
            raise HandlerError(f"metadata {key[:32]!r} is too long")
        headers.append((b"x-webpubsub-metadata-" + name, encoded))
    if sum(len(key) + len(value) for key, value in metadata.items()) > METADATA_TOTAL_BYTES:
        raise HandlerError(f"metadata exceeds {METADATA_TOTAL_BYTES} bytes")
    return tuple(headers)


def _user_property_headers(properties: Sequence[tuple[str, str]]) -> Headers:
    """Those a header can carry: a hub that hands back what a device sent must not fail (spec/upstream.md 6.5)."""
    sound = [(name, value) for name, value in properties if _TOKEN.fullmatch(name) and _is_plain(value)]
    if len(sound) < len(properties):
        log.warning("user properties left out", count=len(properties) - len(sound))
    return tuple((f"mqtt-{name.lower()}".encode(), value.encode()) for name, value in sound)


def _cookie_headers(cookies: dict[str, str]) -> Headers:
    jar = SimpleCookie()
    try:
        for name, value in cookies.items():
            jar[name] = value
        lines = [morsel.OutputString() for morsel in jar.values()]
    except CookieError as error:
        raise HandlerError(f"a cookie cannot be set: {error}") from error
    return tuple(_safe_header("set-cookie", line, "cookie") for line in lines)
