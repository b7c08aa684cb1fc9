"""One REST call, many clients: `python -m bench.broadcast [-n CLIENTS ...] [-r ROUNDS] [--slow]`.

The local service beside a broadcast server on node's `ws`, each on the same core, the clients on the other. A broadcast
is a POST of 128 B over HTTP and counts when the last client has its frame; four are under way at a time.
`--slow` measures the local service alone: what one client that reads nothing does to the others.
"""

import argparse
import asyncio
import base64
import json
import os
import resource
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import jwt
import uvloop

from bench.servers import CACHE, Server, node
from localpubsub.config import DEFAULT_ACCESS_KEY

TEXT = json.dumps({"from": "bench", "message": "x" * 98})
IN_FLIGHT = 4
HUB = "bench"
GROUP = "load"


def token(audience: str, **claims: object) -> str:
    return jwt.encode({"aud": audience, "exp": int(time.time()) + 3600, **claims}, DEFAULT_ACCESS_KEY, "HS256")


@dataclass
class Meter:
    """What all clients have received since `begin`."""

    frame_bytes: int = 0
    received: int = 0
    wanted: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, count: int) -> None:
        self.received += count
        if self.received >= self.wanted:
            self.reached.set()

    async def wait_for(self, count: int) -> None:
        self.wanted = count
        if self.received < count:
            self.reached.clear()
            await asyncio.wait_for(self.reached.wait(), 60)


class Client(asyncio.Protocol):
    """Counts bytes, and reads nothing where it is the slow one."""

    def __init__(self, meter: Meter, request: bytes) -> None:
        self._meter = meter
        self._request = request
        self._head = b""
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a TCP connection
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self.is_open.done():
            self._meter.add(len(data))
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found and (rest or b"json.webpubsub" not in self._request):
            assert b" 101 " in head, head
            self.is_open.set_result(None)


class Caller(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.answered = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # of a TCP connection

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 202"), data
        self.answered.set()

    async def call(self, request: bytes) -> None:
        self.answered.clear()
        self.transport.write(request)
        await self.answered.wait()


@dataclass
class Peer:
    """`path` is where clients connect, `send` the whole request of a broadcast."""

    name: str
    server: Server
    path: str
    subprotocol: str
    send: bytes
    per_second: list[float] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def upgrade(self) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        subprotocol = f"Sec-WebSocket-Protocol: {self.subprotocol}\r\n" if self.subprotocol else ""
        return (
            f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}\r\n"
        ).encode()


