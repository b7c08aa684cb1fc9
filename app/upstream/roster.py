"""Who is in which group, by user: several tabs of one person count once.

A hub tells it what it hears: `joined`, `left`, `gone`. It is kept in the store, so it survives a restart, and replicas
share it. Events may be lost, late or doubled: `reconcile` compares with what the service itself lists, and mends.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from random import uniform
from secrets import token_hex
from time import time
from typing import NamedTuple, Self
from weakref import WeakValueDictionary

import structlog
from pydantic_core import from_json, to_json

from app.upstream.errors import ServiceError
from app.upstream.service import ServiceClient
from app.upstream.storage import Keep, Storage, StorageError

log = structlog.get_logger(__name__)

SETTLE_SECONDS = 5.0
"""What an event said so short a time before a listing is believed over it: listings may lag, clocks may differ."""

_DEPARTURES = "roster/departures"
_KEEP_DEPARTURES = Keep(count=10_000, seconds=300)
_AT_ONCE = 64
_TOO_OLD_TO_LIST = (400, 404, 405)


class Member(NamedTuple):
    """A user with at least one connection in the group; `since` is when the oldest of them came, in Unix seconds."""

    user_id: str
    since: float


class Change(NamedTuple):
    """A user came into a group with the first connection, or left it with the last. `at` is Unix seconds."""

    group: str
    user_id: str
    is_in: bool
    at: float


class _Place(NamedTuple):
    """A connection's place in a group. `heard` is when an event last said so."""

    user_id: str
    since: float
    heard: float


