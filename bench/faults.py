"""What a misbehaving service does to the webhook: `python -m bench.faults` prints a table.

Events come at a steady rate from 64 connections; the data plane slows down, hangs, refuses, breaks and comes back. Each
phase shows how the webhook answered meanwhile. At the end everything that was answered 2xx must have arrived, and in
order per connection.
"""

import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from app.upstream.signature import sign
from bench.data_plane import DataPlane, Mood

ROOT = Path(__file__).resolve().parents[1]
KEY = "local-bench-key-0000000000000000000000000001"
LANES = 64
HEADING = "| phase | p50 ms | p99 ms | worst ms | answers | memory MiB |\n|---|---|---|---|---|---|"
PHASES = (
    (Mood.WELL, 5.0), (Mood.SLOW, 10.0), (Mood.WELL, 5.0), (Mood.HANGING, 10.0), (Mood.WELL, 5.0), (Mood.BUSY, 6.0),
    (Mood.WELL, 5.0), (Mood.FAILING, 10.0), (Mood.WELL, 5.0), (Mood.REFUSING, 6.0), (Mood.WELL, 5.0),
    (Mood.RESETTING, 5.0), (Mood.WELL, 5.0),
)  # fmt: skip


@dataclass
class Phase:
    name: str
    milliseconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    memory_mib: float = 0.0

    def row(self) -> str:
        times = sorted(self.milliseconds) or [0.0]
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        answers = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses.items()))
        median = statistics.median(times)
        return f"| {self.name} | {median:.1f} | {p99:.1f} | {times[-1]:.1f} | {answers} | {self.memory_mib:.0f} |"


class Load:
    """Events from `LANES` connections, each waiting for its answer before the next, as the service does it."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        self._next = [0] * LANES
        self.answered: set[tuple[int, int]] = set()
        self.phase = Phase("")

    async def lane(self, lane: int, per_second: float, until: float) -> None:
        """Sends for a while. A number that was refused is not used again."""
        pause = 1 / per_second
        due = time.perf_counter() + pause * lane / LANES
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due = max(due + pause, time.perf_counter() - 1)
            number, self._next[lane] = self._next[lane], self._next[lane] + 1
            started = time.perf_counter()
            async with self._session.post(
                self._url, data=f"{lane}:{number}".encode(), headers=_headers(lane, number)
            ) as answer:
                await answer.read()
            self.phase.milliseconds.append((time.perf_counter() - started) * 1000)
            self.phase.statuses[answer.status] += 1
            if answer.status < 300:
                self.answered.add((lane, number))

    async def run(self, name: str, rate: float, seconds: float) -> Phase:
        self.phase = Phase(name)
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self.lane(lane, rate / LANES, until) for lane in range(LANES)))
        return self.phase


def _headers(lane: int, number: int) -> dict[str, str]:
    connection = f"conn-{lane:03}"
    return {
        "WebHook-Request-Origin": "127.0.0.1",
        "ce-specversion": "1.0",
        "ce-awpsversion": "1.0",
        "ce-type": "azure.webpubsub.user.message",
        "ce-source": f"/hubs/chat/client/{connection}",
        "ce-id": str(number + 1),
        "ce-signature": sign(KEY.encode(), connection.encode()).decode(),
        "ce-connectionId": connection,
        "ce-userId": f"user-{lane}",
        "ce-hub": "chat",
        "ce-eventName": "message",
        "Content-Type": "text/plain",
    }


class Product:
    """The upstream with the benchmark's hub, as a process."""

    def __init__(self, plane: DataPlane, store: str, **settings: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/eventhandler"
        self._env = os.environ | {
            "PYTHONPATH": str(ROOT),
            "WEBPUBSUB_CONNECTION_STRING": f"Endpoint={plane.endpoint};AccessKey={KEY};Version=1.0;",
            "HUBS": "bench.hub:BenchHub",
            "FANOUT": "sdk",
            "STORE": store,
            "LOG_LEVEL": "critical" if sys.stderr.isatty() else "error",
            "LOG_FORMAT": "json",
            **settings,
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        descriptor = self._listener.fileno()
        command = ["-m", "uvicorn", "app.main:app", "--fd", str(descriptor), "--log-level", "error", "--no-access-log"]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=self._env, pass_fds=(descriptor,)
        )

    async def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            await self._process.wait()
        self._listener.close()

    def memory_mib(self) -> float:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1]) / 1024


def verdict(load: Load, plane: DataPlane) -> list[str]:
    """What went wrong, in words; empty where nothing did."""
    arrived: dict[int, list[int]] = {lane: [] for lane in range(LANES)}
    seen: set[tuple[int, int]] = set()
    for body in plane.accepted:
        lane, number = (int(part) for part in json.loads(body)["message"].split(":"))
        if (lane, number) not in seen:
            seen.add((lane, number))
            arrived[lane].append(number)
    problems = []
    if missing := load.answered - seen:
        problems.append(f"{len(missing)} answered events never arrived")
    if swapped := [lane for lane, numbers in arrived.items() if numbers != sorted(numbers)]:
        problems.append(f"{len(swapped)} connections out of order")
    return problems


async def settle(load: Load, plane: DataPlane, seconds: float = 90) -> None:
    """Waits until as many have arrived as were answered."""
    all_there = asyncio.Event()

    def look() -> None:
        if len(plane.accepted) >= len(load.answered) and len(set(plane.accepted)) >= len(load.answered):
            all_there.set()

    plane.on_accept = look
    look()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await all_there.wait()


async def moods(rate: float, shorten: float = 1.0) -> bool:
    plane = DataPlane()
    await plane.start()
    with tempfile.TemporaryDirectory() as folder:
        product = Product(plane, f"sqlite:///{folder}/outbox.db", FANOUT_SEND_TIMEOUT_SECONDS="5")
        await product.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            load = Load(product.url, session)
            await load.run("warm-up", rate, 2)
            print(HEADING)
            for mood, seconds in PHASES:
                await plane.become(mood)
                phase = await load.run(mood.value, rate, seconds * shorten)
                phase.memory_mib = product.memory_mib()
                print(phase.row(), flush=True)
            await settle(load, plane)
        problems = verdict(load, plane)
        print(f"\n{len(load.answered)} events answered 2xx, {len(plane.accepted)} sends accepted of {plane.attempts}.")
        print("; ".join(problems) or "All arrived, in order per connection.")
        await product.stop()
    await plane.stop()
    return not problems


async def overload(seconds: float) -> bool:
    """Three times what a slow data plane takes: 64 sends of 200 ms each are 320 a second."""
    plane = DataPlane(Mood.SLOW)
    await plane.start()
    with tempfile.TemporaryDirectory() as folder:
        product = Product(plane, f"sqlite:///{folder}/outbox.db", FANOUT_CONCURRENCY="64", FANOUT_MAX_MESSAGES="2000")
        await product.start()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            load = Load(product.url, session)
            await load.run("warm-up", 100, 2)
            print(f"\n### Three times the capacity\n\n{HEADING}")
            for part in range(3):
                phase = await load.run(f"third {part + 1}", 960, seconds / 3)
                phase.memory_mib = product.memory_mib()
                print(phase.row(), flush=True)
            await settle(load, plane)
        problems = verdict(load, plane)
        print("; ".join(problems) or f"All {len(load.answered)} that were answered 2xx arrived, in order.")
        await product.stop()
    await plane.stop()
    return not problems


def main() -> None:
    shorten = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    well = asyncio.run(moods(300, shorten))
    well = asyncio.run(overload(30 * shorten)) and well
    sys.exit(not well)


if __name__ == "__main__":
    main()
