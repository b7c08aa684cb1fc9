"""Serving the application in a process of its own or beside something else."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence

import uvicorn

from app.serving.direct import ASGIApp, DirectFastAPI
from app.serving.incoming import IncomingLimits
from app.serving.own_names import OwnNames


class DidNotStart(RuntimeError):
    """The application's lifespan failed."""


class Server(uvicorn.Server):
    """Leaves signals to the process: who owns it decides in which order things stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Takes no more; `serve` returns when what was taken is answered."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """Ticks each second, for the date in the answers; uvicorn's would be up to a tenth of one late for a stop."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopped.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # uvicorn would end the process, before anybody could say why
            self.should_exit = True
        if self.started:
            self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app.app if isinstance(self.config.app, OwnNames) else self.config.app
        if isinstance(app, DirectFastAPI):
            app.stopping.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `OSError` where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048)
    # What is accepted inherits it. asyncio would set it itself if this socket named its protocol; without it the body
    # of an answer waits 40 ms for the peer to acknowledge the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, *, grace_seconds: float, trusted_proxies: Sequence[str] = ()
) -> AsyncIterator[None]:
    """The application answers inside. Raises `DidNotStart`. Nobody else's word for an address is believed."""
    config = uvicorn.Config(
        app,
        http=IncomingLimits,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, int(grace_seconds)),
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if not server.ready.is_set():
            raise DidNotStart("the application did not start; the log says why")
        yield
    finally:
        ready.cancel()
        server.stop()
        await task
        listener.close()


def run(work: Coroutine[object, object, None]) -> None:
    """Runs it on the event loop uvicorn would choose: uvloop, where there is one for the platform."""
    with asyncio.Runner(loop_factory=uvicorn.Config("", log_config=None).get_loop_factory()) as runner:
        runner.run(work)


async def until_stopped() -> None:
    """Returns on SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers in its event loop
            loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
