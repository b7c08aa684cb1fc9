"""The console's page, as far as the service can tell."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from localpubsub.server import LocalPubSub

OWN = {"X-Console": "1"}

Wanted = Callable[[dict[str, Any]], bool]


def base(service: LocalPubSub) -> str:
    return f"http://localhost:{service.port}"


class Page:
    """Records by id, each as it was told last."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.records: dict[int, dict[str, Any]] = {}

    async def message(self) -> dict[str, Any]:
        message: dict[str, Any] = await self.socket.receive_json(timeout=5)
        if message["type"] == "records":
            self.records |= {one["id"]: one for one in message["records"]}
        return message

    async def expect(self, kind: str, wanted: Wanted = lambda _: True) -> dict[str, Any]:
        """The next message of that type."""
        async with asyncio.timeout(5):
            while True:
                message = await self.message()
                if message["type"] == kind and wanted(message):
                    return message

    async def record(self, kind: str, wanted: Wanted = lambda _: True) -> dict[str, Any]:
        """The first record of that kind, whether it was told already or is still to come."""
        async with asyncio.timeout(5):
            while True:
                for record in self.records.values():
                    if record["kind"] == kind and wanted(record):
                        return record
                await self.message()


@asynccontextmanager
async def looking(session: aiohttp.ClientSession, service: LocalPubSub, **options: Any) -> AsyncIterator[Page]:
    url = f"{base(service)}/console/feed"
    async with session.ws_connect(url, origin=base(service), max_msg_size=0, **options) as socket:
        yield Page(socket)


async def command(
    session: aiohttp.ClientSession, service: LocalPubSub, name: str, method: str = "POST", **values: Any
) -> tuple[int, Any]:
    """Status, and the JSON or the sentence."""
    url = f"{base(service)}/console/api/{name}"
    body = json.dumps(values).encode() if values or method == "POST" else b""
    headers = {**OWN, "Content-Type": "application/json"}
    async with session.request(method, url, data=io.BytesIO(body), headers=headers) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()
