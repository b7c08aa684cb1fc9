"""A service to kill: says its port, then saves its state for every line it reads and says so."""

import asyncio
import sys
from pathlib import Path

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config


async def run(state: Path) -> None:
    async with LocalPubSub(config(state=state)) as service:
        print(service.port, flush=True)  # noqa: T201 - the test reads it
        while await asyncio.to_thread(sys.stdin.readline):
            if service.state is not None:
                await service.state.save()
            print("saved", flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1])))
