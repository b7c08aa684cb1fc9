"""What `bench.soak` sets up with: programs, replicas behind a proxy, and a look at each process."""

import asyncio
import itertools
import os
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 40.0
SPARE_MIB, SPARE_SHARE, SPARE_DESCRIPTORS = 15.0, 0.15, 20


@dataclass
class Life:
    """One process from its start to its end: memory and open files, a sample every few seconds."""

    name: str
    pid: int
    is_over: bool = False
    """Its number may be another process's by now."""
    memory_mib: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self) -> None:
        if self.is_over:
            return
        with suppress(OSError, StopIteration):  # it may end while one looks
            status = Path(f"/proc/{self.pid}/status").read_text()
            kib = int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])
            open_files = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
            self.memory_mib.append(kib / 1024)
            self.descriptors.append(open_files)

    def row(self) -> str:
        early, late = _parts(self.memory_mib)
        files_early, files_late = _parts(self.descriptors)
        most = max(self.memory_mib, default=0)
        return (
            f"| {self.name} | {len(self.memory_mib)} | {early:.0f} | {late:.0f} | {most:.0f} "
            f"| {files_early:.0f} | {files_late:.0f} | {max(self.descriptors, default=0)} |"
        )

    def problems(self) -> list[str]:
        """What grew between the second and the last quarter of its life, where that was long enough to tell."""
        if len(self.memory_mib) < 20:
            return []
        early, late = _parts(self.memory_mib)
        found = []
        if late - early > max(SPARE_MIB, early * SPARE_SHARE):
            found.append(f"{self.name} grew from {early:.0f} to {late:.0f} MiB")
        early, late = _parts(self.descriptors)
        if late - early > SPARE_DESCRIPTORS:
            found.append(f"{self.name} had {early:.0f} files open, and then {late:.0f}")
        return found


def _parts(samples: Sequence[float]) -> tuple[float, float]:
    """The medians of the second quarter and of the last."""
    quarter = max(1, len(samples) // 4)
    return (
        statistics.median(samples[quarter : 2 * quarter] or samples or [0]),
        statistics.median(samples[-quarter:] or [0]),
    )


class Program:
    """A process whose output goes to a file; it may be started again."""

    def __init__(self, name: str, folder: Path, lives: list[Life]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._lives = lives
        self._process: asyncio.subprocess.Process | None = None
        self._life: Life

    async def start(self, *command: str, **env: str) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)} | env, stdout=log, stderr=log
            )
        self._life = Life(self.name, self._process.pid)
        self._lives.append(self._life)

    async def stop(self, *, kill: bool = False) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        self._life.is_over = True
        process.kill() if kill else process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise RuntimeError(f"{self.name} did not stop within {STOP_SECONDS:g} s") from None

    def signal(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def said(self, text: str) -> int:
        with self.log.open(errors="replace") as lines:  # it grows to many megabytes
            return sum(line.count(text) for line in lines)


async def answers(url: str) -> None:
    """Returns when it says 200."""
    async with asyncio.timeout(START_SECONDS), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


class Replica:
    """An upstream on a port of its own each time it starts."""

    def __init__(self, name: str, folder: Path, lives: list[Life], env: dict[str, str]) -> None:
        self.program = Program(name, folder, lives)
        self._env = env
        self.port = 0

    async def start(self) -> None:
        self.port = free_port()
        entry = "from app.cli import main; main()"
        await self.program.start(sys.executable, "-c", entry, "serve", "--port", str(self.port), **self._env)
        await answers(f"http://127.0.0.1:{self.port}/readyz")


class Proxy:
    """Hands each connection to the next of `ports`, or to another where that does not answer."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turns = itertools.count()
        self._pipes: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for pipe in self._pipes:
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = await self._backend()
        if opened is None:
            writer.close()
            return
        there_reader, there_writer = opened
        pipes = {
            asyncio.create_task(_pipe(reader, there_writer)),
            asyncio.create_task(_pipe(there_reader, writer)),
        }
        self._pipes |= pipes
        try:
            # Either side's end is the end of both: neither the service nor uvicorn closes one half alone.
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pipe in pipes:
                pipe.cancel()
            self._pipes -= pipes
            for one in (writer, there_writer):
                one.close()

    async def _backend(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        ports = list(self.ports)
        first = next(self._turns)
        for offset in range(len(ports)):
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", ports[(first + offset) % len(ports)])
        return None


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def sampled(lives: list[Life], seconds: float) -> None:
    """Until it is cancelled."""
    due = time.monotonic()
    while True:
        for life in lives:
            life.look()
        due += seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))
