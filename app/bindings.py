"""The two Functions bindings as FastAPI dependencies, for routes of your own.

    @app.get("/login")
    async def login(
        connection: Annotated[ConnectionInfo, Depends(WebPubSubConnection(hub="chat", user_id="{query.user}"))],
    ) -> ConnectionInfo:
        return connection

    @app.api_route("/events", methods=["POST", "OPTIONS"])
    async def events(context: WebPubSubContextDep) -> Response:
        if context.has_error or context.is_preflight:
            return as_response(context)
        ...

Both need `app.state.services`, which `create_app` sets.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import Annotated, assert_never

from fastapi import Depends, HTTPException, Request, Response

from app.dependencies import get_services
from app.models.context import (
    ConnectedEventRequest,
    ConnectEventRequest,
    ConnectionContextInfo,
    ConnectionInfo,
    ContextRequest,
    ContextResponse,
    DisconnectedEventRequest,
    EventType,
    GroupJoinedEventRequest,
    GroupLeftEventRequest,
    MqttConnectEventRequest,
    MqttDisconnectedEventRequest,
    PreflightRequest,
    UserEventRequest,
    WebPubSubContext,
)
from app.models.events import (
    ConnectedEvent,
    ConnectEvent,
    DisconnectedEvent,
    Event,
    GroupJoinedEvent,
    GroupLeftEvent,
    MqttConnectEvent,
    MqttDisconnectedEvent,
    UserEvent,
)
from app.models.negotiate import MOST_MINUTES, ClientProtocol
from app.serving.direct import read_body
from app.upstream.cloudevents import GROUP_PRESENCE, USER, Headers, read_headers
from app.upstream.errors import NotAuthentic, Refused, ServiceError, WrongCaller
from app.upstream.gate import Caller

_EXPRESSION = re.compile(r"\{(query|headers)\.([^{}]+)\}")


class WebPubSubConnection:
    """A dependency that yields a client access URL.

    `user_id` is a literal, or an expression as the binding has them: `{query.id}`, `{headers.x-my-user}`. An
    expression that finds nothing is a 400. Read headers only where a front end sets them and strips the client's.
    Raises `ValueError` for `minutes` outside of 1 to `MOST_MINUTES`.
    """

    def __init__(
        self,
        *,
        hub: str,
        user_id: str | None = None,
        roles: Sequence[str] = (),
        groups: Sequence[str] = (),
        minutes: int = 60,
        client_protocol: ClientProtocol = ClientProtocol.DEFAULT,
    ) -> None:
        if not 1 <= minutes <= MOST_MINUTES:
            raise ValueError(f"a client access URL lives 1 to {MOST_MINUTES} minutes, not {minutes}")
        self._hub = hub
        self._user_id = user_id
        self._roles = tuple(roles)
        self._groups = tuple(groups)
        self._minutes = minutes
        self._protocol = client_protocol

    async def __call__(self, request: Request, response: Response) -> ConnectionInfo:
        services = get_services(request)
        if services.issuer is None:
            raise HTTPException(503, "no Web PubSub service is configured")
        try:
            access = await services.issuer.issue(
                self._hub,
                user_id=self._resolve(request),
                roles=self._roles,
                groups=self._groups,
                minutes=self._minutes,
                protocol=self._protocol,
            )
        except ServiceError as error:
            raise HTTPException(502, "the service did not issue a token") from error
        response.headers["cache-control"] = "no-store"
        return ConnectionInfo(base_url=access.base_url, url=access.url, access_token=access.access_token)

    def _resolve(self, request: Request) -> str | None:
        expression = _EXPRESSION.fullmatch(self._user_id or "")
        if expression is None:
            return self._user_id
        source, name = expression.groups()
        found = request.query_params.get(name) if source == "query" else request.headers.get(name)
        if not found or not found.strip():
            raise HTTPException(400, "missing user id")
        return found


async def webpubsub_context(request: Request) -> WebPubSubContext:
    """Verifies and decodes a request of the service. Never raises for what the caller sent."""
    services = get_services(request)
    caller = Caller(request.client.host if request.client else None, request.scope["query_string"])
    if request.method in ("OPTIONS", "GET"):
        reply = services.webhook.validate(request.scope["headers"], caller)
        headers = {name.decode(): value.decode() for name, value in reply.headers}
        response = ContextResponse(body=reply.body.decode() or None, status=reply.status, headers=headers)
        return WebPubSubContext(
            request=PreflightRequest(is_valid=reply.status == 200), response=response, is_preflight=True
        )
    try:
        services.webhook.admit(caller)
        received = read_headers(request.scope["headers"])
        event = await services.webhook.decode(received, partial(read_body, request.receive))
    except Refused as refusal:
        return _refused(refusal)
    return WebPubSubContext(request=_request(event, received), response=ContextResponse(status=200))


WebPubSubContextDep = Annotated[WebPubSubContext, Depends(webpubsub_context)]


def as_response(context: WebPubSubContext) -> Response:
    """The answer of a preflight or an error, to be returned unchanged."""
    answer = context.response
    return Response(answer.body, answer.status, headers=dict(answer.headers))


def _refused(refusal: Refused) -> WebPubSubContext:
    status, message = 400, refusal.public
    if isinstance(refusal, NotAuthentic):
        status, message = refusal.status, "Signature validation failed."
    elif isinstance(refusal, WrongCaller) or refusal.status >= 500:
        status = refusal.status
    response = ContextResponse(body=message, status=status, headers={"content-type": "text/plain; charset=utf-8"})
    return WebPubSubContext(response=response, error_message=message, has_error=True)


def _connection_context(event: Event, received: Headers) -> ConnectionContextInfo:
    context = event.context
    kind = EventType.SYSTEM
    if context.type.startswith(USER):
        kind = EventType.USER
    elif context.type.startswith(GROUP_PRESENCE):
        kind = EventType.GROUP_PRESENCE
    secret = (b"authorization", b"cookie")
    return ConnectionContextInfo(
        event_type=kind,
        event_name=context.event_name,
        hub=context.hub,
        connection_id=context.connection_id,
        user_id=context.user_id,
        signature=received.get(b"ce-signature", b"").decode("latin-1") or None,
        origin=context.origin,
        states=dict(context.state),
        headers={
            name.decode("latin-1"): [value.decode("latin-1")] for name, value in received.items() if name not in secret
        },
        physical_connection_id=context.physical_connection_id,
        session_id=context.session_id,
    )


def _request(event: Event, received: Headers) -> ContextRequest:
    context = _connection_context(event, received)
    match event:
        case ConnectEvent():
            return _connect_request(event, context)
        case UserEvent():
            return UserEventRequest.of(context, event.data)
        case ConnectedEvent():
            return ConnectedEventRequest(connection_context=context)
        case MqttDisconnectedEvent():
            return MqttDisconnectedEventRequest(connection_context=context, reason=event.reason, mqtt=event.mqtt)
        case DisconnectedEvent():
            return DisconnectedEventRequest(connection_context=context, reason=event.reason)
        case GroupJoinedEvent():
            return GroupJoinedEventRequest(connection_context=context, group=event.group)
        case GroupLeftEvent():
            return GroupLeftEventRequest(connection_context=context, group=event.group)
        case _:
            assert_never(event)


def _connect_request(event: ConnectEvent, context: ConnectionContextInfo) -> ConnectEventRequest:
    plain = ConnectEventRequest(
        connection_context=context,
        claims=event.claims,
        query={name: values for name, values in event.query.items() if name != "access_token"},
        headers=event.headers,
        subprotocols=event.subprotocols,
        client_certificates=event.client_certificates,
    )
    if not isinstance(event, MqttConnectEvent):
        return plain
    return MqttConnectEventRequest(**{name: getattr(plain, name) for name in type(plain).model_fields}, mqtt=event.mqtt)
