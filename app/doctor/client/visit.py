"""Clients, played: what they say, what they wait for, whom they dial (spec/service.md 1-4)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex
from time import time
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import jwt

from app.doctor.client.common import CLOSED, NO_FRAME, NOT_A_FRAME
from app.doctor.exchange import Answer, excerpt
from app.doctor.report import Line
from app.doctor.target import USER, check_names
from app.doctor.verdicts import Found
from app.upstream.connection_string import ConnectionString

JSON_SUBPROTOCOL = "json.webpubsub.azure.v1"
RELIABLE_SUBPROTOCOL = "json.reliable.webpubsub.azure.v1"
EVERY_ROLE = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")

Frame = dict[str, Any]


@dataclass(frozen=True)
class Closed:
    """The service ended the connection. 1006: without a word."""

    code: int
    reason: str = ""


Heard = str | bytes | Closed | None
"""`None`: nothing came in time."""


class Socket(Protocol):
    subprotocol: str | None
    """The one the service picked."""

    async def say(self, text: str) -> None: ...

    async def hear(self, seconds: float) -> Heard: ...

    async def drop(self) -> None:
        """Breaks the connection as a failing network does, without a close frame."""

    async def leave(self) -> None: ...


class Dialer(Protocol):
    async def dial(self, url: str, subprotocols: Sequence[str]) -> Socket | Answer:
        """An `Answer` where there is no connection; never raises for what the other side does."""


@dataclass(frozen=True)
class Service:
    connection: ConnectionString
    hub: str
    events: tuple[str, ...] = ("message",)
    user: str = USER

    def __post_init__(self) -> None:
        """Raises `ValueError` with one sentence."""
        check_names(self.hub, self.events, self.user)

    @property
    def endpoint(self) -> str:
        return self.connection.endpoint

    @property
    def key(self) -> str:
        return self.connection.access_key.get_secret_value()


class ClientVisit:
    """Makes clients, remembers what they said and heard, and sees them off."""

    def __init__(self, service: Service, dialer: Dialer, *, patience_seconds: float) -> None:
        self.service = service
        self.patience_seconds = patience_seconds
        self._dialer = dialer
        self._lines: list[Line] = []
        self._clients: list[Client] = []
        self._name = token_hex(4)
        self._groups = 0

    def group(self) -> str:
        """A group nobody else has."""
        self._groups += 1
        return f"doctor-{self._name}-{self._groups}"

    def token(self, *, key: str | None = None, hub: str | None = None, lifetime: int = 300, **claims: Any) -> str:
        audience = f"{self.service.endpoint.lower()}/client/hubs/{hub or self.service.hub}"
        now = int(time())
        usual = {"aud": audience, "iat": now, "exp": now + lifetime, "sub": self.service.user, "role": list(EVERY_ROLE)}
        return jwt.encode(usual | claims, key or self.service.key, algorithm="HS256")

    async def dial(
        self, token: str | None, *subprotocols: str, connection_id: str = "", reconnection_token: str = ""
    ) -> "Client | Answer":
        query = {"access_token": token} if token else {}
        if connection_id:
            query |= {"awps_connection_id": connection_id, "awps_reconnection_token": reconnection_token}
        path = f"/client/hubs/{quote(self.service.hub, safe='')}"
        url = f"ws{self.service.endpoint.removeprefix('http')}{path}?{urlencode(query)}"
        came = await self._dialer.dial(url, subprotocols)
        sent = f"GET {path} as {', '.join(subprotocols) or 'a raw client'}{', to recover' if connection_id else ''}"
        if isinstance(came, Answer):
            self._lines.append(Line(sent=sent, came=str(came)))
            return came
        self._lines.append(Line(sent=sent, came=f"101, {came.subprotocol or 'no subprotocol'}"))
        client = Client(came, self.patience_seconds, self._lines)
        self._clients.append(client)
        return client

    async def client(self, subprotocol: str = JSON_SUBPROTOCOL, **claims: Any) -> "Client":
        """One that was greeted. Raises `Found`."""
        client = await self.open(subprotocol, **claims)
        client.connected = await client.expect(type="system", event="connected")
        return client

    async def open(self, subprotocol: str, **claims: Any) -> "Client":
        """One that got in. Raises `Found`."""
        client = await self.dial(self.token(**claims), subprotocol)
        if isinstance(client, Answer):
            raise Found(CLOSED.found(f"the handshake was answered {client}"))
        return client

    async def leave(self) -> None:
        for client in self._clients:
            await client.socket.leave()

    def lines(self, since: int) -> list[Line]:
        return self._lines[since:]

    def count(self) -> int:
        return len(self._lines)


class Client:
    """Frames wait until somebody expects them, in any order."""

    def __init__(self, socket: Socket, patience_seconds: float, lines: list[Line]) -> None:
        self.socket = socket
        self.connected: Frame = {}
        self.waiting: list[Frame] = []
        self._patience_seconds = patience_seconds
        self._lines = lines
        self._ack_id = 0

    @property
    def id(self) -> str:
        return str(self.connected.get("connectionId"))

    async def say(self, **frame: Any) -> None:
        self._lines.append(Line(sent=f"{frame.get('type')} {_about(frame)}".strip(), came=""))
        await self.socket.say(json.dumps(frame))

    async def ask(self, **frame: Any) -> Frame:
        """A command with an ackId; its ack, whether it succeeded or not. Raises `Found`."""
        self._ack_id += 1
        await self.say(**{"ackId": self._ack_id} | frame)
        return await self.expect(type="ack", ackId=frame.get("ackId", self._ack_id))

    async def expect(self, **members: Any) -> Frame:
        """The first frame with these members; a function stands for what it finds true. Raises `Found`."""
        for frame in self.waiting:
            if _fits(frame, members):
                self.waiting.remove(frame)
                return frame
        while True:
            frame = await self._next(members)
            if _fits(frame, members):
                return frame
            self.waiting.append(frame)

    async def hear_end(self) -> Closed | None:
        """How the service closes; `None` where it does not. Frames before that are dropped."""
        while True:
            heard = await self._hear()
            if heard is None or isinstance(heard, Closed):
                return heard

    async def _next(self, wanted: Frame) -> Frame:
        told = " ".join(str(value) for value in wanted.values() if not callable(value))
        heard = await self._hear()
        if heard is None:
            raise Found(NO_FRAME.found(f"waited for {told}"))
        if isinstance(heard, Closed):
            raise Found(CLOSED.found(f"waited for {told}, and was closed with {heard.code} {heard.reason}".rstrip()))
        try:
            frame = json.loads(heard)
        except (ValueError, RecursionError):
            frame = None
        if not isinstance(frame, dict):
            raise Found(NOT_A_FRAME.found(f"waited for {told}"))
        return frame

    async def _hear(self) -> Heard:
        heard = await self.socket.hear(self._patience_seconds)
        if heard is not None:
            came = f"closed {heard.code} {heard.reason}" if isinstance(heard, Closed) else _excerpt(heard)
            self._lines.append(Line(sent="", came=came))
        return heard


def _excerpt(heard: str | bytes) -> str:
    return excerpt(heard.encode() if isinstance(heard, str) else heard)


def _about(frame: Frame) -> str:
    names = ("group", "event", "dataType", "ackId")
    return " ".join(str(frame[name]) for name in names if name in frame)


def _fits(frame: Frame, members: Frame) -> bool:
    return all(
        name in frame and (value(frame[name]) if callable(value) else frame[name] == value)
        for name, value in members.items()
    )
