"""The far end of a tunnel, in the words of the protocol and with a codec of its own."""

import json
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import jwt

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import PRIMARY


class Message(NamedTuple):
    type: int
    members: dict[str, Any]
    content: bytes | None


class TunnelClient:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def receive(self) -> Message:
        frame = await self.socket.receive_bytes(timeout=5)
        (length,) = struct.unpack("<I", frame[:4])
        assert length == len(frame) - 4
        assert frame[4] == 0x93
        text, rest = _text(frame[6:])
        return Message(frame[5], json.loads(text), _bytes(rest))

    async def send(self, kind: int, content: bytes | None = None, **members: Any) -> None:
        text = json.dumps(members | {"Type": kind}).encode()
        packed = b"\x93" + bytes((kind,)) + b"\xdb" + struct.pack(">I", len(text)) + text
        packed += b"\xc0" if content is None else b"\xc6" + struct.pack(">I", len(content)) + content
        await self.socket.send_bytes(struct.pack("<I", len(packed)) + packed)

    async def answer(
        self, request: Message, status: int = 200, content: bytes | None = None, *, more: bool = False, **headers: str
    ) -> None:
        names = {name.replace("_", "-"): [value] for name, value in headers.items()}
        await self.send(
            2, content, AckId=request.members["AckId"], LocalRouting=False, ChannelName="", StatusCode=status,
            NotCompleted=more, Headers=names,
        )  # fmt: skip

    async def rest(self, method: str, path: str, content: bytes | None = None, content_type: str = "") -> Message:
        """A request to the REST data plane; the answer is the next message."""
        headers = {"Content-Type": [content_type]} if content_type else {}
        await self.send(
            1, content, AckId=9, LocalRouting=True, ChannelName="ch", HttpMethod=method, Url=f"https://host{path}",
            Headers=headers,
        )  # fmt: skip
        return await self.receive()


def _text(data: bytes) -> tuple[bytes, bytes]:
    sizes = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
    return (
        _cut(data[1:], sizes[data[0]])
        if data[0] in sizes
        else (data[1 : 1 + data[0] - 0xA0], data[1 + data[0] - 0xA0 :])
    )


def _bytes(data: bytes) -> bytes | None:
    if data == b"\xc0":
        return None
    content, rest = _cut(data[1:], {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}[data[0]])
    assert rest == b""
    return content


def _cut(data: bytes, size: str) -> tuple[bytes, bytes]:
    (length,) = struct.unpack_from(size, data)
    start = struct.calcsize(size)
    return data[start : start + length], data[start + length :]


def tunnel_url(service: LocalPubSub, hub: str = "den", *, key: str = PRIMARY, **changes: Any) -> str:
    url = f"ws://localhost:{service.port}/server/tunnel?hub={hub}"
    token = jwt.encode({"aud": url, "sub": "me", "exp": int(time.time()) + 60} | changes, key, algorithm="HS256")
    return f"{url}&access_token={token}"


@asynccontextmanager
async def tunnel(session: aiohttp.ClientSession, service: LocalPubSub, hub: str = "den") -> AsyncIterator[TunnelClient]:
    """The greeting is read already."""
    async with session.ws_connect(tunnel_url(service, hub), max_msg_size=0) as socket:
        client = TunnelClient(socket)
        greeting = await client.receive()
        assert (greeting.type, greeting.members["UserId"]) == (10, "me")
        yield client
