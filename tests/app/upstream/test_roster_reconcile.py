"""Events are lost, late and doubled; what the service itself lists makes the roster whole again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog

from app.upstream.errors import ServiceError
from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Change, Roster
from app.upstream.service import GroupConnection
from app.upstream.testing import RecordingPublisher


class OldService(RecordingPublisher):
    """Refuses to list, with a status."""

    def __init__(self, status: int | None, existing: tuple[str, ...] = ()) -> None:
        super().__init__(existing=existing)
        self.status = status
        self.was_asked = asyncio.Semaphore(0)

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        self.was_asked.release()
        raise ServiceError("connections_in_group", self.status)
        yield


class SlowService(RecordingPublisher):
    """Lists what it knew when it was asked, and answers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.has_listed = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def connections_in_group(self, group: str) -> AsyncIterator[GroupConnection]:
        listed = [one async for one in super().connections_in_group(group)]
        self.has_listed.set()
        await self.may_answer.wait()
        for one in listed:
            yield one


async def names(roster: Roster, group: str = "tea") -> list[str]:
    return [one.user_id for one in await roster.members(group)]


def told(changes: list[Change]) -> list[tuple[str, str, bool]]:
    return sorted(change[:3] for change in changes)


async def test_it_heals_both_ways() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), RecordingPublisher()
    for connection, user in (("c-1", "mia"), ("c-2", "jonas"), ("c-3", "zoë"), ("c-4", "zoë")):
        await roster.joined("tea", connection, user, at=1.0)
    service.listing["tea"] = {"c-1": "mia", "c-4": "zoë", "c-5": "ivy", "c-6": "ivy", "c-7": None}

    changes = await roster.reconcile(service, "tea")

    assert told(changes) == [("tea", "ivy", True), ("tea", "jonas", False)]
    assert await names(roster) == ["ivy", "mia", "zoë"]
    assert await roster.reconcile(service, "tea") == []
    assert [one.user_id for one in await roster.gone("c-4")] == ["zoë"]


async def test_a_group_that_is_no_more_has_nobody() -> None:
    roster = Roster(MemoryStorage(), settle_seconds=0)
    await roster.joined("tea", "c-1", "mia", at=1.0)

    await roster.reconcile(RecordingPublisher(), "tea")

    assert await roster.groups() == []


async def test_what_an_event_said_a_moment_before_is_believed_over_a_listing_that_lags() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=60), RecordingPublisher()
    service.listing["tea"] = {"c-1": "mia"}
    await roster.joined("tea", "c-2", "jonas", at=1.0)
    await roster.joined("tea", "c-1", "mia", at=1.0)
    await roster.left("tea", "c-1")

    assert await roster.reconcile(service, "tea") == []
    assert await names(roster) == ["jonas"]


async def test_an_event_is_not_undone_by_a_listing_of_before() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), SlowService()
    service.listing["tea"] = {"c-1": "mia", "c-2": "jonas"}
    for connection, user in service.listing["tea"].items():
        await roster.joined("tea", connection, user, at=1.0)
    service.listing["tea"]["c-3"] = "zoë"  # whose coming nobody heard of

    reconciling = asyncio.create_task(roster.reconcile(service, "tea"))
    await service.has_listed.wait()
    await roster.joined("tea", "c-4", "ivy", at=2.0)
    await roster.left("tea", "c-2")
    await roster.gone("c-3")
    service.may_answer.set()

    async with asyncio.timeout(5):
        assert await reconciling == []
    assert await names(roster) == ["ivy", "mia"]


async def test_a_user_who_came_and_went_while_the_service_was_listing_is_not_brought_back() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), SlowService()
    service.listing["tea"] = {"c-1": "mia"}

    reconciling = asyncio.create_task(roster.reconcile(service, "tea"))
    await service.has_listed.wait()
    await roster.joined("tea", "c-1", "mia", at=2.0)
    await roster.left("tea", "c-1")
    service.may_answer.set()

    async with asyncio.timeout(5):
        assert await reconciling == []
    assert await names(roster) == []


@pytest.mark.parametrize("status", [400, 404, 405])
async def test_a_service_too_old_to_list_is_asked_for_each_connection(status: int) -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), OldService(status, existing=("c-1", "c-3"))
    for connection, user in (("c-1", "mia"), ("c-2", "jonas"), ("c-3", "zoë")):
        await roster.joined("tea", connection, user, at=1.0)

    assert told(await roster.reconcile(service, "tea")) == [("tea", "jonas", False)]
    assert await names(roster) == ["mia", "zoë"]


@pytest.mark.parametrize("status", [None, 401, 429, 503])
async def test_a_service_that_does_not_answer_changes_nothing(status: int | None) -> None:
    roster = Roster(MemoryStorage(), settle_seconds=0)
    await roster.joined("tea", "c-1", "mia", at=1.0)

    with pytest.raises(ServiceError):
        await roster.reconcile(OldService(status), "tea")

    assert await names(roster) == ["mia"]


async def test_it_heals_every_group_at_once_and_again() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), RecordingPublisher()
    await roster.joined("cake", "c-1", "mia", at=1.0)
    service.listing["lobby"] = {"c-2": "jonas"}

    async with asyncio.timeout(5):
        rounds = roster.healing(service, always=["lobby"], every_seconds=0)
        first = [*await anext(rounds), *await anext(rounds)]
        service.listing["lobby"] = {}
        second = await anext(rounds)
        await rounds.aclose()

    assert told(first) == [("cake", "mia", False), ("lobby", "jonas", True)]
    assert told(second) == [("lobby", "jonas", False)]


async def test_healing_goes_on_after_a_failure() -> None:
    roster, service = Roster(MemoryStorage(), settle_seconds=0), OldService(503)
    await roster.joined("tea", "c-1", "mia", at=1.0)

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(5):
            rounds = roster.healing(service, every_seconds=0)
            healed = asyncio.ensure_future(anext(rounds))
            for _ in range(3):
                await service.was_asked.acquire()
            service.status = 404
            assert told(await healed) == [("tea", "mia", False)]
            await rounds.aclose()

    assert {one["event"] for one in logs} == {"roster not reconciled"}
