"""Days of an operator in minutes: `python -m bench.soak [MINUTES]` prints tables and a verdict; the default is 30.

The local service, two replicas behind a proxy that takes turns, a Redis and its replica behind one address. Reliable
clients come in through /negotiate, send and listen. Meanwhile access keys rotate, replicas restart one after the other,
Redis restarts and fails over. No client may see an error; nothing acknowledged may be lost or out of order; no process
may grow. Redis replicates without waiting, so what was acknowledged just before a primary died may go with it: that is
counted for itself.
"""

import argparse
import asyncio
import itertools
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import aiohttp

from app.clients.bearer import KeyBearer
from bench.servers import free_port
from bench.soak_clients import Door, Listener, Seen, leave, send
from bench.soak_redis import AHEAD_SECONDS, Redis
from bench.soak_world import Life, Program, Proxy, Replica, answers, sampled

SENDERS, LISTENERS, PAUSE_SECONDS, PER_CONNECTION = 10, 3, 0.15, 200
SAMPLE_SECONDS = 2.0
TAKEN_SECONDS = 30.0
QUIET_SECONDS = 60.0
DOUBT_SECONDS = 1.0
"""Around the death of a primary: what was acknowledged in them may not have reached its replica."""
LOGGED = (
    "access keys changed",
    "the service refuses an access key",
    "action given up",
    "the outbox cannot be written",
    "Redis is a read-only replica",
    "Redis gave no answer",
    "Redis cannot be reached",
    "Traceback",
)


class Keys:
    """The service's two keys, and the file the replicas read. Each key is used as Azure has them: one at a time."""

    def __init__(self, folder: Path, port: int, proxy: int) -> None:
        self.file = folder / "keys"
        self.config = folder / "localpubsub.toml"
        self.endpoint = f"http://localhost:{port}"
        self._proxy = proxy
        self._port = port
        self.pair = [secrets.token_hex(24), secrets.token_hex(24)]
        self.give()
        self.tell(*self.pair)

    def give(self) -> None:
        """The service has these two from now on."""
        names = ", ".join(f'"{key}"' for key in self.pair)
        _write(
            self.config,
            f"port = {self._port}\naccess_keys = [{names}]\n"
            f'[hubs.soak]\n[[hubs.soak.event_handlers]]\nurl_template = "http://127.0.0.1:{self._proxy}/eventhandler"\n'
            'system_events = ["connect", "connected", "disconnected"]\nuser_event_pattern = "*"\n',
        )

    def tell(self, *keys: str) -> None:
        """The replicas shall have these, the first to send with."""
        _write(self.file, "\n".join(f"Endpoint={self.endpoint};AccessKey={key};Version=1.0;" for key in keys))

    async def until_given(self) -> None:
        """The service takes the first key."""
        url = f"{self.endpoint}/api/hubs/soak/groups/nobody?api-version=2024-12-01"
        bearer = (await KeyBearer(self.pair[0].encode()).value(url)).decode()
        async with asyncio.timeout(TAKEN_SECONDS), aiohttp.ClientSession() as session:
            while True:
                async with session.head(url, headers={"Authorization": bearer}) as answer:
                    if answer.status != 401:
                        return
                await asyncio.sleep(0.1)


def _write(path: Path, text: str) -> None:
    """As a mounted secret changes: all at once."""
    new = path.with_name(f".{path.name}")
    new.write_text(text)
    new.replace(path)


