"""Several replicas on one store, with everything that goes on beside the events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from app.hubs.control_tower import watch
from tests.app.hubs.control_tower.stage import CUSTOMER, TOWER, VEHICLE, Stage

HERE = {"lat": 52.5, "lon": 13.4}
PATIENCE_SECONDS = 20


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


@pytest.fixture
async def replicas(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sequence[Stage]]:
    """Three, running; a turn takes no time, and every turn is due."""
    for name in ("RENEW_SECONDS", "SHOW_SECONDS", "WORK_SECONDS"):
        monkeypatch.setattr(watch, name, 0)
    first = Stage()
    stages = [first, Stage(first.storage), Stage(first.storage)]
    tasks = [asyncio.create_task(stage.hub.run()) for stage in stages]
    yield stages
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def leaders(stages: Sequence[Stage]) -> list[Stage]:
    return [stage for stage in stages if stage.hub.watch.lead is not None]


async def test_positions_heard_by_any_replica_are_told_by_the_one_that_leads(replicas: Sequence[Stage]) -> None:
    for number, stage in enumerate(replicas):
        await stage.send(f"vehicle:V{number}", "position", HERE)

    def rows() -> set[str]:
        told = [one for stage in replicas for one in stage.heard("tower", "positions")]
        return {row[0] for one in told for row in one["rows"]}

    await until(lambda: rows() == {"V0", "V1", "V2"})

    assert len(leaders(replicas)) == 1
    assert [stage for stage in replicas if stage.heard("tower")] == leaders(replicas)


async def test_the_leader_hears_of_changes_that_others_made(replicas: Sequence[Stage]) -> None:
    await replicas[0].carry(until="loaded")
    await until(lambda: bool(leaders(replicas)))
    (leader,) = leaders(replicas)
    other = next(stage for stage in replicas if stage is not leader)
    await leader.client(CUSTOMER)

    await other.send(VEHICLE, "departed", {"shipment": "S-1"})

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not leader.heard(CUSTOMER, "positions"):
            leader.now = other.now = other.now + 1
            await other.send(VEHICLE, "position", HERE)
            await asyncio.sleep(0)


async def test_when_the_leader_stops_another_takes_over(replicas: Sequence[Stage]) -> None:
    await replicas[0].send(VEHICLE, "position", HERE)
    await until(lambda: bool(leaders(replicas)))
    (leader,) = leaders(replicas)

    await leader.hub.watch.resign()
    await until(lambda: bool(leaders(replicas)))

    assert len(leaders(replicas)) == 1


async def test_nothing_is_asked_of_the_store_before_there_is_something_to_watch() -> None:
    stage = Stage()
    task = asyncio.create_task(stage.hub.run())
    for _ in range(20):
        await asyncio.sleep(0)

    assert await stage.storage.logs() == []
    await stage.send(VEHICLE, "position", HERE)
    await until(lambda: bool(stage.heard("tower")))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await stage.storage.logs() == ["leader"]


async def test_a_stop_hands_the_lead_over_at_once() -> None:
    stage = Stage()
    await stage.carry(until="departed")
    task = asyncio.create_task(stage.hub.run())
    await until(lambda: stage.hub.watch.lead is not None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    after = Stage(stage.storage)
    await after.turn()

    assert after.hub.watch.lead is not None
    page = await after.send(TOWER, "snapshot")
    assert page is not None
    assert page["shipments"][0]["state"] == "departed"
