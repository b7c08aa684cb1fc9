"""One of several workers: `python -m app.serving.worker LISTENER LINE`, started by `.workers` with two open sockets."""

import asyncio
import socket
import sys

from app.console import fail, read_settings
from app.logging import configure_logging
from app.main import create_app
from app.serving.server import DidNotStart, run, serving, until_stopped
from app.serving.workers import READY
from app.settings import Settings


async def _work(settings: Settings, listener: socket.socket, line: socket.socket) -> None:
    app = create_app(settings)
    line.settimeout(0)
    loop = asyncio.get_running_loop()
    try:
        async with serving(
            app, listener, grace_seconds=settings.shutdown_grace_seconds, trusted_proxies=settings.trusted_proxies
        ):
            await loop.sock_sendall(line, READY)
            ends = {asyncio.create_task(until_stopped()), asyncio.create_task(loop.sock_recv(line, 1))}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for one in ends:
                one.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
    except DidNotStart as error:
        fail(app.state.services.start_failure or str(error))


def main() -> None:
    listener, line = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    settings = read_settings()
    configure_logging(settings.log_level, settings.log_format)
    run(_work(settings, listener, line))


if __name__ == "__main__":
    main()
