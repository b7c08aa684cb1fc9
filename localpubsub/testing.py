"""For tests of an upstream or of a client: a service in the test's own process, clients, forged events.

`docs/testing.md` shows it; `localpubsub.pytest_plugin` makes it a fixture.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import jwt

from localpubsub.config import DEFAULT_ACCESS_KEY, EVERY_HUB, SYSTEM_EVENTS, EventHandler, HubSettings, ServiceConfig
from localpubsub.edge.cloudevents import request_headers
from localpubsub.engine.upstream import UpstreamEvent
from localpubsub.protocol.messages import DataType, Payload
from localpubsub.server import LocalPubSub

JSON_SUBPROTOCOL = "json.webpubsub.azure.v1"
ALL_ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
PRESENCE = frozenset({"joined", "left"})
SECONDS = 5.0
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True)
class ForgedEvent:
    """A request as the service would send it: POST it to the upstream under test."""

    headers: dict[str, str]
    body: bytes


def forge(  # noqa: PLR0913 - one parameter an attribute of the event
    event: str,
    data: Any = None,
    *,
    hub: str = "chat",
    connection_id: str = "conn-1",
    user_id: str | None = None,
    event_id: int = 1,
    family: str = "",
    subprotocol: str | None = JSON_SUBPROTOCOL,
    state: str | None = None,
    origin: str = "localhost:8081",
    access_keys: Sequence[str] = (DEFAULT_ACCESS_KEY,),
) -> ForgedEvent:
    """A signed event. `connect`, `connected`, `disconnected`, `joined` and `left` are the service's own.

    For `connect`, `data` lays members such as `claims`, `query` and `subprotocols` over an empty body; for
    `disconnected` it is the reason, for `joined` and `left` the group. All other events are a user's, and `data` goes
    out as text, as bytes, or as JSON. `family` (`sys`, `gp`, `user`) decides where a name is not enough.
    """
    name = event.lower()
    kind = family or ("sys" if name in SYSTEM_EVENTS else "gp" if name in PRESENCE else "user")
    body, content_type = _system_body(name, data) if kind != "user" else _user_body(data)
    is_connect = kind == "sys" and name == "connect"
    made = UpstreamEvent(
        hub.lower(),
        connection_id,
        kind,
        event,
        0 if is_connect else event_id,
        body,
        content_type,
        user_id,
        None if is_connect else subprotocol,
        state,
    )
    return ForgedEvent(request_headers(made, origin, access_keys), body)


def _system_body(name: str, data: Any) -> tuple[bytes, str]:
    bodies: dict[str, Callable[[], Mapping[str, Any]]] = {
        "connect": lambda: (
            {
                "claims": {},
                "query": {},
                "headers": {},
                "subprotocols": [JSON_SUBPROTOCOL],
                "clientCertificates": [],
            }
            | dict(data or {})
        ),
        "disconnected": lambda: {"reason": data},
        "joined": lambda: {"group": data},
        "left": lambda: {"group": data},
    }
    return json.dumps(bodies.get(name, dict)()).encode(), JSON


def _user_body(data: Any) -> tuple[bytes, str]:
    match data:
        case str():
            payload = Payload(DataType.TEXT, data.encode())
        case bytes():
            payload = Payload(DataType.BINARY, data)
        case _:
            payload = Payload(DataType.JSON, json.dumps(data).encode())
    return payload.data, payload.content_type


class Client:
    """A client of `json.webpubsub.azure.v1`. Its frames wait until somebody expects them, in any order."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.connected: dict[str, Any] = {}
        self.unexpected: list[dict[str, Any]] = []
        self._ack_id = 0

    @property
    def id(self) -> str:
        return str(self.connected["connectionId"])

    async def send(self, **frame: Any) -> None:
        """A frame as it is, without waiting."""
        await self.socket.send_json(frame)

    async def ask(self, *, timeout: float = SECONDS, **frame: Any) -> dict[str, Any]:  # noqa: ASYNC109
        """A command; returns its ack, whether it succeeded or not."""
        self._ack_id += 1
        await self.send(**frame, ackId=self._ack_id)
        return await self.expect(timeout=timeout, type="ack", ackId=self._ack_id)

    async def join(self, group: str) -> None:
        await self._succeed(type="joinGroup", group=group)

    async def leave(self, group: str) -> None:
        await self._succeed(type="leaveGroup", group=group)

    async def send_to_group(self, group: str, data: Any, **more: Any) -> None:
        await self._succeed(type="sendToGroup", group=group, data=data, **_data_type(data), **more)

    async def send_event(self, event: str, data: Any = "", **more: Any) -> None:
        """Returns when the upstream has handled it; what it answers is a message to expect."""
        await self._succeed(type="event", event=event, data=data, **_data_type(data), **more)

    async def _succeed(self, **frame: Any) -> None:
        ack = await self.ask(**frame)
        if not ack["success"]:
            raise AssertionError(f"{frame} was refused: {ack['error']}")

    async def expect(self, *, timeout: float = SECONDS, **members: Any) -> dict[str, Any]:  # noqa: ASYNC109
        """The first frame with these members, which it takes; a function stands for any value it finds true.

        Frames that do not fit stay for later. Raises `AssertionError` with what came instead.
        """
        for frame in self.unexpected:
            if _fits(frame, members):
                self.unexpected.remove(frame)
                return frame
        deadline = time.monotonic() + timeout
        while True:
            frame = await self._next(deadline, members)
            if _fits(frame, members):
                return frame
            self.unexpected.append(frame)

    async def _next(self, deadline: float, members: Mapping[str, Any]) -> dict[str, Any]:
        try:
            message = await self.socket.receive(timeout=max(deadline - time.monotonic(), 0.001))
        except TimeoutError:
            raise AssertionError(self._instead(members, "in time")) from None
        if message.type is aiohttp.WSMsgType.TEXT:
            frame: dict[str, Any] = message.json()
            return frame
        raise AssertionError(self._instead(members, f"before the service closed with {self.socket.close_code}"))

    def _instead(self, members: Mapping[str, Any], when: str) -> str:
        came = "".join(f"\n  {json.dumps(frame, ensure_ascii=False)}" for frame in self.unexpected) or " nothing"
        wanted = ", ".join(f"{name}={value!r}" for name, value in members.items())
        return f"no frame with {wanted} came {when}; what came instead:{came}"

    async def closed(self, *, timeout: float = SECONDS) -> int:  # noqa: ASYNC109
        """The code the service closes with; frames before it are kept in `unexpected`."""
        deadline = time.monotonic() + timeout
        while self.socket.close_code is None:
            message = await self.socket.receive(timeout=max(deadline - time.monotonic(), 0.001))
            if message.type is aiohttp.WSMsgType.TEXT:
                self.unexpected.append(message.json())
        return self.socket.close_code


