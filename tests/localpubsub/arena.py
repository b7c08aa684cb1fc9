"""A service in a loop of its own, watched for everything that goes wrong in it and for whatever it leaves behind."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from localpubsub.config import EventHandler, HubSettings
from localpubsub.edge.tunnel import Tunnel
from localpubsub.engine.mqtt_sessions import Timer, in_the_event_loop
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config

PATIENCE = 30


class ErrorLog(logging.Handler):
    """Every record of level ERROR, and every context of asyncio's exception handler."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None and isinstance(record.exc_info[1], BadHttpMessage):
            return  # aiohttp has answered it with a 400
        self.errors.append(logging.Formatter().format(record))

    def unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(repr(context))


@dataclass
class Remains:
    """What may differ by nothing between before and after."""

    connections: int
    groups: int
    tunnels: int
    tasks: set[asyncio.Task[Any]]
    timers: int


class Arena:
    def __init__(self, runner: asyncio.Runner, service: LocalPubSub, errors: ErrorLog) -> None:
        self.service = service
        self._runner = runner
        self._errors = errors
        self._before = Remains(0, 0, 0, set(), 0)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """What it started is over afterwards. Fails the test for errors and for what is left."""
        self._runner.run(self._watched(coroutine))
        assert self._errors.errors == []

    async def _watched(self, coroutine: Coroutine[Any, Any, None]) -> None:
        async with asyncio.timeout(PATIENCE):
            await coroutine
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._settle()
        assert self._remains() == self._before

    async def _settle(self) -> None:
        """Sockets that are closed at one end are not yet at the other."""
        while (remains := self._remains()) != self._before:
            await _turn(remains.tasks - self._before.tasks)

    def warm(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """From here on, nothing more may stay than what stays of this."""

        async def first() -> None:
            await coroutine
            while (remains := self._remains()).connections or remains.timers or any(map(_is_handler, remains.tasks)):
                await _turn(set(filter(_is_handler, remains.tasks)))
            self._before = remains

        self._runner.run(first())

    def _remains(self) -> Remains:
        hubs = self.service.service._hubs.values()
        loop = asyncio.get_running_loop()
        timers = sum(_is_of_the_service(one) for one in loop._scheduled if not one.cancelled())  # type: ignore[attr-defined]
        return Remains(
            sum(len(hub.connections) for hub in hubs),
            sum(len(hub.groups) for hub in hubs),
            len(self.service._tunnels._by_hub),
            asyncio.all_tasks() - {asyncio.current_task()},
            timers,
        )

    @staticmethod
    def objects() -> Counter[str]:
        """The engine's and the edge's objects that are alive, by class.

        Without tunnels: aiohttp keeps a closed socket with a heartbeat until the next one would have been due.
        """
        gc.collect()
        kinds = (type(one) for one in gc.get_objects())
        return Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if _is_own(kind))


def _is_own(kind: type) -> bool:
    is_ours = str(kind.__module__).startswith(("localpubsub.engine", "localpubsub.edge"))
    return is_ours and kind is not Tunnel


async def _turn(tasks: set[asyncio.Task[Any]]) -> None:
    """Until one of them is done."""
    if tasks:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(0)


def _is_handler(task: asyncio.Task[Any]) -> bool:
    """Of a client's request, which ends with its socket."""
    return "RequestHandler.start" in repr(task.get_coro())


def _is_of_the_service(handle: asyncio.TimerHandle) -> bool:
    callback = handle._callback  # type: ignore[attr-defined]
    while hasattr(callback, "func"):
        callback = callback.func
    return str(getattr(callback, "__module__", "")).startswith("localpubsub")


async def upstream(request: web.Request) -> web.Response:
    """Echoes user events, and fails those named `fail`. Its connections end with each answer."""
    body = await request.read()
    response = web.Response(headers={"WebHook-Allowed-Origin": "*"})
    if request.headers.get("ce-type", "").startswith("azure.webpubsub.user."):
        failed = request.headers["ce-eventName"] == "fail"
        response = web.Response(body=body, status=400 if failed else 200)
        response.headers["Content-Type"] = request.headers.get("Content-Type", "")
    response.force_close()
    return response


def soon(seconds: float, then: Any, /) -> Timer:
    """Nobody comes back for a session."""
    return in_the_event_loop(0, then)


async def _start() -> tuple[LocalPubSub, web.AppRunner]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", upstream)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/{{event}}"
    handler = EventHandler(url, ("connect", "connected", "disconnected"), "*")
    hubs = {"den": HubSettings(event_handlers=(handler,)), "open": HubSettings(anonymous_connect=True)}
    service = LocalPubSub(config(hubs=hubs, retry_delays=(), close_seconds=0.05, mqtt_lenient_client_ids=True))
    service.service.sessions.recovery_seconds = 0.0
    service.mqtt.sessions._schedule = soon
    await service.start()
    service.service.hub("open")  # hubs stay
    return service, runner


@contextmanager
def watched_service() -> Iterator[Arena]:
    """`warm` it before use."""
    errors = ErrorLog()
    # What was there before need not be looked through each time that objects are counted.
    gc.collect()
    gc.freeze()
    own = logging.getLogger("localpubsub")
    level = own.level
    own.setLevel(logging.ERROR)  # a record keeps what it tells of alive
    logging.getLogger().addHandler(errors)
    try:
        with asyncio.Runner() as runner:
            runner.get_loop().set_exception_handler(errors.unhandled)
            service, site = runner.run(_start())
            try:
                yield Arena(runner, service, errors)
            finally:
                runner.run(service.stop())
                runner.run(site.cleanup())
    finally:
        logging.getLogger().removeHandler(errors)
        own.setLevel(level)
        gc.unfreeze()


class Ending(Enum):
    """What a client does when it has said everything."""

    WAIT = auto()
    HALF_CLOSE = auto()
    CUT_OFF = auto()


async def exchange(
    service: LocalPubSub, request: bytes, pieces: Sequence[bytes] = (), ending: Ending = Ending.WAIT
) -> bytes:
    """All that is answered to the request and to what follows it, piece by piece, until the service hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    received = b""
    try:
        writer.write(request)
        if pieces:
            received = await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if ending is Ending.CUT_OFF:
            writer.transport.abort()
        elif ending is Ending.HALF_CLOSE:
            writer.write_eof()
        while data := await reader.read(65536):
            received += data
    except OSError:
        pass  # it hung up first
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return received
