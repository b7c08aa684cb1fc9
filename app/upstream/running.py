"""What hubs do of their own accord, beside the events."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog

from app.upstream.hub import Hub
from app.upstream.storage import StorageError

log = structlog.get_logger(__name__)

RESTART_SECONDS = 5.0


@asynccontextmanager
async def running(hubs: Iterable[Hub], *, restart_seconds: float = RESTART_SECONDS) -> AsyncIterator[None]:
    """`Hub.run` of each, inside; one that fails is logged and begins anew after a pause."""
    tasks = [asyncio.create_task(_run(hub, restart_seconds)) for hub in hubs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _run(hub: Hub, restart_seconds: float) -> None:
    while True:
        try:
            await hub.run()
        except StorageError as error:
            log.error("hub failed beside its events", hub=hub.name, reason=str(error))  # noqa: TRY400 - it says it all
            await asyncio.sleep(restart_seconds)
        except Exception:
            log.exception("hub failed beside its events", hub=hub.name)
            await asyncio.sleep(restart_seconds)
        else:
            return
