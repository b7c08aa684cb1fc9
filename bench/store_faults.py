"""What a failing store does to the webhook: `python -m bench.store_faults`, as root for the full disk.

The SQLite file is locked by another process, its disk is full, Redis is stopped and started. Events are refused
meanwhile with 503, taken again afterwards, and everything that was answered 2xx arrives in order.
"""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from bench.data_plane import DataPlane
from bench.faults import HEADING, Load, Product, settle, verdict

RATE = 200
Change = Callable[[], Awaitable[None]]


async def scenario(name: str, store: str, failing: str, fail: Change, mend: Change) -> bool:
    plane = DataPlane()
    await plane.start()
    product = Product(plane, store)
    await product.start()
    print(f"\n### {name}\n\n{HEADING}")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        load = Load(product.url, session)
        await load.run("warm-up", RATE, 2)
        for phase, change in (("before", None), (failing, fail), ("afterwards", mend)):
            if change is not None:
                await change()
            seen = await load.run(phase, RATE, 5)
            seen.memory_mib = product.memory_mib()
            print(seen.row(), flush=True)
        await settle(load, plane)
    problems = verdict(load, plane)
    print("; ".join(problems) or f"All {len(load.answered)} that were answered 2xx arrived, in order.")
    await product.stop()
    await plane.stop()
    return not problems


async def locked() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outbox.db"
        others: list[sqlite3.Connection] = []

        async def lock() -> None:
            others.append(sqlite3.connect(path, isolation_level=None))
            others[0].execute("BEGIN IMMEDIATE")

        async def unlock() -> None:
            others[0].close()

        return await scenario("SQLite file locked by another process", f"sqlite:///{path}", "locked", lock, unlock)


@asynccontextmanager
async def small_disk(mebibytes: int) -> AsyncIterator[Path]:
    folder = Path(tempfile.mkdtemp())
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


async def full() -> bool:
    async with small_disk(16) as disk:
        ballast = disk / "ballast"

        async def fill() -> None:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)

        async def empty() -> None:
            ballast.unlink()

        return await scenario("SQLite on a full disk", f"sqlite:///{disk}/outbox.db", "full", fill, empty)


async def redis_gone() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        servers: list[subprocess.Popen[bytes]] = []

        async def start() -> None:
            command = f"redis-server --port 0 --unixsocket {folder}/s --dir {folder} --appendonly yes --save ''"
            servers.append(subprocess.Popen(command, shell=True, stdout=subprocess.DEVNULL))

        async def stop() -> None:
            subprocess.run(["redis-cli", "-s", f"{folder}/s", "shutdown"], check=True)
            servers.pop().wait()

        await start()
        while not (Path(folder) / "s").exists():
            await asyncio.sleep(0.05)
        name = "Redis stopped and started"
        whole = await scenario(name, f"unix://{folder}/s", "stopped", stop, start)
        await stop()
        return whole


def main() -> None:
    whole = asyncio.run(locked())
    if os.geteuid() == 0:
        whole = asyncio.run(full()) and whole
    if shutil.which("redis-server"):
        whole = asyncio.run(redis_gone()) and whole
    sys.exit(not whole)


if __name__ == "__main__":
    main()