class Soak:
    def __init__(self, folder: Path, seen: Seen) -> None:
        self._folder = folder
        self._seen = seen
        self.lives: list[Life] = []
        self.proxy = Proxy()
        self.redis = Redis(folder, self.lives)
        self.service = Program("service", folder, self.lives)
        self.replicas: list[Replica] = []
        self.keys: Keys

    async def start(self, stack: AsyncExitStack) -> None:
        await self.proxy.start()
        stack.push_async_callback(self.proxy.stop)
        self.keys = Keys(self._folder, free_port(), self.proxy.port)
        await self.redis.start()
        stack.push_async_callback(self.redis.stop)
        await self.service.start(sys.executable, "-m", "localpubsub", "--config", str(self.keys.config))
        stack.push_async_callback(self.service.stop)
        await answers(f"{self.keys.endpoint}/api/health")
        env = {
            "WEBPUBSUB_CONNECTION_STRING_FILE": str(self.keys.file),
            "HUBS": "bench.soak_hub:SoakHub",
            "STORE": self.redis.url,
            "LOG_LEVEL": "info",
            "LOG_FORMAT": "json",
            "SHUTDOWN_GRACE_SECONDS": "10",
        }
        for name in ("replica-a", "replica-b"):
            replica = Replica(name, self._folder, self.lives, env)
            self.replicas.append(replica)
            await replica.start()
            stack.push_async_callback(replica.program.stop)
            self.proxy.ports.append(replica.port)

    async def restart(self, number: int) -> None:
        """As a rolling update: it gets no new connections, stops, and another one is ready before it counts."""
        replica = self.replicas[number]
        self.proxy.ports.remove(replica.port)
        await replica.program.stop()
        await self._return(replica)

    async def kill(self, number: int) -> None:
        """As the kernel does it when memory is short; who balances the load finds out by itself."""
        replica = self.replicas[number]
        await replica.program.stop(kill=True)
        await asyncio.sleep(1)
        self.proxy.ports.remove(replica.port)
        await self._return(replica)

    async def _return(self, replica: Replica) -> None:
        await replica.start()
        self.proxy.ports.append(replica.port)

    async def lose_primary(self, happen: Callable[[], Awaitable[None]], ahead: float = 0) -> None:
        began = time.monotonic()
        await happen()
        self._seen.doubt(began - DOUBT_SECONDS, began + ahead + DOUBT_SECONDS)

    async def rotate(self) -> None:
        """The runbook's way; the other key's turn each time."""
        first, second = self.keys.pair
        await self._told(second, first)
        self.keys.pair = [second, secrets.token_hex(24)]
        self.keys.give()
        await self.keys.until_given()
        await self._told(*self.keys.pair)

    async def rotate_unannounced(self) -> None:
        """The key that everybody sends with is gone before the file says so."""
        self.keys.pair = [self.keys.pair[1], secrets.token_hex(24)]
        self.keys.give()
        await self.keys.until_given()
        await asyncio.sleep(3)
        await self._told(*self.keys.pair)

    async def _told(self, *keys: str) -> None:
        """Both replicas have them."""
        said = [replica.program.said("access keys changed") for replica in self.replicas]
        self.keys.tell(*keys)
        async with asyncio.timeout(TAKEN_SECONDS):
            while any(
                replica.program.said("access keys changed") <= before
                for replica, before in zip(self.replicas, said, strict=True)
            ):
                await asyncio.sleep(0.2)

    def events(self) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
        return itertools.cycle(
            (
                ("keys rotate", self.rotate),
                ("replica a restarts", lambda: self.restart(0)),
                ("Redis hands over to its replica", self.redis.hand_over),
                ("replica b restarts", lambda: self.restart(1)),
                ("a key goes unannounced", self.rotate_unannounced),
                ("the primary Redis is killed, its replica promoted", lambda: self.lose_primary(self.redis.die)),
                ("replica a is killed", lambda: self.kill(0)),
                ("the primary Redis hangs, its replica promoted", lambda: self.lose_primary(self.redis.hang)),
                ("the primary Redis restarts", lambda: self.redis.restart(4)),
                (
                    "the primary Redis is killed, ahead of its replica",
                    lambda: self.lose_primary(self.redis.die_ahead, AHEAD_SECONDS),
                ),
            )
        )


async def disturb(soak: Soak, seconds: float, period: float, seen: Seen) -> list[str]:
    """One trouble after the other until the time is up; a line for each."""
    end = time.monotonic() + seconds
    told: list[str] = []
    for name, happen in soak.events():
        due = min(end, time.monotonic() + period)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() >= end - period / 2:
            await asyncio.sleep(max(0.0, end - time.monotonic()))
            return told
        began, errors = time.monotonic(), len(seen.errors)
        await happen()
        told.append(name)
        took, new = time.monotonic() - began, len(seen.errors) - errors
        print(f"{name}: {took:.1f} s, {sum(map(len, seen.accepted.values()))} events so far, {new} errors", flush=True)
    return told


