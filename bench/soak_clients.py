"""Reliable clients of `bench.soak`: some send and count, some listen and compare."""

import asyncio
import itertools
import json
import time
from collections import Counter, defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PROTOCOL = "json.reliable.webpubsub.azure.v1"
ACK_SECONDS = 60.0
DOOR_SECONDS = 60.0
RECENT = 5_000


@dataclass
class Seen:
    """What clients saw, all together."""

    accepted: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By sender, in the order of the acknowledgements."""
    errors: list[str] = field(default_factory=list)
    knocks: Counter[str] = field(default_factory=Counter)
    """Attempts to get in, and those that had to be made again."""
    slowest_ack: float = 0.0
    doubtful: set[tuple[str, int]] = field(default_factory=set)
    """Sender and number of those that a lost primary may have taken with it."""
    _recent: deque[tuple[float, str, int]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def accept(self, sender: str, number: int) -> None:
        self.accepted[sender].append(number)
        self._recent.append((time.monotonic(), sender, number))

    def doubt(self, since: float, until: float) -> None:
        """What was acknowledged then, by the monotonic clock."""
        self.doubtful |= {(sender, number) for at, sender, number in self._recent if since <= at <= until}


class Connection:
    """A client that came through /negotiate. It acknowledges what it gets, and finds gaps."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, name: str, seen: Seen) -> None:
        self._socket = socket
        self._name = name
        self._seen = seen
        self._last = 0
        self._acks: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._ack_ids = itertools.count(1)
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.is_leaving = False

    async def read(self) -> None:
        async for message in self._socket:
            frame = json.loads(message.data)
            match frame["type"]:
                case "ack":
                    if (waiting := self._acks.pop(frame["ackId"], None)) is not None and not waiting.done():
                        waiting.set_result(frame)
                case "message":
                    await self._take(frame)
        if not self.is_leaving:
            self._seen.errors.append(f"{self._name} lost its connection ({self._socket.close_code})")
        for waiting in self._acks.values():
            waiting.cancel()

    async def _take(self, frame: dict[str, Any]) -> None:
        number = frame["sequenceId"]
        if number != self._last + 1:
            self._seen.errors.append(f"{self._name} got message {number} after {self._last}")
        self._last = number
        self.messages.put_nowait(frame["data"])
        await self._socket.send_json({"type": "sequenceAck", "sequenceId": number})

    async def say(self, number: int) -> bool:
        """Whether the upstream took it."""
        loop = asyncio.get_running_loop()
        ack_id, began = next(self._ack_ids), loop.time()
        self._acks[ack_id] = loop.create_future()
        await self._socket.send_json(
            {"type": "event", "event": "say", "ackId": ack_id, "dataType": "text", "data": str(number)}
        )
        try:
            async with asyncio.timeout(ACK_SECONDS):
                frame = await self._acks[ack_id]
        except TimeoutError:
            frame = {"success": False, "error": f"no ack within {ACK_SECONDS:g} s"}
        self._seen.slowest_ack = max(self._seen.slowest_ack, loop.time() - began)
        if not frame["success"]:
            self._seen.errors.append(f"{self._name}: event {number} failed: {frame.get('error')}")
        return bool(frame["success"])


class Door:
    """Lets clients in through the upstream's /negotiate; knocks again for a while, as official clients do."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str, seen: Seen) -> None:
        self._session = session
        self._upstream = upstream
        self._seen = seen

    async def enter(self, name: str) -> tuple[Connection, asyncio.Task[None]]:
        """Raises `TimeoutError` where it stays shut."""
        async with asyncio.timeout(DOOR_SECONDS):
            while True:
                self._seen.knocks["all"] += 1
                with suppress(aiohttp.ClientError):
                    async with self._session.get(f"{self._upstream}/negotiate", params={"id": name}) as answer:
                        answer.raise_for_status()
                        url = (await answer.json())["url"]
                    socket = await self._session.ws_connect(url, protocols=[PROTOCOL], heartbeat=None)
                    connection = Connection(socket, name, self._seen)
                    return connection, asyncio.create_task(connection.read())
                self._seen.knocks["again"] += 1
                await asyncio.sleep(0.5)


async def leave(connection: Connection, reading: asyncio.Task[None]) -> None:
    connection.is_leaving = True
    await connection._socket.close()
    await asyncio.gather(reading, return_exceptions=True)


async def send(door: Door, person: str, seen: Seen, pause: float, per_connection: int, until: asyncio.Event) -> None:
    """Sends, and comes in as somebody new every now and then: a connection is what has an order."""
    for visit in itertools.count():
        if until.is_set():
            return
        name = f"{person}-{visit}"
        try:
            connection, reading = await door.enter(name)
        except TimeoutError:
            seen.errors.append(f"{name} could not get in for {DOOR_SECONDS:g} s")
            continue
        for number in range(per_connection):
            if until.is_set() or reading.done():
                break
            if await connection.say(number):
                seen.accept(name, number)
            await asyncio.sleep(pause)
        await leave(connection, reading)


class Listener:
    """What it heard from each sender, repeats left out."""

    def __init__(self) -> None:
        self.heard: dict[str, list[int]] = defaultdict(list)
        self.repeats = 0

    async def listen(self, connection: Connection) -> None:
        """Until it is cancelled."""
        while True:
            line = await connection.messages.get()
            heard = self.heard[line["from"]]
            if line["n"] in heard:
                self.repeats += 1
            else:
                heard.append(line["n"])

    def missing(self, seen: Seen) -> set[tuple[str, int]]:
        """Sender and number of what was acknowledged and not heard."""
        return {
            (name, number) for name, numbers in seen.accepted.items() for number in set(numbers) - set(self.heard[name])
        }

    def disordered(self) -> list[str]:
        return [name for name, numbers in self.heard.items() if numbers != sorted(numbers)]
