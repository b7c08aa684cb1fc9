"""What hub code may ask of the Web PubSub service, directly.

A `ServiceClient` belongs to one hub. A call waits for the service's answer; it raises `ServiceError` where the service
refuses or does not answer, and `ValueError` for a message JSON cannot hold. A group or user nobody is in is no error:
the service accepts and drops. Most hubs want a `Publisher` instead, which neither waits nor loses anything.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple, Protocol

from app.models.actions import Permission
from app.models.payloads import Message


class GroupConnection(NamedTuple):
    """A connection that is in a group; `user_id` is `None` where it is anonymous."""

    connection_id: str
    user_id: str | None


class ServiceClient(Protocol):
    """`ttl_seconds` (0 to 300) drops what could not be delivered in time; `filter` is OData over the receivers.

    `excluded` lists connection ids that get nothing.
    """

    async def send_to_all(
        self,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None: ...

    async def send_to_group(
        self,
        group: str,
        message: Message,
        *,
        excluded: Collection[str] = (),
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None: ...

    async def send_to_user(
        self,
        user_id: str,
        message: Message,
        *,
        filter: str | None = None,
        ttl_seconds: int | None = None,
    ) -> None:
        """Reaches every connection of the user."""

    async def send_to_connection(
        self, connection_id: str, message: Message, *, ttl_seconds: int | None = None
    ) -> None: ...

    async def add_connection_to_group(self, group: str, connection_id: str) -> None:
        """Raises `ServiceError` with status 404 where the connection is gone."""

    async def remove_connection_from_group(self, group: str, connection_id: str) -> None: ...

    async def remove_connection_from_all_groups(self, connection_id: str) -> None: ...

    async def add_user_to_group(self, group: str, user_id: str) -> None: ...

    async def remove_user_from_group(self, group: str, user_id: str) -> None: ...

    async def remove_user_from_all_groups(self, user_id: str) -> None: ...

    async def add_connections_to_groups(self, groups: Sequence[str], *, filter: str = "") -> None:
        """Every connection that matches `filter`; an empty filter means the whole hub."""

    async def remove_connections_from_groups(self, groups: Sequence[str], *, filter: str = "") -> None: ...

    async def grant_permission(self, permission: Permission, connection_id: str, group: str) -> None: ...

    async def revoke_permission(self, permission: Permission, connection_id: str, group: str) -> None: ...

    async def has_permission(self, permission: Permission, connection_id: str, group: str) -> bool: ...

    async def close_connection(self, connection_id: str, *, reason: str | None = None) -> None: ...

    async def close_all_connections(self, *, excluded: Collection[str] = (), reason: str | None = None) -> None: ...

    async def close_group_connections(
        self, group: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None: ...

    async def close_user_connections(
        self, user_id: str, *, excluded: Collection[str] = (), reason: str | None = None
    ) -> None: ...

    async def connection_exists(self, connection_id: str) -> bool: ...

    async def group_exists(self, group: str) -> bool:
        """Whether the group has a member."""

    async def user_exists(self, user_id: str) -> bool:
        """Whether the user has a connection."""

    def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        """All of them, fetched page by page; those that come or go meanwhile may be missing or not.

        A service older than the listing refuses: `ServiceError` with status 400, 404 or 405.
        """
