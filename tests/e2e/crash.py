"""The upstream is killed in the middle of its work: what it answered must arrive (design, delivery promises).

Clients send events through the local service to upstream processes that share one listening socket, so that a process
can be replaced while its address stays. `python -m tests.e2e.crash STORE` runs the full proof.
"""

import asyncio
import itertools
import signal
import socket
import sys
import tempfile
from collections import defaultdict
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp

from localpubsub.config import EventHandler, HubSettings
from localpubsub.server import LocalPubSub
from tests.e2e.test_commands import ROOT, environment
from tests.localpubsub.conftest import JSON, client_url, config

RETRY_DELAYS = (0.2, 0.5, 1.0, 2.0, 2.0, 2.0)


@dataclass
class Listener:
    """One client that only listens: what it got from each sender, in order, repeats left out."""

    numbers: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    seen: set[str] = field(default_factory=set)
    repeats: int = 0
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, message: dict[str, Any]) -> None:
        if message["id"] in self.seen:
            self.repeats += 1
            return
        self.seen.add(message["id"])
        self.numbers[message["from"]].append(message["n"])
        self.news.set()


@dataclass
class Report:
    accepted: dict[str, list[int]]
    """What the service acknowledged to each sender, which it does when the upstream answered 2xx."""
    refused: int
    listeners: list[Listener]

    @property
    def missing(self) -> list[tuple[str, int]]:
        return [
            (sender, number)
            for listener in self.listeners
            for sender, numbers in self.accepted.items()
            for number in sorted(set(numbers) - set(listener.numbers[sender]))
        ]

    @property
    def out_of_order(self) -> list[str]:
        return [
            sender
            for listener in self.listeners
            for sender in self.accepted
            if listener.numbers[sender] != sorted(listener.numbers[sender])
        ]


class Upstreams:
    """Processes that serve one listening socket."""

    def __init__(self, listener: socket.socket, env: dict[str, str]) -> None:
        self._listener = listener
        self._env = env
        self.running: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        descriptor = self._listener.fileno()
        arguments = ["-m", "uvicorn", "app.main:app", "--fd", str(descriptor), "--log-level", "warning"]
        self.running.append(
            await asyncio.create_subprocess_exec(
                sys.executable, *arguments, cwd=ROOT, env=self._env, pass_fds=(descriptor,)
            )
        )

    async def kill_one(self) -> None:
        """As the kernel does it when memory is short: no handler runs, nothing is flushed."""
        victim = self.running.pop(0)
        victim.send_signal(signal.SIGKILL)
        await victim.wait()

    async def stop(self) -> None:
        for process in self.running:
            process.kill()
            await process.wait()


async def survive(
    store: str, *, events: int = 10_000, senders: int = 50, listeners: int = 3, replicas: int = 1, kills: int = 3
) -> Report:
    """Sends `events`, kills an upstream `kills` times on the way and starts another; returns when all is quiet."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=1024))
        handler = EventHandler(f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler", (), "*")
        hubs = {"shout": HubSettings(event_handlers=(handler,))}
        service = await stack.enter_async_context(LocalPubSub(config(hubs=hubs, retry_delays=RETRY_DELAYS)))
        env = environment(
            WEBPUBSUB_CONNECTION_STRING=service.connection_string,
            HUBS="tests.e2e.shout_hub:ShoutHub",
            STORE=store,
            LOG_LEVEL="error",
            LOG_FORMAT="json",
        )
        upstreams = Upstreams(listener, env)
        stack.push_async_callback(upstreams.stop)
        for _ in range(replicas):
            await upstreams.start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        heard = [Listener() for _ in range(listeners)]
        for one in heard:
            socket_ = await stack.enter_async_context(
                session.ws_connect(client_url(service, "shout", user="listener"), protocols=[JSON])
            )
            task = asyncio.create_task(_listen(socket_, one))
            stack.push_async_callback(_cancel, task)
        report = Report({}, 0, heard)
        acknowledged = itertools.count(1)
        milestones = [asyncio.Event() for _ in range(kills)]

        def progress() -> None:
            done = next(acknowledged)
            for number, milestone in enumerate(milestones, 1):
                if done >= events * number // (kills + 1):
                    milestone.set()

        # A store that was used before may still hold what an earlier run sent and had no time to tick off.
        run = token_hex(4)
        sending = [
            asyncio.create_task(_send(session, service, f"{run}-{n}", events // senders, report, progress))
            for n in range(senders)
        ]
        for milestone in milestones:
            await milestone.wait()
            await upstreams.kill_one()
            await upstreams.start()
        await asyncio.gather(*sending)
        await _quiet(report)
        return report


async def _send(
    session: aiohttp.ClientSession, service: LocalPubSub, name: str, count: int, report: Report, progress: Any
) -> None:
    accepted = report.accepted[name] = []
    async with session.ws_connect(client_url(service, "shout", user=name), protocols=[JSON]) as client:
        for number in range(count):
            await client.send_json(
                {"type": "event", "event": "shout", "ackId": number + 1, "dataType": "text", "data": str(number)}
            )
            while (frame := await client.receive_json()).get("type") != "ack":
                pass
            if frame["success"]:
                accepted.append(number)
            else:
                report.refused += 1
            progress()


async def _listen(client: aiohttp.ClientWebSocketResponse, heard: Listener) -> None:
    async for message in client:
        frame = message.json()
        if frame["type"] == "message":
            heard.take(frame["data"])


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _quiet(report: Report, *, patience: float = 30) -> None:
    """Returns when everything accepted has arrived, or nothing came for `patience` seconds."""
    for listener in report.listeners:
        while report.missing:
            listener.news.clear()
            try:
                async with asyncio.timeout(patience):
                    await listener.news.wait()
            except TimeoutError:
                return


def main() -> None:
    """Ten thousand events, five times; the exit status says whether all arrived."""
    store = sys.argv[1] if len(sys.argv) > 1 else "sqlite"
    events, rounds = (int(one) for one in sys.argv[2:4]) if len(sys.argv) > 3 else (10_000, 5)
    failed = False
    for number in range(1, rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'outbox.db'}" if store == "sqlite" else store
            report = asyncio.run(survive(url, events=events, replicas=1 if store == "sqlite" else 2))
        accepted = sum(map(len, report.accepted.values()))
        repeats = sum(one.repeats for one in report.listeners)
        print(  # noqa: T201 - a program's answer
            f"round {number}: accepted {accepted}, refused {report.refused}, missing {len(report.missing)}, "
            f"senders out of order {len(report.out_of_order)}, repeats dropped {repeats}"
        )
        failed = failed or bool(report.missing or report.out_of_order)
    sys.exit(failed)


if __name__ == "__main__":
    main()
