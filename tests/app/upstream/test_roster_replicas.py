"""Two replicas share the roster and hear different events at one time."""

import asyncio
from collections.abc import Awaitable, Mapping
from itertools import chain, repeat

from hypothesis import given
from hypothesis import strategies as st

from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Member, Roster
from app.upstream.testing import RecordingPublisher
from tests.app.upstream.unhurried import Unhurried


class Interrupted(MemoryStorage):
    """Something else happens as soon as a row is taken away."""

    interruption: Awaitable[object] | None = None

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        count = await super().write(table, rows)
        if None in rows.values() and self.interruption is not None:
            interruption, self.interruption = self.interruption, None
            await interruption
        return count


paces = st.lists(st.integers(0, 3), max_size=16)


def replicas(pace: list[int]) -> tuple[Roster, Roster]:
    storage = Unhurried(lambda: chain(pace, repeat(1)))
    return Roster(storage, settle_seconds=0), Roster(storage, settle_seconds=0)


@given(pace=paces)
async def test_of_the_first_two_tabs_one_is_the_first_and_of_the_last_two_one_the_last(pace: list[int]) -> None:
    here, there = replicas(pace)

    joins = await asyncio.gather(here.joined("tea", "c-1", "mia", at=1.0), there.joined("tea", "c-2", "mia", at=2.0))
    leaves = await asyncio.gather(here.left("tea", "c-1"), there.left("tea", "c-2"))

    assert len([one for one in joins if one]) == len([one for one in leaves if one]) == 1
    assert await here.members("tea") == []


async def test_who_is_back_before_it_is_told_has_not_left() -> None:
    """A reload of the page: the old connection closes, and the new one is heard of elsewhere."""
    storage = Interrupted()
    here, there = Roster(storage), Roster(storage)
    await here.joined("tea", "c-1", "mia", at=1.0)

    storage.interruption = there.joined("tea", "c-2", "mia", at=2.0)

    assert await here.left("tea", "c-1") is None
    assert await here.members("tea") == [Member("mia", 2.0)]


@given(pace=paces)
async def test_who_leaves_while_another_replica_adds_them_is_out(pace: list[int]) -> None:
    here, there = replicas(pace)
    service = RecordingPublisher()
    service.listing["tea"] = {"c-1": "mia"}

    await asyncio.gather(here.reconcile(service, "tea"), there.left("tea", "c-1"))

    assert await here.members("tea") == []
    assert await here.groups_of("c-1") == set()
