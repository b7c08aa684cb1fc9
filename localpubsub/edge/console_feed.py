"""The console's live feed. Nothing of it runs while nobody looks."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from localpubsub.engine.masking import Masks, masked
from localpubsub.engine.service import Service
from localpubsub.engine.snapshot import snapshot

RECORDS_SECONDS = 0.1
CLOSE_SECONDS = 1.0
SNAPSHOT_TICKS = 5
RATES_TICKS = 10
RATES = ("frames", "events", "calls", "deliveries")
WAITING_LIMIT = 32 * 1024 * 1024
"""How many bytes may wait for a page before it is cut off: it reads too slowly, and comes back by itself."""


class _Viewer:
    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.socket = socket
        self._transport = transport
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._waiting = 0
        self.closing: asyncio.Task[bool] | None = None

    def close(self) -> asyncio.Task[bool]:
        if self.closing is None:
            self.closing = asyncio.create_task(self.socket.close(code=1001, message=b"The service stops."))
        return self.closing

    def put(self, message: str) -> None:
        if self._waiting <= WAITING_LIMIT:
            self._waiting += len(message)
            self._messages.put_nowait(message)
        elif self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        with suppress(ConnectionError):
            while True:
                message = await self._messages.get()
                await self.socket.send_str(message)
                self._waiting -= len(message)


class ConsoleFeed:
    def __init__(self, service: Service, endpoint: Callable[[], str]) -> None:
        self._service = service
        self._trace = service.trace
        self._endpoint = endpoint
        self._viewers: set[_Viewer] = set()
        self._ticking: asyncio.Task[None] | None = None
        self._told: dict[str, Any] = {}

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Until the page goes."""
        socket = web.WebSocketResponse(heartbeat=20.0, timeout=CLOSE_SECONDS, max_msg_size=4096, compress=False)
        await socket.prepare(request)
        viewer = _Viewer(socket, request.transport)
        writer = asyncio.create_task(viewer.write())
        self._enter(viewer)
        try:
            while (await socket.receive()).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                pass  # a page has nothing to say
        finally:
            self._leave(viewer)
            writer.cancel()
            closing = [] if viewer.closing is None else [viewer.closing]
            await asyncio.gather(writer, *closing, return_exceptions=True)
        return socket

    async def close(self) -> None:
        """The service stops."""
        await asyncio.gather(*(one.close() for one in self._viewers), return_exceptions=True)

    def _enter(self, viewer: _Viewer) -> None:
        self._trace.look()
        self._viewers.add(viewer)
        mask = self._masks()
        now = self._snapshot(mask)
        viewer.put(_message("snapshot", **now))
        records = [one.shown(mask) for one in self._trace.records]
        if records:
            viewer.put(_message("records", records=records))
        if self._ticking is None:
            self._told = now
            self._ticking = asyncio.create_task(self._tick())

    def _leave(self, viewer: _Viewer) -> None:
        self._viewers.discard(viewer)
        self._trace.look_away()
        if not self._viewers and self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    async def _tick(self) -> None:
        tick = 0
        while True:
            await asyncio.sleep(RECORDS_SECONDS)
            tick += 1
            self._tell_records()
            if tick % SNAPSHOT_TICKS == 0:
                self._tell_snapshot()
            if tick % RATES_TICKS == 0:
                counts = self._trace.take_counts()
                self._tell(_message("rates", at=_now(), **{name: counts[name] for name in RATES}))

    def _tell_records(self) -> None:
        changed = self._trace.take_changed()
        if changed:
            mask = self._masks()
            self._tell(_message("records", records=[one.shown(mask) for one in changed]))

    def _tell_snapshot(self) -> None:
        now = self._snapshot(self._masks())
        if now != self._told:
            self._told = now
            self._tell(_message("snapshot", **now))

    def _tell(self, message: str) -> None:
        for viewer in self._viewers:
            viewer.put(message)

    def _snapshot(self, mask: Masks) -> dict[str, Any]:
        found = snapshot(self._service)
        for hub in found["hubs"]:
            hub["handlers"] = masked(hub["handlers"], mask)
        return {"endpoint": self._endpoint(), **found}

    def _masks(self) -> Masks:
        """For the keys of this moment."""
        config = self._service.config
        handlers = (one for hub in config.hubs.values() for one in hub.event_handlers)
        return Masks((*config.access_keys, config.console_password, *(one.bearer_token for one in handlers)))


def _message(kind: str, **members: Any) -> str:
    """In ASCII: headers may hold what is no text."""
    return json.dumps({"type": kind, **members}, separators=(",", ":"))


def _now() -> int:
    return int(time.time() * 1000)
