"""REST operations that send, close, ask and make tokens (spec/service.md 8.3, 8.4)."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt

from localpubsub.edge.rest_call import RestCall, legal_group, selected
from localpubsub.edge.rest_errors import RestAnswer, RestError, bad_request, json_answer
from localpubsub.engine.hub import Connection
from localpubsub.engine.outbound import Close
from localpubsub.protocol.messages import Message
from localpubsub.protocol.names import MAX_TTL_SECONDS

CLOSED = "Closed by REST API."
CLIENT_PATHS: Mapping[str, str] = {"default": "/client/hubs/", "mqtt": "/clients/mqtt/hubs/"}
MINUTES = 60
MAX_MINUTES = 2**31 - 1

Connections = Iterable[Connection]


async def _send(call: RestCall, receivers: Callable[[], Connections], group: str | None = None) -> RestAnswer:
    """`receivers` are looked up when the whole request has been read; a filter chooses among them first."""
    wanted = call.filter()
    ttl = call.integer("messageTtlSeconds", 0, MAX_TTL_SECONDS) or 0
    metadata = call.metadata()
    message = Message(await call.payload(may_be_empty=bool(metadata)), group, metadata=metadata)
    excluded = frozenset(call.texts("excluded"))
    call.hub.publish(selected(receivers(), wanted), message, excluded=excluded, ttl_seconds=ttl)
    return RestAnswer(202)


def _close(call: RestCall, connections: Connections) -> RestAnswer:
    call.refuse_filter()
    reason = call.text("reason") or CLOSED
    excluded = frozenset(call.texts("excluded"))
    for connection in tuple(connections):
        if connection.id not in excluded:
            visible = "" if connection.codec.is_pubsub else reason
            call.hub.close(connection, reason, Close(1000, visible))
    return RestAnswer(204)


def one(call: RestCall, connection_id: str) -> list[Connection]:
    """The connection, or nobody."""
    connection = call.hub.connections.get(connection_id)
    return [connection] if connection is not None else []


async def send_to_all(call: RestCall) -> RestAnswer:
    return await _send(call, call.hub.connections.values)


async def send_to_group(call: RestCall, group: str) -> RestAnswer:
    legal_group(group)
    return await _send(call, lambda: call.hub.group(group), group)


async def send_to_user(call: RestCall, user_id: str) -> RestAnswer:
    return await _send(call, lambda: call.hub.user(user_id))


async def send_to_connection(call: RestCall, connection_id: str) -> RestAnswer:
    return await _send(call, lambda: one(call, connection_id))


async def close_all(call: RestCall) -> RestAnswer:
    return _close(call, call.hub.connections.values())


async def close_group(call: RestCall, group: str) -> RestAnswer:
    return _close(call, call.hub.group(legal_group(group)))


async def close_user(call: RestCall, user_id: str) -> RestAnswer:
    return _close(call, call.hub.user(user_id))


async def close_connection(call: RestCall, connection_id: str) -> RestAnswer:
    return _close(call, one(call, connection_id))


async def connection_exists(call: RestCall, connection_id: str) -> RestAnswer:
    return RestAnswer(200 if one(call, connection_id) else 404)


async def group_exists(call: RestCall, group: str) -> RestAnswer:
    return RestAnswer(200 if call.hub.group(legal_group(group)) else 404)


async def user_exists(call: RestCall, user_id: str) -> RestAnswer:
    return RestAnswer(200 if call.hub.user(user_id) else 404)


async def generate_token(call: RestCall) -> RestAnswer:
    """A client token of the primary key, for the address the caller used."""
    path = CLIENT_PATHS.get((call.text("clientType") or "Default").lower())
    if path is None:
        raise bad_request("clientType is Default or MQTT.", "clientType")
    minutes = call.integer("minutesToExpire", 1, MAX_MINUTES) or MINUTES
    now = int(time.time())
    claims: dict[str, Any] = {
        "aud": f"{call.request.base}{path}{call.hub_name}",
        "iat": now,
        "exp": now + minutes * 60,
    }
    if user_id := call.text("userId"):
        claims["sub"] = user_id
    if roles := call.texts("role"):
        claims["role"] = list(roles)
    if groups := call.texts("group"):
        claims["webpubsub.group"] = [legal_group(group) for group in groups]
    return json_answer({"token": jwt.encode(claims, call.service.config.access_keys[0], algorithm="HS256")})


async def invoke(_call: RestCall, _group: str = "") -> RestAnswer:
    """Of Socket.IO, in drafts only."""
    raise RestError(501, "NotImplemented", "The local service does not offer this operation.")
