"""`webpubsub client` and `webpubsub service` as scripts run them."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from localpubsub.server import LocalPubSub
from tests.e2e.test_commands import environment

SECONDS = 60
EVERYTHING = ("--role", "webpubsub.joinLeaveGroup", "--role", "webpubsub.sendToGroup")


class Result(NamedTuple):
    code: int
    lines: list[str]
    errors: list[str]

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


async def _start(arguments: tuple[str, ...], env: dict[str, str]) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from app.cli import main; main()", *arguments,
        stdin=pipe, stdout=pipe, stderr=pipe, env=environment(**env),
    )  # fmt: skip


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]  # asyncio leaves its pipes to the collector


def service_variables(service: LocalPubSub) -> dict[str, str]:
    return {"WEBPUBSUB_CONNECTION_STRING": service.connection_string}


async def run(*arguments: str, typed: str = "", **env: str) -> Result:
    """A command from its start to its end; `typed` is its standard input."""
    process = await _start(arguments, env)
    try:
        async with asyncio.timeout(SECONDS):
            out, errors = await process.communicate(typed.encode())
        assert b"Traceback" not in errors, errors.decode()
        assert process.returncode is not None
        return Result(process.returncode, out.decode().splitlines(), errors.decode().splitlines())
    finally:
        await _end(process)


class Listening:
    """A client that goes on, and tells what it hears in JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.heard: list[dict[str, Any]] = []

    async def until(self, **members: Any) -> dict[str, Any]:
        """The next object with these members; those before it are in `heard`."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(SECONDS):
                while line := await self.process.stdout.readline():
                    self.heard.append(json.loads(line))
                    if members.items() <= self.heard[-1].items():
                        return self.heard[-1]
        except TimeoutError:
            raise AssertionError(f"{members} did not come, but {self.heard}") from None
        assert self.process.stderr is not None
        raise AssertionError(f"{members} did not come, but {self.heard} and {await self.process.stderr.read()!r}")

    async def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        await self.process.stdin.drain()

    async def ends(self) -> int:
        """Reads what is left, and returns the exit code."""
        async with asyncio.timeout(SECONDS):
            out, errors = await self.process.communicate()
        assert b"Traceback" not in errors, errors.decode()
        self.heard.extend(json.loads(line) for line in out.splitlines())
        assert self.process.returncode is not None
        return self.process.returncode

    async def stops(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await self.ends()


@asynccontextmanager
async def listening(*arguments: str, **env: str) -> AsyncIterator[Listening]:
    """`webpubsub client --listen --json`, connected."""
    process = await _start(("client", "--listen", "--json", *arguments), env)
    try:
        yield Listening(process)
    finally:
        await _end(process)
