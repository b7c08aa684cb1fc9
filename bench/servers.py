"""The servers that are measured, and how each is started."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("BENCH_CACHE", Path.home() / ".cache" / "webpubsub-bench"))
KEY = "benchmark-key-of-thirty-two-bytes-0000"
NODE_PACKAGES = ("node@22", "express", "ws", "@azure/web-pubsub", "@azure/web-pubsub-express@1.1.0")
UVICORN = f"{sys.executable} -m uvicorn bench.peers.bare:app --host 127.0.0.1 --port $PORT --no-access-log"


@dataclass
class Round:
    """`cpu_us` is what a request took of the server's processor: it holds where other work slows everything down."""

    per_second: float
    p99_ms: float
    errors: int
    cpu_us: float
    sends_per_event: float = 0.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def pinned(cpu: str) -> list[str]:
    return ["taskset", "-c", cpu] if shutil.which("taskset") else []


@dataclass
class Server:
    """A process on a port of its own, a free one where none is given."""

    command: str
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self, cpu: str, path: str) -> None:
        """Returns when a GET of `path` is answered, whatever the status."""
        self.port = self.port or free_port()
        command = "exec " + self.command.replace("$PORT", str(self.port))
        self.process = subprocess.Popen(
            [*pinned(cpu), "sh", "-c", command],
            cwd=HERE.parent,
            env=os.environ | {"PORT": str(self.port)} | self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                self.get(path)
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise SystemExit(f"this did not start: {self.command}")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=1) as answer:
            body: bytes = answer.read()
            return body

    def cpu_seconds(self) -> float:
        """Of the process and all it started, since they did."""
        assert self.process is not None
        return _cpu_ticks(self.process.pid) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None


def _cpu_ticks(pid: int) -> int:
    """Of the process, those it waited for, and those that run; 0 for one that is gone."""
    process = Path(f"/proc/{pid}")
    try:
        after_name = (process / "stat").read_text().rpartition(")")[2].split()
        children = [int(child) for one in process.glob("task/*/children") for child in one.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, after_name[11:15])) + sum(map(_cpu_ticks, children))


@dataclass
class Peer:
    """One kind of server. `rounds` are its results by kind of load."""

    name: str
    command: str
    checks_signature: str
    sends: bool = True
    rounds: dict[str, list[Round]] = field(default_factory=dict)

    def server(self, fanout: str, endpoint: str) -> Server:
        env = {
            "WPS_CONNECTION_STRING": f"Endpoint={endpoint};AccessKey={KEY};Version=1.0;",
            "BENCH_ORIGIN": "bench.example",
            "IDEMPOTENCY_SECONDS": "180",
            "FANOUT": fanout,
            "STORE": f"sqlite:///{tempfile.mkdtemp(prefix='bench-')}/outbox.db",
            "SHUTDOWN_GRACE_SECONDS": "0",
            "PYTHON": sys.executable,
            "NODE_PATH": str(CACHE / "node_modules"),
            "NODE_ENV": "production",
        }
        return Server(self.command, env)


def peers() -> list[Peer]:
    """Installs what is missing, in a folder outside the tree."""
    if shutil.which("wrk") is None:
        raise SystemExit("the load generator wrk is missing; on Debian: apt-get install wrk")
    CACHE.mkdir(parents=True, exist_ok=True)
    venv = CACHE / "flask"
    if not (venv / "bin" / "gunicorn").exists():
        run([sys.executable, "-m", "venv", str(venv)])
        run([str(venv / "bin" / "pip"), "install", "--quiet", "flask", "gunicorn", "azure-messaging-webpubsubservice"])
    gunicorn = f"{venv}/bin/gunicorn bench.peers.flask_app:app -b 127.0.0.1:$PORT -w 1 -k gthread --threads 8"
    return [
        Peer("this app", "bench/product.sh", "yes"),
        Peer("express", f"{node()} bench/peers/express.js", "no"),
        Peer("flask, gunicorn", f"{gunicorn} --keep-alive 60 --log-level error", "no"),
        Peer("bare uvicorn", UVICORN, "no", sends=False),
    ]


def node() -> Path:
    """A node with every package a peer needs, in a folder outside the tree."""
    modules = CACHE / "node_modules"
    if not all((modules / name).exists() for name in ("express", "ws")):
        CACHE.mkdir(parents=True, exist_ok=True)
        run(["npm", "install", "--silent", "--no-save", "--prefix", str(CACHE), *NODE_PACKAGES])
    return modules / ".bin" / "node"


def run(command: list[str]) -> None:
    subprocess.run(command, check=True)
