"""One party on a connection of its own, which is made again when it is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import count
from secrets import token_hex

import aiohttp
import structlog
from pydantic import JsonValue

from app.simulation.answers import Page, ShipmentView
from app.simulation.dialects import Dialect, Message
from app.simulation.doors import Door, NoWayIn

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 15.0
ATTEMPTS = 4
PING_SECONDS = 25.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


class NoAnswer(Exception):
    """Asked several times; the hub said nothing, or no."""


class _Lost(Exception):
    """The connection ended before the answer came."""


@dataclass
class Counts:
    """Of all peers together."""

    connected: int = 0
    lost: int = 0
    sent: int = 0
    refused: int = 0
    unanswered: int = 0
    failure: str = ""
    """Why the last connection was not made, or lost."""


class Peer:
    """`heard` is told every message that is not an answer."""

    def __init__(
        self,
        party: str,
        dialect: Dialect,
        door: Door,
        session: aiohttp.ClientSession,
        admission: asyncio.Semaphore,
        counts: Counts,
        heard: Callable[[Message], None],
    ) -> None:
        self.party = party
        self._dialect = dialect
        self._door = door
        self._session = session
        self._admission = admission
        self._counts = counts
        self._heard = heard
        self._run = token_hex(4)
        self._ids = count(1)
        self._asked: dict[str, asyncio.Future[Message]] = {}
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Until it is cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._connection()
                pause = FIRST_PAUSE_SECONDS
            except (aiohttp.ClientError, OSError, NoWayIn, ValueError) as error:
                self._counts.failure = _reason(error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def ready(self) -> None:
        """Waits until there is a connection."""
        await self._ready.wait()

    async def say(self, event: str, data: JsonValue) -> None:
        """Sends an event nobody has to answer. Without a connection it is lost."""
        if self._socket is None or not self._ready.is_set():
            return
        self._counts.sent += 1
        await self._send(self._dialect.event(event, data))

    async def ask(self, event: str, data: dict[str, JsonValue]) -> Message:
        """The answer. What was not answered is sent again under the same id, so it counts once.

        Raises `NoAnswer`.
        """
        request_id = f"{self._run}-{next(self._ids)}"
        for _ in range(ATTEMPTS):
            await self.ready()
            answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            self._asked[request_id] = answer
            try:
                await self.say(event, {**data, "id": request_id})
                async with asyncio.timeout(ANSWER_SECONDS):
                    found = await answer
            except TimeoutError:
                self._counts.unanswered += 1
                continue
            except _Lost:
                continue
            finally:
                del self._asked[request_id]
            if found["type"] == "error":
                self._counts.refused += 1
                raise NoAnswer(f"{self.party} {event}: {found['message']}")
            return found
        raise NoAnswer(f"{self.party} {event}: no answer")

    async def left_over(self) -> AsyncIterator[ShipmentView]:
        """The shipments of earlier runs that this party may see, as many as the hub tells of."""
        after: str | None = None
        while True:
            try:
                page = Page.model_validate(await self.ask("snapshot", {"after": after}))
            except NoAnswer as problem:
                log.debug("begins without what was left over", reason=str(problem))
                return
            for shipment in page.shipments:
                yield shipment
            if (after := page.next) is None:
                return

    async def _connection(self) -> None:
        dialect = self._dialect
        async with self._admission:
            url = await self._door.open(self._session, self.party, dialect.protocol)
            socket = await self._session.ws_connect(url, protocols=(dialect.subprotocol,), max_msg_size=0)
        pinging = asyncio.create_task(self._ping_on())
        try:
            self._socket = socket
            if (opening := dialect.opening()) is not None:
                await self._send(opening)
            async for message in socket:
                await self._take(message.data)
            self._counts.failure = f"closed with {socket.close_code}"
        finally:
            pinging.cancel()
            self._socket = None
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_exception(_Lost())
            if self._ready.is_set():
                self._ready.clear()
                self._counts.connected -= 1
                self._counts.lost += 1
            await socket.close()

    async def _take(self, frame: str | bytes) -> None:
        heard = self._dialect.hear(frame)
        for reply in heard.replies:
            await self._send(reply)
        if heard.is_greeting:
            self._ready.set()
            self._counts.connected += 1
        for message in heard.messages:
            asked = self._asked.get(str(message.get("id")))
            if asked is None or asked.done():
                self._heard(message)
            else:
                asked.set_result(message)

    async def _send(self, frame: str | bytes) -> None:
        socket = self._socket
        if socket is None:
            return
        try:
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        except (aiohttp.ClientError, ConnectionError):
            return  # the one who reads hears of it too

    async def _ping_on(self) -> None:
        while True:
            await asyncio.sleep(PING_SECONDS)
            if (ping := self._dialect.ping()) is not None:
                await self._send(ping)


def _reason(error: Exception) -> str:
    """Without the text of aiohttp's errors, which hold the URL and its token."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the service answered {error.status}"
    if isinstance(error, aiohttp.ClientConnectionError):
        return "nobody answers"
    return str(error) if isinstance(error, NoWayIn | ValueError) else type(error).__name__
