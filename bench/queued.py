"""What accepting an event costs while a million others wait: `python -m bench.queued`.

The data plane hangs; events are accepted in waves of 64 through the outbox on its SQLite file.
"""

import asyncio
import gc
import resource
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from app.fanout.delivery import Delivery
from app.fanout.outbox import Outbox, OutboxLimits
from app.fanout.sqlite import SqliteStore
from app.models.actions import Action, SendToAll
from app.storage.sqlite_file import SqliteFile
from app.upstream.idempotency import IdempotencyWindow
from app.upstream.reply import NO_CONTENT

DEPTHS = (1_000, 10_000, 100_000, 300_000, 1_000_000)
SAMPLE = 20_000
"""Many, as a dictionary that grows is copied once in a while: every event pays its share of that."""
WAVE = 64


class Hanging:
    async def send(self, hub: str, action: Action, *, waited_seconds: float) -> None:  # noqa: ARG002
        await asyncio.Event().wait()


async def fill(outbox: Outbox, start: int, count: int) -> None:
    action = SendToAll.of({"from": "user", "message": "x" * 128})
    for first in range(start, start + count, WAVE):
        numbers = range(first, min(first + WAVE, start + count))
        await asyncio.gather(
            *(
                outbox.commit(
                    f"chat/connection/conn-{n % 5000}", [("chat", action)], ("chat", f"c{n}", None, "1"), NO_CONTENT
                )
                for n in numbers
            )
        )


async def main() -> None:
    deepest = int(sys.argv[1]) if len(sys.argv) > 1 else DEPTHS[-1]
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(SqliteFile(Path(folder) / "outbox.db"))
        outbox = Outbox(store, Delivery(Hanging()), OutboxLimits(max_entries=10**9, max_bytes=10**12))
        await outbox.open(IdempotencyWindow())
        queued = 0
        print("| queued | µs of CPU per event | slowest wave, ms | memory MiB |\n|---|---|---|---|")
        for depth in (one for one in DEPTHS if one <= deepest):
            sample = min(SAMPLE, depth - queued)
            await fill(outbox, queued, depth - sample - queued)
            gc.collect()
            gc.freeze()
            started, worst = time.process_time(), 0.0
            for first in range(depth - sample, depth, WAVE):
                begun = time.perf_counter()
                await fill(outbox, first, min(WAVE, depth - first))
                worst = max(worst, time.perf_counter() - begun)
            queued = depth
            cost = (time.process_time() - started) / sample * 1e6
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"| {depth:,} | {cost:.0f} | {worst * 1000:.1f} | {memory:.0f} |", flush=True)
        await outbox.close()


if __name__ == "__main__":
    uvloop.run(main())
