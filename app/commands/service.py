"""`webpubsub service`: the service's REST API, as `az webpubsub service` has it, for Azure and on this machine."""

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from app.commands.service_call import PayloadKind, Target, payload
from app.models.payloads import Payload
from app.printable import printable

service_cli = typer.Typer(
    no_args_is_help=True, help="Calls the service: sends, groups, users, connections, permissions."
)
group_cli = typer.Typer(no_args_is_help=True, help="A group and who is in it.")
user_cli = typer.Typer(no_args_is_help=True, help="A user, with all connections of that user.")
connection_cli = typer.Typer(no_args_is_help=True, help="One connection.")
permission_cli = typer.Typer(no_args_is_help=True, help="What one connection may do in a group.")

service_cli.add_typer(group_cli, name="group")
service_cli.add_typer(user_cli, name="user")
service_cli.add_typer(connection_cli, name="connection")
service_cli.add_typer(permission_cli, name="permission")


class Permission(StrEnum):
    SEND = "sendToGroup"
    JOIN_LEAVE = "joinLeaveGroup"


Group = Annotated[str, typer.Option(help="The group.")]
User = Annotated[str, typer.Option("--user-id", "--user", help="The user's id.")]
ConnectionId = Annotated[str, typer.Option("--connection-id", "--connection", help="The connection's id.")]
Allowed = Annotated[Permission, typer.Option("--permission", help="Which permission.")]
Filter = Annotated[str | None, typer.Option(help="OData over the receivers, as: userId eq 'mia'.")]
Excluded = Annotated[list[str] | None, typer.Option(help="The id of a connection that is left out.")]
Ttl = Annotated[int | None, typer.Option(min=0, max=300, help="Seconds, after which nobody gets it any more.")]
Reason = Annotated[str | None, typer.Option(help="What the clients are told.")]