class Roster:
    """A hub asks for one in its `__init__`. Anonymous connections are nobody, and not counted.

    Every call may raise `StorageError`. A `Change` is for telling people. A repeated event changes nothing; replicas
    that hear of the same in the same instant may both be told.
    """

    def __init__(self, storage: Storage, *, settle_seconds: float = SETTLE_SECONDS) -> None:
        self._storage = storage
        self._settle_seconds = settle_seconds
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def joined(self, group: str, connection_id: str, user_id: str | None, *, at: float) -> Change | None:
        """`None` where the user is in already, by another connection or by this one."""
        if user_id is None:
            return None
        place = (await self._places(connection_id)).get(group)
        if place is not None and place.user_id != user_id:  # an MQTT client id may pass to somebody else
            await self._leave(group, connection_id, place.user_id)
        async with self._one_at_a_time(group, user_id):
            is_first = await self._put_in(group, connection_id, Member(user_id, at), heard=time())
            return await self._tell(Change(group, user_id, is_in=True, at=at)) if is_first else None

    async def left(self, group: str, connection_id: str) -> Change | None:
        """`None` where another connection of the user stays, or nobody knew of this one."""
        await self._note_departure(connection_id, group)
        place = (await self._places(connection_id)).get(group)
        return None if place is None else await self._leave(group, connection_id, place.user_id)

    async def gone(self, connection_id: str) -> list[Change]:
        """The connection is closed: it leaves every group."""
        await self._note_departure(connection_id, None)
        places = await self._places(connection_id)
        changes = [await self._leave(group, connection_id, place.user_id) for group, place in places.items()]
        return [change for change in changes if change is not None]

    async def members(self, group: str) -> list[Member]:
        """Sorted by user id."""
        first: dict[str, Member] = {}
        for one in sorted((await self._connections(group)).values(), reverse=True):
            first[one.user_id] = one
        return sorted(first.values())

    async def groups_of(self, connection_id: str) -> frozenset[str]:
        """Where this connection is, whatever other connections of its user are in."""
        return frozenset(await self._places(connection_id))

    async def groups(self) -> list[str]:
        """Those with a member, sorted."""
        prefix = _connections_in("")
        return [name.removeprefix(prefix) for name in await self._storage.tables(prefix)]

    @asynccontextmanager
    async def changes(self, group: str) -> AsyncIterator[AsyncIterator[Change]]:
        """What changes from now on, heard by whichever replica. The iterator raises `FellBehind` if not read in time.

        Take the members inside, and no change is missed; a change may repeat what they say.
        """
        async with self._storage.listen(_topic(group)) as bodies:
            yield _Changes(group, bodies)

    async def reconcile(self, service: ServiceClient, group: str) -> list[Change]:
        """Makes the group what the service lists, and returns what that changed.

        Nothing is undone that an event has said since the listing began, or shortly before. A service too old to list
        is asked for each known connection whether it still exists. Raises `ServiceError`, and has changed nothing then.
        """
        believed_from = time() - self._settle_seconds
        listed = await _listed(service, group)
        known = await self._connections(group)
        if listed is None:
            listed = {one: member.user_id for one, member in known.items() if await service.connection_exists(one)}
        mending = [
            partial(self._drop_unlisted, group, one, member.user_id, believed_from)
            for one, member in known.items()
            if listed.get(one) != member.user_id
        ]
        mending += [
            partial(self._add_listed, group, one, user_id, believed_from)
            for one, user_id in listed.items()
            if one not in known
        ]
        changes: list[Change | None] = []
        for start in range(0, len(mending), _AT_ONCE):
            changes += await asyncio.gather(*(mend() for mend in mending[start : start + _AT_ONCE]))
        return [change for change in changes if change is not None]

    async def healing(
        self, service: ServiceClient, *, always: Iterable[str] = (), every_seconds: float = 30.0
    ) -> AsyncGenerator[list[Change], None]:
        """For `Hub.run`: reconciles each group that has a member, and those in `always`, at once and again and again.

        Replicas take turns by chance. What fails is logged, and tried again the next time.
        """
        while True:
            try:
                for group in {*always, *await self.groups()}:
                    if changes := await self.reconcile(service, group):
                        yield changes
            except (ServiceError, StorageError) as error:
                log.warning("roster not reconciled", reason=str(error))
            await asyncio.sleep(every_seconds * uniform(0.75, 1.25))  # noqa: S311 - spreads load, guards nothing

    async def _drop_unlisted(self, group: str, connection_id: str, user_id: str, believed_from: float) -> Change | None:
        async with self._one_at_a_time(group, user_id):
            place = (await self._places(connection_id)).get(group)
            if place is None:  # taken out meanwhile; or half put in, before a crash
                is_done = connection_id not in await self._connections(group)
            else:
                is_done = place.heard >= believed_from
            if is_done:
                return None
            return await self._take_out(group, connection_id, user_id)

    async def _add_listed(self, group: str, connection_id: str, user_id: str, believed_from: float) -> Change | None:
        async with self._one_at_a_time(group, user_id):
            if await self._departed_at(connection_id, group) >= believed_from:
                return None
            now = time()
            is_first = await self._put_in(group, connection_id, Member(user_id, now), heard=believed_from)
            if await self._departed_at(connection_id, group) >= believed_from:  # while it was put in, unseen by `left`
                await self._remove(group, connection_id, user_id)
                return None
            return await self._tell(Change(group, user_id, is_in=True, at=now)) if is_first else None

    async def _leave(self, group: str, connection_id: str, user_id: str) -> Change | None:
        async with self._one_at_a_time(group, user_id):
            if group not in await self._places(connection_id):
                return None
            return await self._take_out(group, connection_id, user_id)

    async def _take_out(self, group: str, connection_id: str, user_id: str) -> Change | None:
        # Whoever comes and goes at once, as with a reload of the page, may be back by way of another replica.
        if not await self._remove(group, connection_id, user_id) or await self._storage.rows(_tabs_of(group, user_id)):
            return None
        return await self._tell(Change(group, user_id, is_in=False, at=time()))

    async def _put_in(self, group: str, connection_id: str, member: Member, *, heard: float) -> bool:
        """Whether it is the user's first connection there."""
        place = (await self._places(connection_id)).get(group)
        if place is not None:
            if heard - place.heard <= self._settle_seconds:
                return False  # one coming is heard of several times: connected, joined, and what the hub itself did
            member = Member(member.user_id, place.since)
        # First: what this table has and the service does not list is found and taken out, whatever a crash leaves.
        await self._storage.write(_connections_in(group), {connection_id: to_json(member)})
        tabs, _ = await asyncio.gather(
            self._storage.write(_tabs_of(group, member.user_id), {connection_id: b""}),
            self._storage.write(_places_of(connection_id), {group: to_json((*member, heard))}),
        )
        return place is None and tabs == 1

    async def _remove(self, group: str, connection_id: str, user_id: str) -> bool:
        """Whether it was the user's last connection there."""
        tabs = await self._storage.write(_tabs_of(group, user_id), {connection_id: None})
        await asyncio.gather(
            self._storage.write(_connections_in(group), {connection_id: None}),
            self._storage.write(_places_of(connection_id), {group: None}),
        )
        return tabs == 0

    async def _tell(self, change: Change) -> Change:
        await self._storage.announce(_topic(change.group), to_json(change[1:]))
        return change

    async def _note_departure(self, connection_id: str, group: str | None) -> None:
        """Kept for a while: a listing that began before it must not bring the connection back."""
        note = to_json((connection_id, group, time()))
        await self._storage.append(_DEPARTURES, note, id=token_hex(8), keep=_KEEP_DEPARTURES)

    async def _departed_at(self, connection_id: str, group: str) -> float:
        notes = await self._storage.newest(_DEPARTURES, limit=_KEEP_DEPARTURES.count, keep=_KEEP_DEPARTURES)
        for left, which, at in (from_json(note.body) for note in reversed(notes)):
            if left == connection_id and which in (group, None):
                return float(at)
        return 0.0

    async def _places(self, connection_id: str) -> dict[str, _Place]:
        rows = await self._storage.rows(_places_of(connection_id))
        return {group: _Place(*from_json(row)) for group, row in rows.items()}

    async def _connections(self, group: str) -> dict[str, Member]:
        """By connection id, with the time this one came."""
        rows = await self._storage.rows(_connections_in(group))
        return {connection_id: Member(*from_json(row)) for connection_id, row in rows.items()}

    def _one_at_a_time(self, group: str, user_id: str) -> asyncio.Lock:
        """So that changes are told in the order in which they came about."""
        lock = self._locks.get((group, user_id))
        if lock is None:
            lock = self._locks[group, user_id] = asyncio.Lock()
        return lock


class _Changes:
    """Not a generator: whoever gives up waiting for the next change may ask again."""

    def __init__(self, group: str, bodies: AsyncIterator[bytes]) -> None:
        self._group = group
        self._bodies = bodies

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Change:
        return Change(self._group, *from_json(await anext(self._bodies)))


async def _listed(service: ServiceClient, group: str) -> dict[str, str] | None:
    """Users by connection; `None` where the service cannot list."""
    try:
        return {
            one.connection_id: one.user_id
            async for one in service.connections_in_group(group)
            if one.user_id is not None
        }
    except ServiceError as error:
        if error.status in _TOO_OLD_TO_LIST:
            return None
        raise


def _connections_in(group: str) -> str:
    return f"roster/connections/{group}"


def _tabs_of(group: str, user_id: str) -> str:
    """A table of its own for each user: the number of its rows tells the first from the second, and the last."""
    return f"roster/tabs/{len(group)}/{group}/{user_id}"


def _places_of(connection_id: str) -> str:
    return f"roster/places/{connection_id}"


def _topic(group: str) -> str:
    return f"roster/{group}"