async def quiet(listeners: list[Listener], seen: Seen) -> None:
    """Returns when all that was acknowledged has been heard, or it is of no use to wait on."""
    with suppress(TimeoutError):
        async with asyncio.timeout(QUIET_SECONDS):
            while any(listener.missing(seen) - seen.doubtful for listener in listeners):
                await asyncio.sleep(0.5)


async def run(minutes: float, folder: Path) -> bool:
    seen, listeners, over = Seen(), [Listener() for _ in range(LISTENERS)], asyncio.Event()
    async with AsyncExitStack() as stack:
        soak = Soak(folder, seen)
        await soak.start(stack)
        ours = Life("this program", os.getpid())
        soak.lives.append(ours)
        sampling = asyncio.create_task(sampled(soak.lives, SAMPLE_SECONDS))
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        door = Door(session, f"http://127.0.0.1:{soak.proxy.port}", seen)
        for number, listener in enumerate(listeners):
            connection, reading = await door.enter(f"listener-{number}")
            listening = asyncio.create_task(listener.listen(connection))
            stack.push_async_callback(leave, connection, reading)
            stack.callback(listening.cancel)
        sending = [
            asyncio.create_task(send(door, f"sender-{number}", seen, PAUSE_SECONDS, PER_CONNECTION, over))
            for number in range(SENDERS)
        ]
        try:
            period = min(90.0, max(10.0, minutes * 60 / 20))
            troubles = await disturb(soak, minutes * 60, period, seen)
            over.set()
            await asyncio.gather(*sending)
            await quiet(listeners, seen)
        finally:
            sampling.cancel()
            for task in sending:
                task.cancel()
        return _report(soak, seen, listeners, troubles)


def _report(soak: Soak, seen: Seen, listeners: list[Listener], troubles: list[str]) -> bool:
    print("\n| process | samples | MiB early | late | most | files early | late | most |")
    print("|---|---|---|---|---|---|---|---|")
    for life in soak.lives:
        print(life.row())
    accepted = sum(map(len, seen.accepted.values()))
    missing = [len(listener.missing(seen) - seen.doubtful) for listener in listeners]
    died = [len(listener.missing(seen) & seen.doubtful) for listener in listeners]
    disordered = [name for listener in listeners for name in listener.disordered()]
    print(
        f"\n{accepted} events were acknowledged on {len(seen.accepted)} connections, the slowest after "
        f"{seen.slowest_ack:.1f} s; {len(troubles)} troubles. Came again: {sum(one.repeats for one in listeners)}. "
        f"Clients knocked {seen.knocks['all']} times, {seen.knocks['again']} of them again.\n"
        f"{len(soak.redis.answers_lost)} primaries died with {soak.redis.answers_lost} answers that nobody else kept. "
        f"Of {len(seen.doubtful)} events acknowledged around that, {died} were not heard."
    )
    for text in LOGGED:
        counts = {one.program.name: one.program.said(text) for one in soak.replicas}
        print(f"log: {text}: {counts}")
    problems = [*seen.errors[:20], *(problem for life in soak.lives for problem in life.problems())]
    problems += [f"{count} acknowledged events never reached listener {n}" for n, count in enumerate(missing) if count]
    problems += [f"{name} was heard out of order" for name in disordered]
    problems += [] if accepted else ["nothing was sent at all"]
    for problem in problems:
        print(f"WRONG: {problem}")
    print("Nothing was lost, refused or out of order, and nothing grew." if not problems else "FAILED")
    return not problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", nargs="?", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"{minutes:g} minutes; logs in {folder}", flush=True)
    sys.exit(not asyncio.run(run(minutes, folder)))


if __name__ == "__main__":
    main()
