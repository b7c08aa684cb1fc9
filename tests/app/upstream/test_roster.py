"""Who is in which group, from events alone."""

import asyncio

import pytest

from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Change, Member, Roster
from app.upstream.storage import FellBehind
from tests.app.upstream.unhurried import Unhurried


@pytest.fixture
def roster() -> Roster:
    return Roster(MemoryStorage())


async def test_several_tabs_of_one_user_count_once(roster: Roster) -> None:
    changes = [
        await roster.joined("tea", "c-1", "mia", at=10.0),
        await roster.joined("tea", "c-2", "mia", at=20.0),
        await roster.left("tea", "c-1"),
    ]

    assert changes == [Change("tea", "mia", is_in=True, at=10.0), None, None]
    assert [one.user_id for one in await roster.members("tea")] == ["mia"]

    gone = await roster.left("tea", "c-2")
    assert gone is not None
    assert (gone.user_id, gone.is_in) == ("mia", False)
    assert await roster.members("tea") == []


async def test_members_are_sorted_and_say_since_when(roster: Roster) -> None:
    await roster.joined("tea", "c-1", "zoë", at=10.0)
    await roster.joined("tea", "c-2", "mia", at=30.0)
    await roster.joined("tea", "c-3", "mia", at=20.0)

    assert await roster.members("tea") == [Member("mia", 20.0), Member("zoë", 10.0)]


async def test_the_same_event_again_changes_nothing(roster: Roster) -> None:
    await roster.joined("tea", "c-1", "mia", at=10.0)

    assert await roster.joined("tea", "c-1", "mia", at=11.0) is None
    assert await roster.members("tea") == [Member("mia", 10.0)]
    assert await roster.left("tea", "c-1") is not None
    assert await roster.left("tea", "c-1") is None
    assert await roster.gone("c-1") == []


async def test_a_closed_connection_leaves_every_group_it_was_last_in(roster: Roster) -> None:
    await roster.joined("tea", "c-1", "mia", at=10.0)
    await roster.joined("cake", "c-1", "mia", at=10.0)
    await roster.joined("cake", "c-2", "mia", at=10.0)

    changes = await roster.gone("c-1")

    assert [(one.group, one.is_in) for one in changes] == [("tea", False)]
    assert await roster.groups() == ["cake"]
    assert [await roster.groups_of(one) for one in ("c-1", "c-2")] == [set(), {"cake"}]


async def test_anonymous_connections_are_nobody(roster: Roster) -> None:
    assert await roster.joined("tea", "c-1", None, at=10.0) is None
    assert await roster.groups() == []


async def test_a_connection_id_that_passes_to_somebody_else_takes_the_first_one_out(roster: Roster) -> None:
    await roster.joined("tea", "mqtt-client", "mia", at=10.0)
    change = await roster.joined("tea", "mqtt-client", "jonas", at=20.0)

    assert change == Change("tea", "jonas", is_in=True, at=20.0)
    assert await roster.members("tea") == [Member("jonas", 20.0)]


@pytest.mark.parametrize(("group", "user_id"), [("a/b", "c"), ("a", "b/c"), ("", "a/b/c"), ("ä b", "1/a")])
async def test_no_name_is_taken_for_another(roster: Roster, group: str, user_id: str) -> None:
    await roster.joined("a", "c-1", "c", at=1.0)
    await roster.joined(group, "c-2", user_id, at=2.0)

    assert await roster.left(group, "c-2") is not None
    assert await roster.members("a") == [Member("c", 1.0)]


async def test_it_outlives_the_process() -> None:
    storage = MemoryStorage()
    await Roster(storage).joined("tea", "c-1", "mia", at=10.0)

    after = Roster(storage)

    assert await after.members("tea") == [Member("mia", 10.0)]
    assert await after.joined("tea", "c-2", "mia", at=20.0) is None


async def test_of_what_is_heard_at_once_one_is_told() -> None:
    """The hub itself puts a connection into a group, and the service says so at the same time."""
    roster = Roster(Unhurried())

    joins = await asyncio.gather(*(roster.joined("tea", "c-1", "mia", at=10.0) for _ in range(3)))
    leaves = await asyncio.gather(roster.left("tea", "c-1"), roster.left("tea", "c-1"), roster.gone("c-1"))

    assert len([one for one in joins if one]) == 1
    assert len([one for one in (*leaves[:2], *leaves[2]) if one]) == 1
    assert await roster.members("tea") == []


async def test_changes_are_told_to_every_replica_in_their_order() -> None:
    storage = Unhurried()
    here, there = Roster(storage), Roster(storage)

    async with there.changes("tea") as changes:
        await asyncio.gather(
            here.joined("tea", "c-1", "mia", at=1.0), here.joined("cake", "c-1", "mia", at=1.0),
            here.joined("tea", "c-2", "jonas", at=1.0),
        )  # fmt: skip
        await asyncio.gather(here.left("tea", "c-1"), here.joined("tea", "c-3", "mia", at=2.0))
        await here.gone("c-3")
        await here.gone("c-2")
        heard = []
        async with asyncio.timeout(5):
            while (change := await anext(changes))[1:3] != ("jonas", False):
                heard.append(change)

    of_mia = [one.is_in for one in heard if one.user_id == "mia"]
    assert {one.group for one in heard} == {"tea"}
    assert of_mia == [index % 2 == 0 for index in range(len(of_mia))]
    assert of_mia[-1] is False


async def test_who_gives_up_waiting_for_a_change_may_ask_again(roster: Roster) -> None:
    async with roster.changes("tea") as changes:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.01)
        await roster.joined("tea", "c-1", "mia", at=1.0)

        assert await asyncio.wait_for(anext(changes), 5) == Change("tea", "mia", is_in=True, at=1.0)


async def test_a_listener_that_does_not_keep_up_is_told_so(roster: Roster) -> None:
    async with roster.changes("tea") as changes:
        for number in range(1_001):
            await roster.joined("tea", f"c-{number}", f"user-{number}", at=1.0)

        with pytest.raises(FellBehind):
            assert [one async for one in changes] == []
