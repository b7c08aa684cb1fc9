"""A client of a reliable subprotocol that can lose its socket and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import aiohttp

from localpubsub.engine.hub import Connection
from localpubsub.protocol.sequences import Sequences
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, client_url, rest_headers

RELIABLE = "json.reliable.webpubsub.azure.v1"
PROTOBUF_RELIABLE = "protobuf.reliable.webpubsub.azure.v1"


class ReliableClient(JsonClient):
    @property
    def token(self) -> str:
        return str(self.connected["reconnectionToken"])

    def drop(self) -> None:
        """As a cable that is pulled: nothing is said, nothing more is read."""
        transport = self.socket._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]


@asynccontextmanager
async def reliable_client(
    session: aiohttp.ClientSession, service: LocalPubSub, hub: str = "open", **token: Any
) -> AsyncIterator[ReliableClient]:
    async with session.ws_connect(client_url(service, hub, **token), protocols=[RELIABLE]) as socket:
        yield ReliableClient(socket, await socket.receive_json(timeout=5))


def recovery_url(service: LocalPubSub, hub: str, connection_id: str, token: str, **more: str) -> str:
    query = urlencode({"awps_connection_id": connection_id, "awps_reconnection_token": token, **more})
    return f"ws://localhost:{service.port}/client/hubs/{hub}?{query}"


@asynccontextmanager
async def recovered(
    session: aiohttp.ClientSession, service: LocalPubSub, client: ReliableClient, hub: str = "open"
) -> AsyncIterator[ReliableClient]:
    url = recovery_url(service, hub, client.id, client.token)
    async with session.ws_connect(url, protocols=[RELIABLE]) as socket:
        yield ReliableClient(socket, await socket.receive_json(timeout=5))


async def refused(session: aiohttp.ClientSession, url: str, protocol: str = RELIABLE) -> tuple[int, str | None]:
    """Code and reason of a recovery that is answered with a close, never with an HTTP error."""
    async with session.ws_connect(url, protocols=[protocol], autoclose=False) as socket:
        assert socket.protocol == protocol
        closing = await socket.receive(timeout=5)
        assert closing.type is aiohttp.WSMsgType.CLOSE
        return closing.data, closing.extra


class Losses:
    """Tells when the service has noticed that a socket is gone."""

    def __init__(self, service: LocalPubSub) -> None:
        sessions = service.service.sessions
        self._suspend = sessions.suspend
        self._noticed: asyncio.Queue[str] = asyncio.Queue()
        sessions.suspend = self._record  # type: ignore[method-assign]

    def _record(self, connection: Connection, sequences: Sequences) -> None:
        self._suspend(connection, sequences)
        self._noticed.put_nowait(connection.id)

    async def next(self) -> str:
        async with asyncio.timeout(5):
            return await self._noticed.get()


async def send_to_connection(
    session: aiohttp.ClientSession, service: LocalPubSub, connection_id: str, text: str, hub: str = "open"
) -> None:
    path = f"/api/hubs/{hub}/connections/{connection_id}/:send"
    headers = rest_headers(service, path) | {"Content-Type": "text/plain"}
    async with session.post(service.endpoint + path, headers=headers, data=text.encode()) as response:
        assert response.status == 202


async def status_of(session: aiohttp.ClientSession, service: LocalPubSub, path: str, method: str = "HEAD") -> int:
    async with session.request(method, service.endpoint + path, headers=rest_headers(service, path)) as response:
        return response.status


def server_text(sequence_id: int, text: str) -> dict[str, Any]:
    return {"sequenceId": sequence_id, "type": "message", "from": "server", "dataType": "text", "data": text}
