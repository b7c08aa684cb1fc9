"""A stand-in for the service's REST API that can be made to misbehave, and remembers what it accepted."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
BUSY = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {}\r\nContent-Length: 0\r\n\r\n"
FAILING = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Mood(Enum):
    WELL = "answers at once"
    SLOW = "answers after 200 ms"
    HANGING = "never answers"
    BUSY = "429 with Retry-After"
    FAILING = "503"
    REFUSING = "refuses connections"
    RESETTING = "resets in mid-response"


@dataclass
class DataPlane:
    """`accepted` are bodies in the order they were answered 202; `attempts` counts every request that was read."""

    mood: Mood = Mood.WELL
    accepted: list[bytes] = field(default_factory=list)
    attempts: int = 0
    retry_after: str = "2"
    on_accept: Callable[[], None] = lambda: None
    port: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def stop(self) -> None:
        """Refuses from now on, and cuts off who is connected."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def become(self, mood: Mood) -> None:
        """Changes its mind. Requests it has left hanging are cut off."""
        was, self.mood = self.mood, mood
        if mood is Mood.REFUSING:
            await self.stop()
        elif was is Mood.REFUSING:
            await self.start()
        elif was is Mood.HANGING:
            for writer in list(self._writers):
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._answer(await _read(reader), writer):
                pass
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, body: bytes, writer: asyncio.StreamWriter) -> bool:
        self.attempts += 1
        match self.mood:
            case Mood.HANGING:
                return True  # the connection stays, the answer never comes
            case Mood.BUSY:
                writer.write(BUSY.format(self.retry_after).encode())
                return True
            case Mood.FAILING:
                writer.write(FAILING)
                return True
            case Mood.RESETTING:
                writer.write(ACCEPTED[:20])
                await writer.drain()
                writer.transport.abort()
                return False
            case Mood.SLOW:
                await asyncio.sleep(0.2)
        self.accepted.append(body)
        writer.write(ACCEPTED)
        self.on_accept()
        return True


async def _read(reader: asyncio.StreamReader) -> bytes:
    """The body of one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return await reader.readexactly(int(value))
    return b""
