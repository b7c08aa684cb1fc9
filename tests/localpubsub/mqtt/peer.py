"""An MQTT client over a real socket, packet by packet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V5, Packet
from localpubsub.protocol.mqtt.stream import PacketStream
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import client_token

EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")


def mqtt_path(service: LocalPubSub, hub: str = "open", **token: Any) -> str:
    token = {"roles": EVERYTHING, "aud": f"{service.endpoint}/clients/mqtt/hubs/{hub}"} | token
    return f"/clients/mqtt/hubs/{hub}?access_token={client_token(service, hub, **token)}"


def mqtt_url(service: LocalPubSub, hub: str = "open", **token: Any) -> str:
    return f"ws://localhost:{service.port}{mqtt_path(service, hub, **token)}"


class Peer:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse, version: int) -> None:
        self.socket = socket
        self.version = version
        self._stream = PacketStream(version)
        self._packets: list[Packet] = []

    async def send(self, *packets: Packet) -> None:
        """In one frame."""
        await self.socket.send_bytes(b"".join(encode(packet, self.version) for packet in packets))

    async def receive(self) -> Packet:
        while not self._packets:
            self._packets += self._stream.feed(await self.socket.receive_bytes(timeout=5))
        return self._packets.pop(0)

    async def ask(self, *packets: Packet) -> Packet:
        await self.send(*packets)
        return await self.receive()

    async def closed(self) -> int:
        async with asyncio.timeout(5):
            while (await self.socket.receive()).type is aiohttp.WSMsgType.BINARY:
                pass
        assert self.socket.close_code is not None
        return self.socket.close_code


@asynccontextmanager
async def knocked(session: aiohttp.ClientSession, url: str, version: int = V5) -> AsyncIterator[Peer]:
    """Before its CONNECT."""
    async with session.ws_connect(url, protocols=["mqtt"]) as socket:
        yield Peer(socket, version)


@asynccontextmanager
async def connected(
    session: aiohttp.ClientSession, url: str, client_id: str = "buoy7", version: int = V5, **connect: Any
) -> AsyncIterator[Peer]:
    async with knocked(session, url, version) as peer:
        connack = await peer.ask(p.Connect(client_id, version, **({"keep_alive": 60} | connect)))
        assert isinstance(connack, p.ConnAck)
        assert connack.code == 0
        yield peer
