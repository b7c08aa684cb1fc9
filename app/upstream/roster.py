"""Who is in which group, by user: several tabs of one person count once.

A hub tells it what it hears: `joined`, `left`, `gone`. It is kept in the store, so it survives a restart, and replicas
share it.
"""

from typing import NamedTuple

from pydantic_core import from_json, to_json

from app.upstream.storage import Storage


class Member(NamedTuple):
    """A user with at least one connection in the group; `since` is Unix seconds."""

    user_id: str
    since: float


class Change(NamedTuple):
    """A user came into a group with the first connection, or left it with the last."""

    group: str
    user_id: str
    is_in: bool


class Roster:
    """A hub asks for one in its `__init__`. Anonymous connections are nobody, and not counted.

    Every call may raise `StorageError`.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def joined(self, group: str, connection_id: str, user_id: str | None, *, at: float) -> Change | None:
        """`None` where the user is in already, by another connection or by this one."""
        if user_id is None:
            return None
        await self._storage.write(_groups_of(connection_id), {group: user_id.encode()})
        if await self._storage.write(_connections(group, user_id), {connection_id: b""}) > 1:
            return None
        if user_id in await self._storage.rows(_users(group)):
            return None
        await self._storage.write(_users(group), {user_id: to_json(at)})
        return Change(group, user_id, is_in=True)

    async def left(self, group: str, connection_id: str) -> Change | None:
        """`None` where another connection of the user stays, or nobody knew of this one."""
        user = (await self._storage.rows(_groups_of(connection_id))).get(group)
        return None if user is None else await self._leave(group, connection_id, user.decode())

    async def gone(self, connection_id: str) -> list[Change]:
        """The connection is closed: it leaves every group."""
        groups = await self._storage.rows(_groups_of(connection_id))
        changes = [await self._leave(group, connection_id, user.decode()) for group, user in groups.items()]
        return [change for change in changes if change is not None]

    async def members(self, group: str) -> list[Member]:
        """Sorted by user id."""
        users = await self._storage.rows(_users(group))
        return [Member(user_id, from_json(since)) for user_id, since in sorted(users.items())]

    async def _leave(self, group: str, connection_id: str, user_id: str) -> Change | None:
        left = await self._storage.write(_connections(group, user_id), {connection_id: None})
        if left == 0:
            await self._storage.write(_users(group), {user_id: None})
        await self._storage.write(_groups_of(connection_id), {group: None})
        return Change(group, user_id, is_in=False) if left == 0 else None


def _users(group: str) -> str:
    return f"roster/users/{group}"


def _connections(group: str, user_id: str) -> str:
    return f"roster/connections/{len(group)}/{group}/{user_id}"


def _groups_of(connection_id: str) -> str:
    return f"roster/groups/{connection_id}"
