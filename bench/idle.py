"""What an idle connection costs the local service: `python -m bench.idle [CONNECTIONS]`."""

import asyncio
import base64
import os
import resource
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from bench.servers import HERE, free_port


def memory_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS:")).split()[1])


async def connect(port: int) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /client/hubs/idle HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: json.webpubsub.azure.v1\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    return writer


async def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, count + 1000), most))
    port = free_port()
    command = [sys.executable, "-m", "localpubsub", "--port", str(port), "--hub", "idle", "--anonymous"]
    service = subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api/health").close()
                break
            except OSError:
                time.sleep(0.05)
        empty = memory_kib(service.pid)
        sockets = []
        for first in range(0, count, 200):
            sockets += await asyncio.gather(*(connect(port) for _ in range(min(200, count - first))))
        full = memory_kib(service.pid)
        print(f"{count} connections: {(full - empty) / count:.1f} KiB each, {empty / 1024:.0f} MiB without any")
    finally:
        service.kill()
        service.wait()


if __name__ == "__main__":
    asyncio.run(main())
