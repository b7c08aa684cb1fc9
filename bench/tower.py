"""The control tower under load: `python -m bench.tower [-v VEHICLES] [-r RATE] [-s SECONDS] [--store URL]`.

The local service, the upstream and the simulator are a process each, on whatever cores there are. From a vehicle's send
to the tower's receipt a position passes the service, the webhook, the hub's turn of half a second, the outbox, the REST
API and the service again; it travels with all others of its turn, so half a turn is the least a median can be.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from os import getpid, sysconf
from pathlib import Path

import aiohttp
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from app.logging import configure_logging
from app.simulation.config import Config
from app.simulation.doors import KeyDoor
from app.simulation.run import Simulation, simulating
from app.simulation.world import Ages
from app.upstream.connection_string import ConnectionString
from bench.servers import Server, free_port
from localpubsub.config import DEFAULT_ACCESS_KEY

PERIOD_SECONDS = 5
SPARE_FILES = 1_000
PATIENCE_SECONDS = 120
AGES_KEPT = 1_000_000
WATCHED = ("webpubsub_outbox_waiting", "webpubsub_outbox_oldest_seconds", "webpubsub_event_loop_lag_seconds")


@dataclass(frozen=True)
class Sample:
    at: float
    sent: int
    seen: int
    metrics: Mapping[str, float]
    cpu: Mapping[str, float]
    """Seconds of processor time, by process."""


class Bench:
    def __init__(self, service: Server, upstream: Server, simulation: Simulation, http: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._simulation = simulation
        self._http = http
        self._pids = {"service": pid_of(service), "upstream": pid_of(upstream), "simulator": getpid()}

    async def sample(self) -> Sample:
        world = self._simulation.world
        async with self._http.get(f"http://127.0.0.1:{self._upstream.port}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
            found = {one.name: one.value for family in families for one in family.samples if one.name in WATCHED}
        cpu = {name: processor_seconds(pid) for name, pid in self._pids.items()}
        return Sample(time.monotonic(), world.counts.sent, world.seen.events, found, cpu)

    async def warm_up(self) -> None:
        """Until everybody is connected, and a little longer."""
        was_connected = False
        for _ in range(0, PATIENCE_SECONDS, PERIOD_SECONDS):
            standing = self._simulation.standing()
            print(f"  {standing.line()}", flush=True)
            if was_connected:
                return
            was_connected = standing.connected == standing.parties
            await asyncio.sleep(PERIOD_SECONDS)
        raise SystemExit("this machine cannot get so many going")

    async def measure(self, seconds: float) -> None:
        seen = self._simulation.world.seen
        seen.ages = Ages(deque(maxlen=AGES_KEPT))
        first = before = await self.sample()
        deepest = 0.0
        print("  seconds  events/s  at the tower/s  waiting  oldest s   lag ms  " + "  ".join(self._pids))
        while before.at - first.at < seconds:
            await asyncio.sleep(PERIOD_SECONDS)
            now = await self.sample()
            deepest = max(deepest, now.metrics[WATCHED[0]])
            print(row(first, before, now), flush=True)
            before = now
        passed = before.at - first.at
        p50, p99 = (1000 * (seen.ages.percentile(share) or 0.0) for share in (0.5, 0.99))
        print(
            f"{(before.sent - first.sent) / passed:.0f} events/s for {passed:.0f} s; from vehicle to tower "
            f"{p50:.0f} ms, p99 {p99:.0f} ms; at most {deepest:.0f} messages waited; "
            + ", ".join(f"{name} {(before.cpu[name] - first.cpu[name]) / passed:.0%}" for name in self._pids)
            + f" of a core; {seen.delivered} delivered, {seen.raised} alerts"
        )
        print(f"  {self._simulation.standing().line()}")


def row(first: Sample, before: Sample, now: Sample) -> str:
    passed = now.at - before.at
    waiting, oldest, lag = (now.metrics[name] for name in WATCHED)
    shares = "  ".join(f"{(now.cpu[name] - before.cpu[name]) / passed:{len(name)}.0%}" for name in now.cpu)
    return (
        f"  {now.at - first.at:7.0f}  {(now.sent - before.sent) / passed:8.0f}  "
        f"{(now.seen - before.seen) / passed:14.0f}  {waiting:7.0f}  {oldest:8.2f}  {lag * 1000:7.0f}  {shares}"
    )


def pid_of(server: Server) -> int:
    if server.process is None:
        raise RuntimeError("it has not been started")
    return server.process.pid


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / sysconf("SC_CLK_TCK")


async def run(config: Config, seconds: float, store: str) -> None:
    service_port, upstream_port = free_port(), free_port()
    connection = f"Endpoint=http://localhost:{service_port};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;"
    handler = f"http://127.0.0.1:{upstream_port}/eventhandler"
    service = Server(
        f"{sys.executable} -m localpubsub --port $PORT --hub tower --event-handler {handler}", port=service_port
    )
    settings = {
        "WEBPUBSUB_CONNECTION_STRING": connection,
        "HUBS": "app.hubs.control_tower.hub:ControlTowerHub",
        "STORE": store,
        "LOG_LEVEL": "warning",
        "SHUTDOWN_GRACE_SECONDS": "1",
    }
    upstream = Server(
        f"{sys.executable} -m uvicorn app.main:app --host 127.0.0.1 --port $PORT --no-access-log --log-level warning",
        settings,
        port=upstream_port,
    )
    try:
        service.start("0-1", "/api/health")
        upstream.start("0-1", "/healthz")
        async with (
            aiohttp.ClientSession() as http,
            simulating(config, KeyDoor(ConnectionString.parse(connection))) as simulation,
        ):
            bench = Bench(service, upstream, simulation, http)
            await bench.warm_up()
            await bench.measure(seconds)
    finally:
        upstream.stop()
        service.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-v", "--vehicles", type=int, default=2_000)
    parser.add_argument("-r", "--rate", type=float, default=1.0)
    parser.add_argument("-s", "--seconds", type=float, default=60)
    parser.add_argument("--mqtt-share", type=float, default=0.2)
    parser.add_argument("--docks", type=int, default=2, help="vehicles each of twelve warehouses loads at a time")
    parser.add_argument("--store", help="sqlite:///file, redis://host/0 or memory://; a file of its own where left out")
    chosen = parser.parse_args()
    configure_logging("warning")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 2 * chosen.vehicles + SPARE_FILES), most))
    config = Config(
        vehicles=chosen.vehicles, rate=chosen.rate, mqtt_share=chosen.mqtt_share, docks=chosen.docks, speedup=60
    )
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(run(config, chosen.seconds, chosen.store or f"sqlite:///{folder}/tower.db"))


if __name__ == "__main__":
    main()
