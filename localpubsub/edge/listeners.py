"""Event listeners: copies of events for a file, an HTTP endpoint, the log or a function (spec/service.md 9.9)."""

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from localpubsub.config import EventListener
from localpubsub.edge.cloudevents import METADATA, attributes, content_headers
from localpubsub.engine.upstream import UpstreamEvent

log = logging.getLogger(__name__)

QUEUE_LIMIT = 10_000
HTTP_SECONDS = 10.0

Write = Callable[[list[UpstreamEvent]], Awaitable[None]]


class ListenerSinks:
    """Nobody waits for a listener: each endpoint has a bounded queue and a task, which live until `close`."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[UpstreamEvent]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    def publish(self, listener: EventListener, event: UpstreamEvent) -> None:
        endpoint = listener.endpoint
        if not isinstance(endpoint, str):
            try:
                endpoint(event)
            except Exception:
                log.exception("a listener failed at the event %r of hub %r", event.name, event.hub)
            return
        queue = self._queues.get(endpoint)
        if queue is None:
            queue = self._queues[endpoint] = asyncio.Queue(QUEUE_LIMIT)
            self._tasks.add(asyncio.create_task(self._work(endpoint, queue)))
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            log.warning("the listener %s is too slow: it lost the event %r", _name(endpoint), event.name)

    async def close(self, seconds: float) -> None:
        """Writes what waits, within a bounded time."""
        joining = [asyncio.create_task(queue.join()) for queue in self._queues.values()]
        if joining:
            await asyncio.wait(joining, timeout=seconds)
        for task in (*joining, *self._tasks):
            task.cancel()
        await asyncio.gather(*joining, *self._tasks, return_exceptions=True)
        self._queues.clear()
        self._tasks.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _work(self, endpoint: str, queue: asyncio.Queue[UpstreamEvent]) -> None:
        write = self._writer(endpoint)
        while True:
            events = [await queue.get()]
            while not queue.empty():
                events.append(queue.get_nowait())
            try:
                await write(events)
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                log.warning("the listener %s lost %d events: %s", _name(endpoint), len(events), type(error).__name__)
            except Exception:
                log.exception("the listener %s lost %d events", _name(endpoint), len(events))
            for _ in events:
                queue.task_done()

    def _writer(self, endpoint: str) -> Write:
        scheme, _, rest = endpoint.partition(":")
        if scheme == "file":
            return lambda events: asyncio.to_thread(_append, Path(rest), events)
        if scheme == "log":
            return _log
        return lambda events: self._post(endpoint, events)

    async def _post(self, url: str, events: list[UpstreamEvent]) -> None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(HTTP_SECONDS)
            )
        for event in events:
            headers = {f"ce-{name}": value for name, value in attributes(event).items()} | content_headers(event)
            async with self._session.post(url, headers=headers, data=event.body, allow_redirects=False) as response:
                if not 200 <= response.status < 300:
                    log.warning("the listener %s answered %d to %r", _name(url), response.status, event.name)


def record(event: UpstreamEvent) -> dict[str, object]:
    """What Event Hubs would hold; a body that is not UTF-8 is under `bodyBase64`."""
    properties = {f"cloudEvents:{name.lower()}": value for name, value in attributes(event).items()}
    properties |= {f"{METADATA}{key.lower()}": value for key, value in event.metadata.items()}
    members: dict[str, object] = {
        "messageId": f"{event.connection_id}/{event.event_id}",
        "partitionKey": event.connection_id,
        "contentType": event.content_type,
        "applicationProperties": properties,
    }
    try:
        return members | {"body": event.body.decode()}
    except UnicodeDecodeError:
        return members | {"bodyBase64": base64.b64encode(event.body).decode()}


def _append(path: Path, events: list[UpstreamEvent]) -> None:
    lines = "".join(json.dumps(record(event), ensure_ascii=False) + "\n" for event in events)
    with path.open("a", encoding="utf-8") as file:
        file.write(lines)


async def _log(events: list[UpstreamEvent]) -> None:
    for event in events:
        log.info("event %s, %d bytes", json.dumps(attributes(event), ensure_ascii=False), len(event.body))


def _name(endpoint: str) -> str:
    """Without the query of a URL: it may hold a secret."""
    parts = urlsplit(endpoint)
    return endpoint if parts.scheme in ("file", "log") else parts.hostname or parts.scheme
