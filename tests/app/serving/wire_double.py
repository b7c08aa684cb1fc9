"""A server's side of one connection, without a socket."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from app.serving.direct import ASGIApp
from app.serving.incoming import IncomingLimits


class Wire(asyncio.Transport):
    """Notes what is written, by whom it is read, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.protocol: asyncio.BaseProtocol | None = None

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    @property
    def answers(self) -> int:
        return self.written.count(b"HTTP/1.1 ")

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def can_write_eof(self) -> bool:
        return False

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol


class Silent(asyncio.Protocol):
    """What takes over from HTTP where the protocol changes."""

    def __init__(self, **_: object) -> None: ...


def connected(app: ASGIApp, *, keep_alive_seconds: int = 75) -> tuple[IncomingLimits, Wire]:
    config = uvicorn.Config(
        app, timeout_keep_alive=keep_alive_seconds, access_log=False, log_config=None, lifespan="off"
    )
    config.load()
    config.ws_protocol_class = Silent
    state = ServerState()
    state.default_headers = [(b"server", b"test")]
    protocol = IncomingLimits(config, state, {}, asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    return protocol, wire
