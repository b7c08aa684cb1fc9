"""paho-mqtt over WebSocket, its callbacks as a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties


class Connected(NamedTuple):
    reason: str
    session_present: bool
    properties: dict[str, Any]


class Subscribed(NamedTuple):
    reasons: list[int]


class Published(NamedTuple):
    reason: str


class Said(NamedTuple):
    topic: str
    payload: bytes
    qos: int
    properties: dict[str, Any]


class Disconnected(NamedTuple):
    reason: str


def _members(properties: Properties | None) -> dict[str, Any]:
    return {name: value for name, value in vars(properties).items() if name[0].isupper()} if properties else {}


class Paho:
    """Every callback is something to `hear`. Everything it does goes on in a thread of its own."""

    def __init__(self, path: str, client_id: str, version: int, **options: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard: asyncio.Queue[NamedTuple] = asyncio.Queue()
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion(version),
            transport="websockets",
            **options,
        )
        self.client.ws_set_options(path=path)
        self.client.on_connect = lambda _c, _u, flags, reason, properties: self._put(
            Connected(str(reason), flags.session_present, _members(properties))
        )
        self.client.on_subscribe = lambda _c, _u, _mid, reasons, _p: self._put(
            Subscribed([reason.value for reason in reasons])
        )
        self.client.on_publish = lambda _c, _u, _mid, reason, _p: self._put(Published(str(reason)))
        self.client.on_disconnect = lambda _c, _u, _flags, reason, _p: self._put(Disconnected(str(reason)))
        self.client.on_message = self._message

    def _message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._put(Said(message.topic, bytes(message.payload), message.qos, _members(message.properties)))

    def _put(self, heard: NamedTuple) -> None:
        self._loop.call_soon_threadsafe(self._heard.put_nowait, heard)

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return await self._heard.get()

    async def connect(self, port: int, **options: Any) -> Any:
        await asyncio.to_thread(self.client.connect, "127.0.0.1", port, **options)
        self.client.loop_start()
        return await self.hear()

    async def stop(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)
        self.client._reset_sockets()  # it would be left to the garbage collector


@asynccontextmanager
async def paho(
    port: int, path: str, version: int = MQTTv5, client_id: str = "buoy7", *, clean: bool = True, **options: Any
) -> AsyncIterator[tuple[Paho, Connected]]:
    """Connected. `options` are those of its `connect`, but for the will."""
    will = options.pop("will", None)
    one = Paho(path, client_id, version, **({} if version == MQTTv5 else {"clean_session": clean}))
    if will is not None:
        one.client.will_set(**will)
    if version == MQTTv5:
        options["clean_start"] = clean
    try:
        yield one, await one.connect(port, **options)
    finally:
        await one.stop()
