"""This app beside Express, Flask and bare uvicorn: one machine, one run, rounds interleaved.

make bench                                  # every suite, ten rounds of a second each
.venv/bin/python -m bench.run -r 4 webhook  # fewer, of one suite
"""

import argparse
import hashlib
import hmac
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.servers import CACHE, HERE, KEY, Peer, Round, Server, peers, pinned

BASELINE = "express"


@dataclass(frozen=True)
class Suite:
    """`data_plane` is how the stand-in of the service behaves; without one nothing is sent."""

    name: str
    title: str
    kinds: tuple[str, ...]
    in_flight: int = 32
    data_plane: str | None = None


SUITES = (
    Suite("webhook", "Webhook and negotiate, nothing sent", ("message", "connect", "negotiate")),
    Suite("fanout", "Event to accepted send", ("message",), data_plane="0"),
    Suite("slow", "The service answers after 200 ms, 64 events in flight", ("message",), 64, "200"),
)


def write_connections() -> Path:
    """Five hundred connections with their signatures."""
    path = CACHE / "connections.txt"
    lines = []
    for number in range(500):
        connection_id = hashlib.md5(str(number).encode()).hexdigest()
        signature = hmac.digest(KEY.encode(), connection_id.encode(), "sha256").hex()
        lines.append(f"{connection_id} sha256={signature},sha256={'0' * 64}\n")
    path.write_text("".join(lines))
    return path


def load(server: Server, kind: str, in_flight: int, seconds: int, connections: Path, cpu: str) -> Round:
    command = ["wrk", "-t1", f"-c{in_flight}", f"-d{seconds}s", "--latency", "-s", str(HERE / "load.lua")]
    before = server.cpu_seconds()
    result = subprocess.run(
        [*pinned(cpu), *command, f"http://127.0.0.1:{server.port}"],
        env=os.environ
        | {"BENCH_KIND": kind, "BENCH_CONNECTIONS": str(connections), "BENCH_FIRST_ID": str(time.time_ns() // 1000)},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in result.stdout.splitlines() if line.startswith("RESULT"))
    requests, microseconds, p99, errors = map(int, line.split()[1:])
    cpu_us = (server.cpu_seconds() - before) * 1e6 / max(1, requests - errors)
    return Round((requests - errors) / (microseconds / 1e6), p99 / 1000, errors, cpu_us)


def measure(suite: Suite, everybody: list[Peer], rounds: int, seconds: int, connections: Path) -> None:
    """Rounds go A B C, C B A: the speed of a shared machine drifts."""
    cpus = sorted(os.sched_getaffinity(0))
    server_cpu, load_cpu = str(cpus[0]), str(cpus[-1])
    taking_part = [peer for peer in everybody if peer.sends or suite.data_plane is None]
    with ExitStack() as stack:
        plane = Server(f"{sys.executable} -m bench.stub $PORT {suite.data_plane or 0}")
        stack.callback(plane.stop)
        plane.start(load_cpu, "/count")
        servers = {}
        for peer in taking_part:
            peer.rounds = {kind: [] for kind in suite.kinds}
            fanout = "sdk" if suite.data_plane is not None else "none"
            servers[peer.name] = peer.server(fanout, f"http://127.0.0.1:{plane.port}")
            stack.callback(servers[peer.name].stop)
            servers[peer.name].start(server_cpu, "/negotiate?id=u")
            for kind in suite.kinds:
                load(servers[peer.name], kind, suite.in_flight, 1, connections, load_cpu)
        for number in range(rounds):
            for kind in suite.kinds:
                for peer in taking_part if number % 2 == 0 else taking_part[::-1]:
                    before = int(plane.get("/count"))
                    one = load(servers[peer.name], kind, suite.in_flight, seconds, connections, load_cpu)
                    time.sleep(0.3 if suite.data_plane == "0" else 0)  # what is on its way arrives
                    one.sends_per_event = (int(plane.get("/count")) - before) / max(1.0, one.per_second * seconds)
                    peer.rounds[kind].append(one)
    report(suite, taking_part)


def spread(values: list[float], digits: int = 2) -> str:
    """Median and quartiles; the range where there are fewer than four."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    if len(ordered) >= 4:
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return f"{statistics.median(ordered):.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


def report(suite: Suite, everybody: list[Peer]) -> None:
    baseline = next(peer for peer in everybody if peer.name == BASELINE)
    print(f"\n## {suite.title}")
    for kind in suite.kinds:
        print(f"\n### {kind}\n")
        print("| server | answered 2xx/s | x Express | p99 ms | CPU µs | checks signature | refused | sends/event |")
        print("|---|---|---|---|---|---|---|---|")
        for peer in sorted(everybody, key=lambda one: -statistics.median(r.per_second for r in one.rounds[kind])):
            rounds = peer.rounds[kind]
            ratios = [
                own.per_second / max(1.0, other.per_second)
                for own, other in zip(rounds, baseline.rounds[kind], strict=True)
            ]
            rate = statistics.median(one.per_second for one in rounds)
            p99 = statistics.median(one.p99_ms for one in rounds)
            checks = peer.checks_signature if kind != "negotiate" else "-"
            refused = sum(one.errors for one in rounds)
            sends = (
                f"{statistics.median(one.sends_per_event for one in rounds):.2f}" if suite.data_plane == "0" else "-"
            )
            cpu = spread([one.cpu_us for one in rounds], digits=0)
            cells = (peer.name, f"{rate:.0f}", spread(ratios), f"{p99:.1f}", cpu, checks, refused, sends)
            print(f"| {' | '.join(map(str, cells))} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--rounds", type=int, default=10)
    parser.add_argument("-d", "--seconds", type=int, default=1)
    parser.add_argument("suites", nargs="*", help=", ".join(suite.name for suite in SUITES))
    options = parser.parse_args()
    everybody, connections = peers(), write_connections()
    for suite in SUITES:
        if suite.name in options.suites or not options.suites:
            measure(suite, everybody, options.rounds, options.seconds, connections)


if __name__ == "__main__":
    main()
