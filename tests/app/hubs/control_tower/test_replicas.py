"""Several replicas on one store, with everything that goes on beside the events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from secrets import token_hex

import pytest

from app.hubs.control_tower import watch
from app.storage.redis_storage import RedisStorage
from app.upstream.memory_storage import MemoryStorage
from app.upstream.storage import Storage
from tests.app.fanout.redis.server import RedisServer, redis_of_its_own
from tests.app.hubs.control_tower.stage import CUSTOMER, TOWER, VEHICLE, WAREHOUSE, Stage

HERE = {"lat": 52.5, "lon": 13.4}
PATIENCE_SECONDS = 20
REPLICAS = 3


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with redis_of_its_own() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def storages(request: pytest.FixtureRequest) -> AsyncIterator[Sequence[Storage]]:
    """One for each replica, on the same store."""
    if request.param == "memory":
        yield [MemoryStorage()] * REPLICAS
        return
    url, prefix = request.getfixturevalue("server").url, f"{{{token_hex(4)}}}"
    opened = [RedisStorage(url, prefix=prefix) for _ in range(REPLICAS)]
    for one in opened:
        await one.open()
    yield opened
    for one in opened:
        await one.close()


@pytest.fixture
async def replicas(storages: Sequence[Storage], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sequence[Stage]]:
    """Running; a turn takes no time, and every turn is due."""
    for name in ("RENEW_SECONDS", "SHOW_SECONDS", "WORK_SECONDS"):
        monkeypatch.setattr(watch, name, 0)
    stages = [Stage(storage) for storage in storages]
    tasks = [asyncio.create_task(stage.hub.run()) for stage in stages]
    yield stages
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def leaders(stages: Sequence[Stage]) -> list[Stage]:
    return [stage for stage in stages if stage.hub.watch.lead is not None]


async def test_positions_heard_by_any_replica_are_told_by_the_one_that_leads(replicas: Sequence[Stage]) -> None:
    def seen() -> set[str]:
        told = [one for stage in replicas for one in stage.heard("tower", "positions")]
        return {row[0] for one in told for row in one["rows"]}

    async with asyncio.timeout(PATIENCE_SECONDS):
        while seen() != {"V0", "V1", "V2"}:
            # Until one leads there is nobody to hear them.
            for number, stage in enumerate(replicas):
                stage.now += 1
                await stage.send(f"vehicle:V{number}", "position", HERE)
            await asyncio.sleep(0)

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


async def test_a_page_loaded_from_one_replica_has_what_another_changed(replicas: Sequence[Stage]) -> None:
    one, other, third = replicas
    for number in range(10):
        await one.carry(f"S-{number}", until="created")
        for stage in (other, third):
            page = await stage.send(TOWER, "snapshot")
            assert page is not None
            assert [shipment["state"] for shipment in page["shipments"]] == ["picked"] * number + ["created"]
        await other.send(WAREHOUSE, "picked", {"shipment": f"S-{number}"})


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
