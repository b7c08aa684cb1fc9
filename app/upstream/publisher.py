"""How hubs publish: actions that are accepted at once, kept, and carried out in order.

Inside an event everything a hub publishes is gathered. It is stored together with the answer when the handler returns,
and thrown away when the handler fails, as the service will deliver the event again. Elsewhere (after an event, in a
task of the application's own) a publish returns once the action is stored. Neither waits for the service.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextvars import ContextVar
from typing import Self

from app.models.actions import (
    Action,
    AddConnectionToGroup,
    AddUserToGroup,
    CloseAllConnections,
    CloseClientConnection,
    CloseGroupConnections,
    GrantPermission,
    Permission,
    RemoveConnectionFromGroup,
    RemoveUserFromAllGroups,
    RemoveUserFromGroup,
    RevokePermission,
    SendToAll,
    SendToConnection,
    SendToGroup,
    SendToUser,
)
from app.models.payloads import Message


class EventScope:
    """What one event's handler has published so far. Once closed, it still tells which connection was the cause."""

    __slots__ = ("_connection_id", "_hub", "actions", "is_open", "traceparent")

    def __init__(self, hub: str, connection_id: str, traceparent: str | None = None) -> None:
        self._hub = hub
        self._connection_id = connection_id
        self.traceparent = traceparent
        """The trace the event came with; what it causes belongs to it."""
        self.actions: list[tuple[str, Action]] = []
        """Hub and action, in order."""
        self.is_open = True

    @property
    def lane(self) -> str:
        """What one connection causes stays in order."""
        return f"{self._hub}/connection/{self._connection_id}"


def trace_of_event() -> str | None:
    """The trace of the event that is being handled."""
    scope = event_scope.get()
    return scope.traceparent if scope is not None else None


event_scope: ContextVar[EventScope | None] = ContextVar("event_scope", default=None)


class Publisher(ABC):
    """The fourteen actions as verbs, named as the service SDK names them; one publisher serves one hub.

    Raises `ValueError` for a message JSON cannot hold or an argument the service would refuse. Outside an event also
    `Overloaded`, where the outbox is full or cannot be written.

    `excluded` lists connection ids that get nothing; `filter` is OData over the receivers; `ttl_seconds` (0 to 300)
    drops what could not be delivered in time.
    """

    @abstractmethod
    async def publish(self, action: Action) -> None:
        """Accepts any action."""

    @abstractmethod
    def in_lane(self, key: str) -> Self:
        """The same publisher with an order of its own: what is published under one key arrives in that order.

        Without it, what one connection causes stays in order.
        """

    async def send_to_all(
        self,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        await self.publish(SendToAll.of(message, excluded=tuple(excluded), filter=filter, ttl_seconds=ttl_seconds))

    async def send_to_group(
        self,
        group: str,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        await self.publish(
            SendToGroup.of(message, group=group, excluded=tuple(excluded), filter=filter, ttl_seconds=ttl_seconds)
        )

    async def send_to_user(
        self,
        user_id: str,
        message: Message,
        *,
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        """Reaches every connection of the user."""
        await self.publish(SendToUser.of(message, user_id=user_id, filter=filter, ttl_seconds=ttl_seconds))

    async def send_to_connection(self, connection_id: str, message: Message, *, ttl_seconds: int | None = None) -> None:
        await self.publish(SendToConnection.of(message, connection_id=connection_id, ttl_seconds=ttl_seconds))

    async def add_connection_to_group(self, group: str, connection_id: str) -> None:
        await self.publish(AddConnectionToGroup(group=group, connection_id=connection_id))

    async def remove_connection_from_group(self, group: str, connection_id: str) -> None:
        await self.publish(RemoveConnectionFromGroup(group=group, connection_id=connection_id))

    async def add_user_to_group(self, group: str, user_id: str) -> None:
        await self.publish(AddUserToGroup(group=group, user_id=user_id))

    async def remove_user_from_group(self, group: str, user_id: str) -> None:
        await self.publish(RemoveUserFromGroup(group=group, user_id=user_id))

    async def remove_user_from_all_groups(self, user_id: str) -> None:
        await self.publish(RemoveUserFromAllGroups(user_id=user_id))

    async def grant_permission(self, permission: Permission, connection_id: str, group: str) -> None:
        await self.publish(GrantPermission(permission=permission, connection_id=connection_id, target_name=group))

    async def revoke_permission(self, permission: Permission, connection_id: str, group: str) -> None:
        await self.publish(RevokePermission(permission=permission, connection_id=connection_id, target_name=group))

    async def close_connection(self, connection_id: str, *, reason: str | None = None) -> None:
        await self.publish(CloseClientConnection(connection_id=connection_id, reason=reason))

    async def close_all_connections(self, *, excluded: Collection[str] = (), reason: str | None = None) -> None:
        await self.publish(CloseAllConnections(excluded=tuple(excluded), reason=reason))

    async def close_group_connections(
        self, group: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None:
        await self.publish(CloseGroupConnections(group=group, excluded=tuple(excluded), reason=reason))
