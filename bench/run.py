"""This app beside Express, Flask and bare uvicorn: one machine, one run, rounds interleaved.

make bench                          # ten rounds of a second each
.venv/bin/python bench/run.py -r 4  # fewer
"""

import argparse
import hashlib
import hmac
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("BENCH_CACHE", Path.home() / ".cache" / "webpubsub-bench"))
KEY = "benchmark-key-of-thirty-two-bytes-0000"
CONNECTION_STRING = f"Endpoint=http://127.0.0.1:9;AccessKey={KEY};Version=1.0;"
KINDS = ("message", "connect", "negotiate")
NODE_PACKAGES = ("node@22", "express", "@azure/web-pubsub", "@azure/web-pubsub-express@1.1.0")
UVICORN = f"{sys.executable} -m uvicorn bench.peers.bare:app --host 127.0.0.1 --port $PORT --no-access-log"
BASELINE = "express"


@dataclass
class Round:
    per_second: float
    p99_ms: float
    errors: int


@dataclass
class Peer:
    """A server under test. `rounds` are its results by kind."""

    name: str
    command: str
    checks_signature: str
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    rounds: dict[str, list[Round]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def start(self, server_cpu: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        env = os.environ | {
            "PORT": str(self.port),
            "WPS_CONNECTION_STRING": CONNECTION_STRING,
            "BENCH_ORIGIN": "bench.example",
            "IDEMPOTENCY_SECONDS": "180",
            "FANOUT": "none",
            "PYTHON": sys.executable,
            "NODE_PATH": str(CACHE / "node_modules"),
            "NODE_ENV": "production",
        }
        command = "exec " + self.command.replace("$PORT", str(self.port))
        self.process = subprocess.Popen(
            [*pinned(server_cpu), "sh", "-c", command],
            cwd=HERE.parent,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/negotiate?id=u", timeout=1).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"{self.name} did not start: {self.command}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)


def pinned(cpu: str) -> list[str]:
    return ["taskset", "-c", cpu] if shutil.which("taskset") else []


def prepare() -> list[Peer]:
    """Peers go to a folder of their own, outside the tree."""
    if shutil.which("wrk") is None:
        raise SystemExit("the load generator wrk is missing; on Debian: apt-get install wrk")
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "node_modules" / "express").exists():
        run(["npm", "install", "--silent", "--no-save", "--prefix", str(CACHE), *NODE_PACKAGES])
    venv = CACHE / "flask"
    if not (venv / "bin" / "gunicorn").exists():
        run([sys.executable, "-m", "venv", str(venv)])
        run([str(venv / "bin" / "pip"), "install", "--quiet", "flask", "gunicorn", "azure-messaging-webpubsubservice"])
    gunicorn = f"{venv}/bin/gunicorn bench.peers.flask_app:app -b 127.0.0.1:$PORT -w 1 -k gthread --threads 8"
    node = CACHE / "node_modules" / ".bin" / "node"
    return [
        Peer("this app", "bench/product.sh", "yes"),
        Peer("express", f"{node} bench/peers/express.js", "no"),
        Peer("flask, gunicorn", f"{gunicorn} --keep-alive 60 --log-level error", "no"),
        Peer("bare uvicorn", UVICORN, "no"),
    ]


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)


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


def load(peer: Peer, kind: str, seconds: int, connections: Path, cpu: str) -> Round:
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "--latency", "-s", str(HERE / "load.lua")]
    result = subprocess.run(
        [*pinned(cpu), *command, f"http://127.0.0.1:{peer.port}"],
        env=os.environ
        | {"BENCH_KIND": kind, "BENCH_CONNECTIONS": str(connections), "BENCH_FIRST_ID": str(time.time_ns() // 1000)},
        capture_output=True,
        text=True,
        check=True,
    )
    line = next(line for line in result.stdout.splitlines() if line.startswith("RESULT"))
    requests, microseconds, p99, errors = map(int, line.split()[1:])
    return Round(requests / (microseconds / 1e6), p99 / 1000, errors)


def spread(values: list[float]) -> str:
    """Median and quartiles; the range where there are fewer than four."""
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    if len(ordered) >= 4:
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return f"{statistics.median(ordered):.2f} [{low:.2f}-{high:.2f}]"


def report(peers: list[Peer]) -> None:
    baseline = next(peer for peer in peers if peer.name == BASELINE)
    for kind in KINDS:
        print(f"\n### {kind}\n\n| server | requests/s | x Express | p99 ms | checks signature | errors |")
        print("|---|---|---|---|---|---|")
        for peer in sorted(peers, key=lambda one: -statistics.median(r.per_second for r in one.rounds[kind])):
            rounds = peer.rounds[kind]
            ratios = [
                own.per_second / other.per_second for own, other in zip(rounds, baseline.rounds[kind], strict=True)
            ]
            rate = statistics.median(one.per_second for one in rounds)
            p99 = statistics.median(one.p99_ms for one in rounds)
            checks = peer.checks_signature if kind != "negotiate" else "-"
            errors = sum(one.errors for one in rounds)
            print(f"| {peer.name} | {rate:.0f} | {spread(ratios)} | {p99:.1f} | {checks} | {errors} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--rounds", type=int, default=10)
    parser.add_argument("-d", "--seconds", type=int, default=1)
    options = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    server_cpu, load_cpu = str(cpus[0]), str(cpus[-1])
    peers, connections = prepare(), write_connections()
    try:
        for peer in peers:
            peer.start(server_cpu)
            for kind in KINDS:
                load(peer, kind, 1, connections, load_cpu)
        for number in range(options.rounds):
            for kind in KINDS:
                for peer in peers if number % 2 == 0 else peers[::-1]:
                    peer.rounds[kind].append(load(peer, kind, options.seconds, connections, load_cpu))
    finally:
        for peer in peers:
            peer.stop()
    report(peers)


if __name__ == "__main__":
    main()
