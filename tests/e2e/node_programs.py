"""Programs in Node with the official packages, which live in a folder outside the tree."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent / "node"
CACHE = Path(os.environ.get("E2E_CACHE", Path.home() / ".cache" / "webpubsub-e2e"))
PACKAGES = (
    "@azure/web-pubsub@1.2.0",
    "@azure/web-pubsub-client@1.1.0",
    "@azure/web-pubsub-express@1.1.0",
    "@azure/web-pubsub-socket.io@1.2.1",
    "mqtt@5.16.0",
)
PATIENCE = 20
SKIPPED_WITHOUT = ("node", "npm")


def node_modules() -> Path:
    """Installed once for all runs. Skips the test where there is no Node, and fails it in CI."""
    missing = [name for name in SKIPPED_WITHOUT if shutil.which(name) is None]
    if missing:
        reason = f"{' and '.join(missing)} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = CACHE / "-".join(package.rpartition("@")[2] for package in PACKAGES)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            command = ["npm", "install", "--silent", "--no-save", "--no-audit", "--no-fund", "--prefix", str(folder)]
            subprocess.run([*command, *PACKAGES], check=True, timeout=300)
            (folder / "complete").touch()
    return folder / "node_modules"


class Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def say(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        await self._process.stdin.drain()

    async def hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            line = await self._process.stdout.readline()
        assert line, "the program has ended"
        message: dict[str, Any] = json.loads(line)
        return message

    async def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        await self.say(message)
        return await self.hear()


@asynccontextmanager
async def running(script: str, *arguments: str) -> AsyncIterator[Program]:
    modules = await asyncio.to_thread(node_modules)
    process = await asyncio.create_subprocess_exec(
        "node", str(HERE / script), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=os.environ | {"NODE_PATH": str(modules)},
    )  # fmt: skip
    try:
        yield Program(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
