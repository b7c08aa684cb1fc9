"""Which event loop the service runs on."""

import asyncio
import sys
from collections.abc import Callable


def fastest_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one for the platform: it writes to many sockets in a third of the time."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - does not exist on Windows

    return uvloop.new_event_loop
