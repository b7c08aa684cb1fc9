"""What each REST operation does (spec/service.md 8.3)."""

import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import jwt
from aiohttp import web

from localpubsub.edge.rest_call import RestCall, legal_group, legal_groups
from localpubsub.edge.rest_errors import RestError, bad_request
from localpubsub.engine.hub import Connection, Hub
from localpubsub.engine.outbound import Close
from localpubsub.engine.service import Service
from localpubsub.protocol.messages import Message
from localpubsub.protocol.names import MAX_TTL_SECONDS
from localpubsub.protocol.roles import Permission, TooManyRules

CLOSED = "Closed by REST API."
PAGE = 200
CLIENT_PATHS: Mapping[str, str] = {"default": "/client/hubs/", "mqtt": "/clients/mqtt/hubs/"}


def _ok(status: int) -> web.Response:
    return web.Response(status=status)


class Operations:
    def __init__(self, service: Service) -> None:
        self._service = service

    def _hub(self, call: RestCall) -> Hub:
        return self._service.hub(call.hub)

    async def _send(self, call: RestCall, receivers: Iterable[Connection], group: str | None = None) -> web.Response:
        call.refuse_filter(call.text("filter"))
        ttl = call.integer("messageTtlSeconds", 0, MAX_TTL_SECONDS) or 0
        message = Message(await call.payload(), group, metadata=call.metadata())
        Hub.deliver(receivers, message, excluded=frozenset(call.texts("excluded")), ttl_seconds=ttl)
        return _ok(202)

    def _close(self, call: RestCall, connections: Iterable[Connection]) -> web.Response:
        reason = call.text("reason") or CLOSED
        excluded = frozenset(call.texts("excluded"))
        for connection in tuple(connections):
            if connection.id not in excluded:
                visible = "" if connection.codec.is_pubsub else reason
                self._hub(call).close(connection, reason, Close(1000, visible))
        return _ok(204)

    async def send_to_all(self, call: RestCall) -> web.Response:
        return await self._send(call, self._hub(call).connections.values())

    async def send_to_group(self, call: RestCall, group: str) -> web.Response:
        return await self._send(call, self._hub(call).group(legal_group(group)), group)

    async def send_to_user(self, call: RestCall, user_id: str) -> web.Response:
        return await self._send(call, self._hub(call).user(user_id))

    async def send_to_connection(self, call: RestCall, connection_id: str) -> web.Response:
        connection = self._hub(call).connections.get(connection_id)
        return await self._send(call, [connection] if connection else [])

    async def close_all(self, call: RestCall) -> web.Response:
        return self._close(call, self._hub(call).connections.values())

    async def close_group(self, call: RestCall, group: str) -> web.Response:
        return self._close(call, self._hub(call).group(legal_group(group)))

    async def close_user(self, call: RestCall, user_id: str) -> web.Response:
        return self._close(call, self._hub(call).user(user_id))

    async def close_connection(self, call: RestCall, connection_id: str) -> web.Response:
        connection = self._hub(call).connections.get(connection_id)
        return self._close(call, [connection] if connection else [])

    async def connection_exists(self, call: RestCall, connection_id: str) -> web.Response:
        return _ok(200 if connection_id in self._hub(call).connections else 404)

    async def group_exists(self, call: RestCall, group: str) -> web.Response:
        return _ok(200 if self._hub(call).group(legal_group(group)) else 404)

    async def user_exists(self, call: RestCall, user_id: str) -> web.Response:
        return _ok(200 if self._hub(call).user(user_id) else 404)

    async def add_connection_to_group(self, call: RestCall, group: str, connection_id: str) -> web.Response:
        hub = self._hub(call)
        connection = hub.connections.get(connection_id)
        if connection is None:
            raise RestError(404, "NotFound", "There is no such connection.")
        hub.join(connection, legal_group(group))
        return _ok(200)

    async def remove_connection_from_group(self, call: RestCall, group: str, connection_id: str) -> web.Response:
        hub = self._hub(call)
        connection = hub.connections.get(connection_id)
        if connection is not None:
            hub.leave(connection, legal_group(group))
        return _ok(204)

    async def remove_connection_from_all_groups(self, call: RestCall, connection_id: str) -> web.Response:
        hub = self._hub(call)
        connection = hub.connections.get(connection_id)
        if connection is not None:
            hub.leave_all(connection)
        return _ok(204)

    async def add_user_to_group(self, call: RestCall, user_id: str, group: str) -> web.Response:
        hub = self._hub(call)
        connections = hub.user(user_id)
        if not connections:
            raise RestError(404, "NotFound", "The user has no connection.")
        for connection in connections:
            hub.join(connection, legal_group(group))
        return _ok(200)

    async def remove_user_from_group(self, call: RestCall, user_id: str, group: str) -> web.Response:
        for connection in self._hub(call).user(user_id):
            self._hub(call).leave(connection, legal_group(group))
        return _ok(204)

    async def remove_user_from_all_groups(self, call: RestCall, user_id: str) -> web.Response:
        for connection in self._hub(call).user(user_id):
            self._hub(call).leave_all(connection)
        return _ok(204)

    async def add_to_groups(self, call: RestCall) -> web.Response:
        return await self._change_groups(call, self._hub(call).join)

    async def remove_from_groups(self, call: RestCall) -> web.Response:
        return await self._change_groups(call, self._hub(call).leave)

    async def _change_groups(self, call: RestCall, change: Callable[[Connection, str], None]) -> web.Response:
        members = await call.json_object()
        call.refuse_filter(members.get("filter"))
        groups = legal_groups(members.get("groups"))
        for connection in tuple(self._hub(call).connections.values()):
            for group in groups:
                change(connection, group)
        return _ok(200)

    async def has_permission(self, call: RestCall, permission: str, connection_id: str) -> web.Response:
        rule, group = _permission(call, permission)
        connection = self._hub(call).connections.get(connection_id)
        return _ok(200 if connection is not None and connection.permissions.allows(rule, group) else 404)

    async def grant_permission(self, call: RestCall, permission: str, connection_id: str) -> web.Response:
        rule, group = _permission(call, permission)
        connection = self._hub(call).connections.get(connection_id)
        if connection is None:
            raise RestError(404, "NotFound", "There is no such connection.")
        try:
            connection.permissions.grant(rule, group)
        except TooManyRules:
            raise RestError(409, "Conflict", "The connection has too many permissions.") from None
        return _ok(200)

    async def revoke_permission(self, call: RestCall, permission: str, connection_id: str) -> web.Response:
        rule, group = _permission(call, permission)
        connection = self._hub(call).connections.get(connection_id)
        if connection is not None:
            try:
                connection.permissions.revoke(rule, group)
            except TooManyRules:
                raise RestError(409, "Conflict", "The connection has too many permissions.") from None
        return _ok(204)

    async def generate_token(self, call: RestCall) -> web.Response:
        path = CLIENT_PATHS.get((call.text("clientType") or "Default").lower())
        if path is None:
            raise bad_request("clientType is Default or MQTT.", "clientType")
        minutes = call.integer("minutesToExpire", 1, 10**6) or 60
        now = int(time.time())
        claims: dict[str, Any] = {
            "aud": f"{_base(call)}{path}{call.hub}",
            "iat": now,
            "exp": now + minutes * 60,
        }
        if user_id := call.text("userId"):
            claims["sub"] = user_id
        if roles := call.texts("role"):
            claims["role"] = list(roles)
        if groups := call.texts("group"):
            claims["webpubsub.group"] = [legal_group(group) for group in groups]
        token = jwt.encode(claims, self._service.config.access_keys[0], algorithm="HS256")
        return web.json_response({"token": token})

    async def list_members(self, call: RestCall, group: str) -> web.Response:
        legal_group(group)
        size = call.integer("maxpagesize", 1, PAGE) or PAGE
        top = call.integer("top", 1, 10**9)
        after = _read_cursor(call, group)
        members = sorted(self._hub(call).group(group), key=lambda one: one.id)
        waiting = [one for one in members if one.id > after]
        page = waiting[: min(size, top or size)]
        answer: dict[str, Any] = {"value": [_member(one) for one in page]}
        left = None if top is None else top - len(page)
        if len(waiting) > len(page) and left != 0:
            query = {
                "api-version": call.text("api-version") or "2024-12-01",
                "maxpagesize": size,
                "continuationToken": _cursor(call.hub, group, page[-1].id),
            } | ({} if left is None else {"top": left})
            path = f"/api/hubs/{quote(call.hub, safe='')}/groups/{quote(group, safe='')}/connections"
            answer["nextLink"] = f"{_base(call)}{path}?{urlencode(query)}"
        return web.json_response(answer)