def post(path: str, bearer: str, body: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {bearer}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def local_service(name: str, operation: str) -> Peer:
    server = Server("bench/local.sh", {"PYTHON": sys.executable})
    access = token(f"http://localhost/client/hubs/{HUB}", **{"webpubsub.group": [GROUP]})
    path = f"/api/hubs/{HUB}/{operation}"
    bearer = token(f"http://localhost{path}")
    send = post(f"{path}?api-version=2024-12-01", bearer, TEXT)
    return Peer(name, server, f"/client/hubs/{HUB}?access_token={access}", "json.webpubsub.azure.v1", send)


def node_server() -> Peer:
    server = Server(f"{node()} bench/peers/ws.js", {"NODE_PATH": str(CACHE / "node_modules")})
    # What the local service writes for the same message, so that both move the same bytes.
    frame = json.dumps({"type": "message", "from": "server", "dataType": "json", "data": json.loads(TEXT)})
    return Peer("node ws", server, "/", "", post("/send", "-", frame))


async def connect(peer: Peer, meter: Meter, count: int) -> list[Client]:
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for first in range(0, count, 100):
        some = [
            loop.create_connection(lambda: Client(meter, peer.upgrade()), "127.0.0.1", peer.server.port)
            for _ in range(min(100, count - first))
        ]
        clients += [client for _, client in await asyncio.gather(*some)]
        await asyncio.gather(*(client.is_open for client in clients[first:]))
    return clients


async def callers(peer: Peer) -> list[Caller]:
    loop = asyncio.get_running_loop()
    some = (loop.create_connection(Caller, "127.0.0.1", peer.server.port) for _ in range(IN_FLIGHT))
    return [caller for _, caller in await asyncio.gather(*some)]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(peer: Peer, count: int, seconds: float) -> None:
    """One round: connects anew."""
    meter = Meter()
    clients = await connect(peer, meter, count)
    lines = await callers(peer)
    await lines[0].call(peer.send)
    await asyncio.sleep(0.3)
    assert meter.received % count == 0, "a client has not had the first broadcast"
    meter.frame_bytes = meter.received // count
    meter.received = 0
    done = 0
    pid = peer.server.process.pid if peer.server.process else 0
    used, start = cpu_seconds(pid), time.perf_counter()
    while time.perf_counter() - start < seconds:
        began = time.perf_counter()
        await asyncio.gather(*(line.call(peer.send) for line in lines))
        done += len(lines)
        await meter.wait_for(done * count * meter.frame_bytes)
        peer.delays_ms.append((time.perf_counter() - began) * 1000)
    elapsed = time.perf_counter() - start
    peer.per_second.append(done * count / elapsed)
    peer.cpu_us.append((cpu_seconds(pid) - used) / (done * count) * 1e6)
    hang_up([*(line.transport for line in lines), *(client.transport for client in clients)])
    await asyncio.sleep(0.2)


def hang_up(transports: list[asyncio.Transport]) -> None:
    for transport in transports:
        transport.abort()


async def compare(count: int, rounds: int, seconds: float) -> None:
    peers = [
        node_server(),
        local_service("send_to_all", ":send"),
        local_service("send_to_group", f"groups/{GROUP}/:send"),
    ]
    server_cpu = str(min(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        for peer in peers:
            peer.server.start(server_cpu, "/api/health")
        for number in range(rounds):
            for peer in peers if number % 2 == 0 else reversed(peers):
                await measure(peer, count, seconds)
    finally:
        for peer in peers:
            peer.server.stop()
    print(f"\n{count} clients, {IN_FLIGHT} broadcasts of {len(TEXT)} B under way\n")
    print(
        "| server | deliveries/s | x node ws | p50 ms of four | p99 ms | CPU us/delivery |\n|---|---|---|---|---|---|"
    )
    for peer in peers:
        ratios = [own / base for own, base in zip(peer.per_second, peers[0].per_second, strict=True)]
        delays = statistics.quantiles(peer.delays_ms, n=100)
        print(
            f"| {peer.name} | {statistics.median(peer.per_second):.0f} | {statistics.median(ratios):.2f} "
            f"[{min(ratios):.2f}-{max(ratios):.2f}] | {delays[49]:.1f} | {delays[98]:.1f} "
            f"| {statistics.median(peer.cpu_us):.2f} |",
            flush=True,
        )


async def slow_reader(count: int) -> None:
    """One client stops reading, and messages go on until the service hangs up on it."""
    peer = local_service("send_to_all", ":send")
    peer.server.start(str(min(os.sched_getaffinity(0))), "/api/health")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        for slow in (0, 1):
            meter, other = Meter(), Meter()
            clients = await connect(peer, meter, count)
            lines = await callers(peer)
            await lines[0].call(peer.send)
            await asyncio.sleep(0.3)
            size = meter.received // count
            meter.received = 0
            lazy = await connect(peer, other, slow)
            for client in lazy:
                client.transport.pause_reading()
            delays, start = [], time.perf_counter()
            for number in range(1, 40_000):
                began = time.perf_counter()
                await lines[0].call(peer.send)
                await meter.wait_for(number * count * size)
                delays.append((time.perf_counter() - began) * 1000)
                if time.perf_counter() - start > 20 or (lazy and number % 100 == 0 and await is_cut(peer)):
                    break
            p99 = statistics.quantiles(delays, n=100)[98]
            print(
                f"{count} clients, {slow} that read nothing: {len(delays)} broadcasts, "
                f"p50 {statistics.median(delays):.2f} ms, p99 {p99:.2f} ms, worst {max(delays):.1f} ms"
                + (f"; cut off after {len(delays) * size / 2**20:.1f} MiB" if slow else "")
            )
            hang_up([*(one.transport for one in lines), *(one.transport for one in (*clients, *lazy))])
            await asyncio.sleep(0.3)
    finally:
        peer.server.stop()


async def is_cut(peer: Peer) -> bool:
    """Whether the service has given up on the client that reads nothing; its own socket cannot tell it."""
    bearer = token("http://localhost/api/hubs/bench/groups/load/connections")
    reader, writer = await asyncio.open_connection("127.0.0.1", peer.server.port)
    writer.write(
        "GET /api/hubs/bench/groups/load/connections?api-version=2024-12-01&maxpagesize=200 HTTP/1.1\r\n"
        f"Host: localhost\r\nAuthorization: Bearer {bearer}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read()
    writer.close()
    listed = json.loads(answer.partition(b"\r\n\r\n")[2])["value"]
    return len(listed) == SLOW_CLIENTS


SLOW_CLIENTS = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--clients", type=int, nargs="*", default=[1000])
    parser.add_argument("-r", "--rounds", type=int, default=6)
    parser.add_argument("-d", "--seconds", type=float, default=2)
    parser.add_argument("--slow", action="store_true")
    arguments = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if arguments.slow:
            runner.run(slow_reader(SLOW_CLIENTS))
            return
        for count in arguments.clients:
            runner.run(compare(count, arguments.rounds, arguments.seconds))


if __name__ == "__main__":
    main()