def _fits(frame: Mapping[str, Any], members: Mapping[str, Any]) -> bool:
    return all(
        name in frame and (value(frame[name]) if callable(value) else frame[name] == value)
        for name, value in members.items()
    )


def _data_type(data: Any) -> dict[str, str]:
    return {"dataType": "text"} if isinstance(data, str) else {}


class LocalService(LocalPubSub):
    """A local service with what tests want of it. `hub` is `chat` where it is left out."""

    def handle(
        self,
        url_template: str,
        *,
        hub: str = EVERY_HUB,
        system_events: Sequence[str] = tuple(sorted(SYSTEM_EVENTS)),
        user_event_pattern: str = "*",
        **more: Any,
    ) -> None:
        """Events go to this URL from now on; a second call adds a handler behind the first."""
        handler = EventHandler(url_template, tuple(system_events), user_event_pattern, **more)
        settings = self.config.hubs.get(hub.lower(), HubSettings(anonymous_connect=True))
        settings = replace(settings, event_handlers=(*settings.event_handlers, handler))
        self.apply(replace(self.config, hubs={**self.config.hubs, hub.lower(): settings}))

    def forge(self, event: str, data: Any = None, **more: Any) -> ForgedEvent:
        """`forge`, signed by this service."""
        return forge(event, data, **{"origin": self._origin(), "access_keys": self.config.access_keys} | more)

    def client_url(
        self,
        hub: str = "chat",
        user: str | None = None,
        *,
        roles: Sequence[str] = ALL_ROLES,
        groups: Sequence[str] = (),
        **claims: Any,
    ) -> str:
        """A client access URL, for any client. It may do everything where `roles` is left out."""
        path = f"/client/hubs/{hub}"
        token = {"aud": f"{self.endpoint}{path}", "exp": int(time.time()) + 3600, "role": list(roles)} | claims
        token |= {"webpubsub.group": list(groups)} if groups else {}
        token |= {"sub": user} if user is not None else {}
        access = jwt.encode(token, self.config.access_keys[0], algorithm="HS256")
        return f"ws{self.endpoint.removeprefix('http')}{path}?access_token={access}"

    @asynccontextmanager
    async def client(self, hub: str = "chat", user: str | None = None, **more: Any) -> AsyncIterator[Client]:
        """A client that is connected; `more` is as for `client_url`."""
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.client_url(hub, user, **more), protocols=[JSON_SUBPROTOCOL]) as socket,
        ):
            client = Client(socket)
            client.connected = await client.expect(type="system", event="connected")
            yield client


def quick_config(**changes: Any) -> ServiceConfig:
    """A free port, no waiting between tries, hubs of any name that let anybody in."""
    values: dict[str, Any] = {
        "port": 0,
        "hubs": {EVERY_HUB: HubSettings(anonymous_connect=True)},
        "retry_delays": (0.01, 0.01, 0.01),
        "shutdown_seconds": 1.0,
        "close_seconds": 1.0,
    }
    return ServiceConfig(**(values | changes))
