"""REST operations on groups, their members and what connections may do there (spec/service.md 8.3, 8.4)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from localpubsub.edge import cursors
from localpubsub.edge.operations import one
from localpubsub.edge.rest_call import RestCall, legal_group, legal_groups, parsed_filter, selected
from localpubsub.edge.rest_errors import RestAnswer, RestError, bad_request, json_answer, not_found
from localpubsub.engine.hub import Connection
from localpubsub.protocol.roles import Permission, TooManyRules

PAGE = 200
MAX_TOP = 2**63 - 1
LATEST = "2024-12-01"


def _present(call: RestCall, connection_id: str) -> Connection:
    connection = call.hub.connections.get(connection_id)
    if connection is None:
        raise not_found("There is no such connection.")
    return connection


async def add_connection_to_group(call: RestCall, group: str, connection_id: str) -> RestAnswer:
    legal_group(group)
    call.hub.join(_present(call, connection_id), group)
    return RestAnswer(200)


async def remove_connection_from_group(call: RestCall, group: str, connection_id: str) -> RestAnswer:
    legal_group(group)
    for connection in one(call, connection_id):
        call.hub.leave(connection, group)
    return RestAnswer(204)


async def remove_connection_from_all_groups(call: RestCall, connection_id: str) -> RestAnswer:
    for connection in one(call, connection_id):
        call.hub.leave_all(connection)
    return RestAnswer(204)


async def add_user_to_group(call: RestCall, user_id: str, group: str) -> RestAnswer:
    """404 where the user is not here: the service keeps no memory of absent users (spec/service.md 14, 8)."""
    legal_group(group)
    connections = call.hub.user(user_id)
    if not connections:
        raise not_found("The user has no connection.")
    for connection in connections:
        call.hub.join(connection, group)
    return RestAnswer(200)


async def remove_user_from_group(call: RestCall, user_id: str, group: str) -> RestAnswer:
    legal_group(group)
    for connection in call.hub.user(user_id):
        call.hub.leave(connection, group)
    return RestAnswer(204)


async def remove_user_from_all_groups(call: RestCall, user_id: str) -> RestAnswer:
    for connection in call.hub.user(user_id):
        call.hub.leave_all(connection)
    return RestAnswer(204)


async def add_to_groups(call: RestCall) -> RestAnswer:
    return await _change_groups(call, call.hub.join)


async def remove_from_groups(call: RestCall) -> RestAnswer:
    return await _change_groups(call, call.hub.leave)


async def _change_groups(call: RestCall, change: Callable[[Connection, str], None]) -> RestAnswer:
    """First chooses, then changes: the filter may ask for the groups."""
    call.refuse_filter()
    members = await call.json_object()
    groups = legal_groups(members.get("groups"))
    for connection in selected(call.hub.connections.values(), parsed_filter(members.get("filter"))):
        for group in groups:
            change(connection, group)
    return RestAnswer(200)


async def has_permission(call: RestCall, permission: str, connection_id: str) -> RestAnswer:
    rule, group = _permission(call, permission)
    allowed = any(connection.permissions.allows(rule, group) for connection in one(call, connection_id))
    return RestAnswer(200 if allowed else 404)


async def grant_permission(call: RestCall, permission: str, connection_id: str) -> RestAnswer:
    rule, group = _permission(call, permission)
    _rule(_present(call, connection_id).permissions.grant, rule, group)
    return RestAnswer(200)


async def revoke_permission(call: RestCall, permission: str, connection_id: str) -> RestAnswer:
    rule, group = _permission(call, permission)
    for connection in one(call, connection_id):
        _rule(connection.permissions.revoke, rule, group)
    return RestAnswer(204)


def _rule(change: Callable[[Permission, str], None], permission: Permission, group: str) -> None:
    try:
        change(permission, group)
    except TooManyRules:
        raise RestError(409, "Conflict", "The connection has too many permissions.") from None


def _permission(call: RestCall, name: str) -> tuple[Permission, str]:
    try:
        permission = Permission(name)
    except ValueError:
        raise bad_request("The permission is sendToGroup or joinLeaveGroup.", "permission") from None
    group = call.text("targetName")
    if not group:
        raise bad_request("targetName is required.", "targetName")
    return permission, legal_group(group)


async def list_members(call: RestCall, group: str) -> RestAnswer:
    """Pages by connection id: who comes or goes between two pages neither repeats nor hides others."""
    legal_group(group)
    size = call.integer("maxpagesize", 1, PAGE) or PAGE
    top = call.integer("top", 1, MAX_TOP)
    cursor = call.text("continuationToken")
    try:
        after = cursors.read(cursor, call.hub.name, group) if cursor else ""
    except ValueError:
        raise bad_request("The continuation token is not valid.", "continuationToken") from None
    waiting = sorted((member for member in call.hub.group(group) if member.id > after), key=lambda member: member.id)
    page = waiting[: min(size, top or size)]
    answer: dict[str, Any] = {"value": [_member(member) for member in page]}
    left = None if top is None else top - len(page)
    if len(waiting) > len(page) and left != 0:
        answer["nextLink"] = _next_link(call, group, size, left, page[-1].id)
    return json_answer(answer)


def _member(connection: Connection) -> dict[str, str]:
    return {"connectionId": connection.id} | ({"userId": connection.user_id} if connection.user_id else {})


def _next_link(call: RestCall, group: str, size: int, left: int | None, after: str) -> str:
    query = {
        "api-version": call.text("api-version") or LATEST,
        "maxpagesize": size,
        "continuationToken": cursors.write(call.hub.name, group, after),
    } | ({} if left is None else {"top": left})
    path = f"/api/hubs/{quote(call.hub_name, safe='')}/groups/{quote(group, safe='')}/connections"
    return f"{call.request.base}{path}?{urlencode(query)}"