def _base(call: RestCall) -> str:
    return f"{call.request.scheme}://{call.request.host}"


def _member(connection: Connection) -> dict[str, str]:
    return {"connectionId": connection.id} | ({"userId": connection.user_id} if connection.user_id else {})


def _cursor(hub: str, group: str, after: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([hub.lower(), group, after]).encode()).decode().rstrip("=")


def _read_cursor(call: RestCall, group: str) -> str:
    cursor = call.text("continuationToken")
    if not cursor:
        return ""
    try:
        hub, named, after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, TypeError):
        raise bad_request("The continuation token is not valid.", "continuationToken") from None
    if (hub, named) != (call.hub.lower(), group) or not isinstance(after, str):
        raise bad_request("The continuation token is of another group.", "continuationToken")
    return after


def _permission(call: RestCall, name: str) -> tuple[Permission, str]:
    try:
        permission = Permission(name)
    except ValueError:
        raise bad_request("The permission is sendToGroup or joinLeaveGroup.", "permission") from None
    group = call.text("targetName")
    if not group:
        raise bad_request("targetName is required.", "targetName")
    return permission, legal_group(group)


Operation = Callable[..., Awaitable[web.Response]]

_O = Operations
# What stands for an id in a path is `*`; the rest is compared as it is.
_ROUTES: Sequence[tuple[str, str, Operation]] = (
    ("POST", ":send", _O.send_to_all),
    ("POST", ":closeConnections", _O.close_all),
    ("POST", ":generateToken", _O.generate_token),
    ("POST", ":addToGroups", _O.add_to_groups),
    ("POST", ":removeFromGroups", _O.remove_from_groups),
    ("HEAD", "connections/*", _O.connection_exists),
    ("DELETE", "connections/*", _O.close_connection),
    ("POST", "connections/*/:send", _O.send_to_connection),
    ("DELETE", "connections/*/groups", _O.remove_connection_from_all_groups),
    ("HEAD", "groups/*", _O.group_exists),
    ("POST", "groups/*/:send", _O.send_to_group),
    ("POST", "groups/*/:closeConnections", _O.close_group),
    ("GET", "groups/*/connections", _O.list_members),
    ("PUT", "groups/*/connections/*", _O.add_connection_to_group),
    ("DELETE", "groups/*/connections/*", _O.remove_connection_from_group),
    ("HEAD", "permissions/*/connections/*", _O.has_permission),
    ("PUT", "permissions/*/connections/*", _O.grant_permission),
    ("DELETE", "permissions/*/connections/*", _O.revoke_permission),
    ("HEAD", "users/*", _O.user_exists),
    ("POST", "users/*/:send", _O.send_to_user),
    ("POST", "users/*/:closeConnections", _O.close_user),
    ("DELETE", "users/*/groups", _O.remove_user_from_all_groups),
    ("PUT", "users/*/groups/*", _O.add_user_to_group),
    ("DELETE", "users/*/groups/*", _O.remove_user_from_group),
)


class NoSuchOperation(Exception):
    """`allowed` are the methods the path does know."""

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(", ".join(allowed))
        self.allowed = allowed


def find(method: str, segments: Sequence[str]) -> tuple[Operation, list[str]]:
    """The operation, and the ids of its path. `segments` follow the hub. Raises `NoSuchOperation`."""
    allowed: list[str] = []
    for known, path, operation in _ROUTES:
        pattern = path.split("/")
        if len(pattern) != len(segments):
            continue
        if all(wanted in ("*", segment) for wanted, segment in zip(pattern, segments, strict=True)):
            if known == method:
                ids = [segment for wanted, segment in zip(pattern, segments, strict=True) if wanted == "*"]
                return operation, ids
            allowed.append(known)
    raise NoSuchOperation(allowed)
