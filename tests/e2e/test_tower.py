"""The control tower over the real service: a few simulated vehicles, some of them with MQTT, from load to delivery."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from app.devserver import run_dev
from app.simulation import vehicle
from app.simulation.config import Config
from app.simulation.doors import Door, KeyDoor, NegotiateDoor
from app.simulation.run import Simulation, simulating
from app.upstream.connection_string import ConnectionString

HUBS = ("app.hubs.control_tower.hub:ControlTowerHub",)
PATIENCE_SECONDS = 60
QUICK = Config(
    vehicles=6,
    rate=20,
    mqtt_share=0.5,
    transporters=2,
    customers=2,
    speedup=40_000,
    pause_seconds=0.01,
    help_seconds=0.1,
)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("way_in", ["key", "negotiate"])
async def test_vehicles_carry_what_warehouses_load_and_the_tower_sees_it(way_in: str) -> None:
    async with run_dev(port=0, service_port=0, hubs=HUBS, store="memory://") as servers:
        door: Door = NegotiateDoor(servers.upstream_url)
        if way_in == "key":
            door = KeyDoor(ConnectionString.parse(servers.service.connection_string))
        async with simulating(QUICK, door) as simulation:
            seen = simulation.world.seen
            await until(lambda: seen.delivered >= QUICK.vehicles and seen.rows >= 5 * QUICK.vehicles)

            standing = simulation.standing()
            assert standing.connected == standing.parties
            assert (standing.refused, standing.unanswered, standing.lost) == (0, 0, 0)
            assert standing.age_p50 is not None


async def test_what_one_run_left_under_way_the_next_one_brings_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(self: vehicle.VehicleAtWork, load: vehicle.Load) -> None:
        await asyncio.Event().wait()

    async with run_dev(port=0, service_port=0, hubs=HUBS, store="memory://") as servers:
        door = NegotiateDoor(servers.upstream_url)

        def under_way(simulation: Simulation) -> set[str]:
            return simulation.world.seen.under_way

        with monkeypatch.context() as stuck:
            stuck.setattr(vehicle.VehicleAtWork, "_drive", never)
            async with simulating(QUICK, door) as first:
                await until(lambda: len(under_way(first)) == QUICK.vehicles)
                left = set(under_way(first))
        async with simulating(QUICK, door) as second:
            await until(lambda: left <= under_way(second))
            await until(lambda: not left & under_way(second))


async def test_a_party_that_is_cut_off_comes_back() -> None:
    async with (
        run_dev(port=0, service_port=0, hubs=HUBS, store="memory://") as servers,
        simulating(QUICK, NegotiateDoor(servers.upstream_url)) as simulation,
    ):
        counts, seen = simulation.world.counts, simulation.world.seen
        await until(lambda: counts.connected == simulation.standing().parties)
        async with WebPubSubServiceClient.from_connection_string(
            servers.service.connection_string, hub="tower"
        ) as service:
            await service.close_all_connections()
        await until(lambda: counts.lost == simulation.standing().parties)

        await until(lambda: counts.connected == simulation.standing().parties)
        delivered = seen.delivered
        await until(lambda: seen.delivered > delivered)


async def test_the_command_tells_how_it_goes_and_ends_by_itself() -> None:
    async with run_dev(port=0, service_port=0, hubs=HUBS, store="memory://") as servers:
        options = ("--vehicles", "3", "--minutes", "0.03", "--negotiate", servers.upstream_url)
        command = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("webpubsub"),
            *("simulate", "tower", *options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, complaints = await command.communicate()

    assert (command.returncode, complaints) == (0, b"")
    assert re.search(rb"connected \d+/39 ", said)