def _target(
    hub: Annotated[str | None, typer.Option(help="Hub; the first of HUBS where it is left out.")] = None,
    connection_string: Annotated[
        str | None, typer.Option(help="The service, instead of WEBPUBSUB_CONNECTION_STRING.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
) -> Target:
    return Target(hub, connection_string, as_json)


def _payload(
    text: Annotated[
        str | None, typer.Option("--payload", help="What is sent: JSON where it starts with {, [ or a quote, or text.")
    ] = None,
    file: Annotated[str | None, typer.Option("--payload-file", help="A file whose bytes are sent.")] = None,
    kind: Annotated[PayloadKind, typer.Option("--as", help="What --payload is.")] = PayloadKind.AUTO,
) -> Payload:
    return payload(text, file, kind)


# What a command asks for by its type, and the function whose parameters are the options for it.
_BUNDLES: dict[Any, Callable[..., Any]] = {Payload: _payload, Target: _target}


def _command(group: typer.Typer, name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Registers a function that takes a `Target`, and maybe a `Payload`, beside options of its own."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function).parameters
        bundles = {one.name: _BUNDLES[one.annotation] for one in own.values() if one.annotation in _BUNDLES}
        options: dict[str, inspect.Parameter] = {}
        for one in own.values():
            options |= inspect.signature(bundles[one.name]).parameters if one.name in bundles else {one.name: one}

        @wraps(function)
        def run(**given: Any) -> None:
            made = {
                parameter: make(**{option: given.pop(option) for option in inspect.signature(make).parameters})
                for parameter, make in bundles.items()
            }
            function(**given, **made)

        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what typer reads
            [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in options.values()]
        )
        run.__annotations__ = {option: one.annotation for option, one in options.items()}
        group.command(name)(run)
        return function

    return register


@_command(service_cli, "broadcast")
def broadcast(
    message: Payload, *, filter: Filter = None, excluded: Excluded = None, ttl: Ttl = None, target: Target
) -> None:
    """Sends to everybody in the hub."""
    target.send(lambda client: client.send_to_all(message, excluded=excluded or (), filter=filter, ttl_seconds=ttl))


@_command(group_cli, "send")
def send_to_group(
    group: Group, message: Payload, *, filter: Filter = None, excluded: Excluded = None, ttl: Ttl = None, target: Target
) -> None:
    """Sends to everybody in the group."""
    target.send(
        lambda client: client.send_to_group(group, message, excluded=excluded or (), filter=filter, ttl_seconds=ttl)
    )


@_command(group_cli, "add-user")
def add_user(group: Group, user: User, target: Target) -> None:
    """Puts every connection of the user into the group."""
    target.change(lambda client: client.add_user_to_group(group, user))


@_command(group_cli, "remove-user")
def remove_user(group: Group, user: User, target: Target) -> None:
    """Takes every connection of the user out of the group."""
    target.change(lambda client: client.remove_user_from_group(group, user))


@_command(group_cli, "add-connection")
def add_connection(group: Group, connection_id: ConnectionId, target: Target) -> None:
    """Puts the connection into the group."""
    target.change(lambda client: client.add_connection_to_group(group, connection_id))


@_command(group_cli, "remove-connection")
def remove_connection(group: Group, connection_id: ConnectionId, target: Target) -> None:
    """Takes the connection out of the group."""
    target.change(lambda client: client.remove_connection_from_group(group, connection_id))


@_command(group_cli, "exists")
def group_exists(group: Group, target: Target) -> None:
    """Whether anybody is in the group; the exit code says it, too."""
    target.ask("exists", lambda client: client.group_exists(group))


@_command(group_cli, "list")
def list_group(group: Group, target: Target) -> None:
    """Who is in the group: a connection and its user a line."""
    for one in target.every(lambda client: client.connections_in_group(group)):
        line = f"{one.connection_id}  {one.user_id or ''}".rstrip()
        target.say(printable(line), connectionId=one.connection_id, userId=one.user_id)


@_command(group_cli, "close")
def close_group(group: Group, *, excluded: Excluded = None, reason: Reason = None, target: Target) -> None:
    """Closes every connection in the group."""
    target.change(lambda client: client.close_group_connections(group, excluded=excluded or (), reason=reason))


@_command(user_cli, "send")
def send_to_user(user: User, message: Payload, *, filter: Filter = None, ttl: Ttl = None, target: Target) -> None:
    """Sends to every connection of the user."""
    target.send(lambda client: client.send_to_user(user, message, filter=filter, ttl_seconds=ttl))


@_command(user_cli, "exists")
def user_exists(user: User, target: Target) -> None:
    """Whether the user is connected; the exit code says it, too."""
    target.ask("exists", lambda client: client.user_exists(user))


@_command(user_cli, "close")
def close_user(user: User, *, excluded: Excluded = None, reason: Reason = None, target: Target) -> None:
    """Closes every connection of the user."""
    target.change(lambda client: client.close_user_connections(user, excluded=excluded or (), reason=reason))


@_command(user_cli, "remove-from-all")
def remove_user_from_all(user: User, target: Target) -> None:
    """Takes the user out of every group."""
    target.change(lambda client: client.remove_user_from_all_groups(user))


@_command(connection_cli, "send")
def send_to_connection(connection_id: ConnectionId, message: Payload, *, ttl: Ttl = None, target: Target) -> None:
    """Sends to the connection."""
    target.send(lambda client: client.send_to_connection(connection_id, message, ttl_seconds=ttl))


@_command(connection_cli, "exists")
def connection_exists(connection_id: ConnectionId, target: Target) -> None:
    """Whether the connection is there; the exit code says it, too."""
    target.ask("exists", lambda client: client.connection_exists(connection_id))


@_command(connection_cli, "close")
def close_connection(connection_id: ConnectionId, *, reason: Reason = None, target: Target) -> None:
    """Closes the connection."""
    target.change(lambda client: client.close_connection(connection_id, reason=reason))


@_command(permission_cli, "grant")
def grant(permission: Allowed, connection_id: ConnectionId, group: Group, target: Target) -> None:
    """Gives the connection the permission."""
    target.change(lambda client: client.grant_permission(permission.value, connection_id, group))


@_command(permission_cli, "revoke")
def revoke(permission: Allowed, connection_id: ConnectionId, group: Group, target: Target) -> None:
    """Takes the permission away; the connection stays in the groups it is in."""
    target.change(lambda client: client.revoke_permission(permission.value, connection_id, group))


@_command(permission_cli, "check")
def check(permission: Allowed, connection_id: ConnectionId, group: Group, target: Target) -> None:
    """Whether the connection has the permission; the exit code says it, too."""
    target.ask("granted", lambda client: client.has_permission(permission.value, connection_id, group))
