"""Which REST operation a method and a path name (spec/service.md 8.3)."""

from collections.abc import Awaitable, Callable, Sequence

from localpubsub.edge import memberships, operations
from localpubsub.edge.rest_errors import MethodNotAllowed, RestAnswer, not_found

Operation = Callable[..., Awaitable[RestAnswer]]

# What stands for an id in a path is `*`; the rest is compared as it is.
_ROUTES: Sequence[tuple[str, str, Operation]] = (
    ("POST", ":send", operations.send_to_all),
    ("POST", ":closeConnections", operations.close_all),
    ("POST", ":generateToken", operations.generate_token),
    ("POST", ":addToGroups", memberships.add_to_groups),
    ("POST", ":removeFromGroups", memberships.remove_from_groups),
    ("POST", ":invoke", operations.invoke),
    ("HEAD", "connections/*", operations.connection_exists),
    ("DELETE", "connections/*", operations.close_connection),
    ("POST", "connections/*/:send", operations.send_to_connection),
    ("DELETE", "connections/*/groups", memberships.remove_connection_from_all_groups),
    ("HEAD", "groups/*", operations.group_exists),
    ("POST", "groups/*/:send", operations.send_to_group),
    ("POST", "groups/*/:closeConnections", operations.close_group),
    ("POST", "groups/*/:invoke", operations.invoke),
    ("GET", "groups/*/connections", memberships.list_members),
    ("PUT", "groups/*/connections/*", memberships.add_connection_to_group),
    ("DELETE", "groups/*/connections/*", memberships.remove_connection_from_group),
    ("HEAD", "permissions/*/connections/*", memberships.has_permission),
    ("PUT", "permissions/*/connections/*", memberships.grant_permission),
    ("DELETE", "permissions/*/connections/*", memberships.revoke_permission),
    ("HEAD", "users/*", operations.user_exists),
    ("POST", "users/*/:send", operations.send_to_user),
    ("POST", "users/*/:closeConnections", operations.close_user),
    ("DELETE", "users/*/groups", memberships.remove_user_from_all_groups),
    ("PUT", "users/*/groups/*", memberships.add_user_to_group),
    ("DELETE", "users/*/groups/*", memberships.remove_user_from_group),
)
_PATTERNS = tuple((method, path.split("/"), operation) for method, path, operation in _ROUTES)


def find(method: str, segments: Sequence[str]) -> tuple[Operation, list[str]]:
    """The operation, and the ids of its path. `segments` follow the hub, decoded. Raises `RestError` 404 or 405."""
    allowed: list[str] = []
    for known, pattern, operation in _PATTERNS:
        if len(pattern) != len(segments):
            continue
        pairs = tuple(zip(pattern, segments, strict=True))
        if all(segment if wanted == "*" else segment == wanted for wanted, segment in pairs):
            if known == method:
                return operation, [segment for wanted, segment in pairs if wanted == "*"]
            allowed.append(known)
    if allowed:
        raise MethodNotAllowed(tuple(allowed))
    raise not_found("There is no such operation.")
