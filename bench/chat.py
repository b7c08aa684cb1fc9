"""A chat room of a thousand: `python -m bench.chat [-n CLIENTS] [-m MESSAGES_A_SECOND] [-t SECONDS] [-o app|express]`.

Local service, upstream and clients are a process each, the first two on one core. Fifty of the clients write in turn; a
message counts when the last client has it. The upstream is this app's chat, which keeps the history and has a durable
outbox, or Express, which sends on what it hears; both through the same local service.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import resource
import statistics
import struct
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import jwt
import uvloop

from bench.servers import CACHE, Server, free_port, node
from localpubsub.config import DEFAULT_ACCESS_KEY

HUB = "Sample_ChatApp"
SENDERS = 50
SUBPROTOCOL = "json.webpubsub.azure.v1"
KEY = re.compile(rb'"key":"m(\d+)"')
TEXT = "x" * 80


@dataclass
class Room:
    """Who has heard what, and when the last one had."""

    members: int
    sent_at: dict[int, float] = field(default_factory=dict)
    heard: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    delays_ms: list[float] = field(default_factory=list)

    def hear(self, number: int) -> None:
        self.heard[number] += 1
        if self.heard[number] == self.members:
            self.delays_ms.append((time.perf_counter() - self.sent_at[number]) * 1000)


class Client(asyncio.Protocol):
    """Looks for the marks of messages in what it gets; a mark cut in two is put together again."""

    def __init__(self, room: Room, request: bytes) -> None:
        self._room = room
        self._request = request
        self._rest = b""
        self.is_open = asyncio.Event()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        end = 0
        for mark in KEY.finditer(data):
            self._room.hear(int(mark[1]))
            end = mark.end()
        self._rest = data[max(end, len(data) - 24) :]
        if not self.is_open.is_set() and b'"event":"connected"' in data:
            self.is_open.set()

    def say(self, event: str, **data: object) -> None:
        message = {"type": "event", "event": event, "dataType": "json", "data": data}
        self.transport.write(masked(json.dumps(message).encode()))


def masked(payload: bytes) -> bytes:
    """A client's text frame; a mask of zeros leaves the payload as it is."""
    size = len(payload)
    head = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else struct.pack("!BBH", 0x81, 0x80 | 126, size)
    return head + bytes(4) + payload


def upgrade(user: str) -> bytes:
    audience = f"http://localhost/client/hubs/{HUB}"
    claims = {"aud": audience, "exp": int(time.time()) + 3600, "sub": user, "webpubsub.group": ["lobby"]}
    token = jwt.encode(claims, DEFAULT_ACCESS_KEY, "HS256")
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /client/hubs/{HUB}?access_token={token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()


async def join(room: Room, port: int) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for first in range(0, room.members, 50):
        users = range(first, min(first + 50, room.members))
        joining = (
            loop.create_connection(partial(Client, room, upgrade(f"user{user}")), "127.0.0.1", port) for user in users
        )
        clients += [client for _, client in await asyncio.gather(*joining)]
        await asyncio.wait_for(asyncio.gather(*(client.is_open.wait() for client in clients[first:])), 60)
    return clients


async def talk(room: Room, clients: list[Client], per_second: int, seconds: float) -> float:
    """Open loop: messages go out on time whatever becomes of the ones before. Returns seconds until all were heard."""
    start = time.perf_counter()
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(start + number / per_second - time.perf_counter())
        room.sent_at[number] = time.perf_counter()
        clients[number % SENDERS].say("say", room="lobby", message=TEXT, key=f"m{number}")
    deadline = time.perf_counter() + 60
    while len(room.delays_ms) < len(room.sent_at) and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    return time.perf_counter() - start


def cpu_seconds(server: Server) -> float:
    pid = server.process.pid if server.process else 0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def upstream(name: str, service: str) -> Server:
    env = {
        "WEBPUBSUB_CONNECTION_STRING": service,
        "WPS_CONNECTION_STRING": service,
        "BENCH_HUB": HUB,
        "HUBS": "app.hubs.chat:ChatHub",
        "STORE": f"sqlite:///{tempfile.mkdtemp(prefix='bench-')}/upstream.db",
        "LOG_FORMAT": "json",
        "NODE_PATH": str(CACHE / "node_modules"),
        "NODE_ENV": "production",
    }
    if name == "express":
        return Server(f"{node()} bench/peers/chat.js", env)
    return Server(
        f"{sys.executable} -m uvicorn app.main:app --host 127.0.0.1 --port $PORT --no-access-log --log-level warning",
        env,
    )


async def measure(name: str, members: int, per_second: int, seconds: float) -> str:
    server_cpu = str(min(os.sched_getaffinity(0)))
    port = free_port()
    above = upstream(name, f"Endpoint=http://localhost:{port};AccessKey={DEFAULT_ACCESS_KEY};Version=1.0;")
    above.start(server_cpu, "/healthz")
    handler = f"http://127.0.0.1:{above.port}/eventhandler"
    service = Server(f"{sys.executable} -m localpubsub --port $PORT --hub {HUB} --event-handler {handler}", port=port)
    try:
        service.start(server_cpu, "/api/health")
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        room = Room(members)
        clients = await join(room, port)
        for client in clients[:SENDERS]:
            client.say("enter", room="lobby")
        await asyncio.sleep(2)
        before = cpu_seconds(service), cpu_seconds(above)
        await talk(room, clients, per_second, seconds)
        used = [now - then for now, then in zip((cpu_seconds(service), cpu_seconds(above)), before, strict=True)]
        for client in clients:
            client.transport.abort()
    finally:
        service.stop()
        above.stop()
    sent, heard = len(room.sent_at), len(room.delays_ms)
    cuts = statistics.quantiles(room.delays_ms, n=100)
    deliveries = max(1, sum(room.heard.values()))
    return (
        f"| {name} | {heard} of {sent} | {cuts[49]:.1f} | {cuts[98]:.1f} | {max(room.delays_ms):.0f} "
        f"| {used[0] / deliveries * 1e6:.2f} | {used[1] / sent * 1e6:.0f} | {deliveries - sent * members} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--clients", type=int, default=1000)
    parser.add_argument("-m", "--messages", type=int, default=100, help="a second")
    parser.add_argument("-t", "--seconds", type=float, default=60)
    parser.add_argument("-o", "--only", choices=("app", "express"))
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(
        "| upstream | heard by all | p50 ms | p99 ms | worst ms | service us/delivery | upstream us/message | repeats |"
    )
    print("|---|---|---|---|---|---|---|---|")
    cpus = os.sched_getaffinity(0)
    for name in (arguments.only,) if arguments.only else ("app", "express"):
        os.sched_setaffinity(0, cpus)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(runner.run(measure(name, arguments.clients, arguments.messages, arguments.seconds)), flush=True)


if __name__ == "__main__":
    main()
