"""The edge: a session on real sockets, lost and found again."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from app.client.access import Access, NoAccess
from app.client.comeback import Again, Comeback
from app.client.endings import Closed, Ending, Refused, Unreachable
from app.client.frames import Command, Connected, Disconnected, Frame, Heard, Ping
from app.client.protocols import Protocol
from app.client.reaching import unreachable
from app.client.session import Outcome, Recovery, Session

# A connect handler may take its time; it is asked while the handshake waits.
HANDSHAKE_SECONDS = 45
HEARTBEAT_SECONDS = 20
SEQUENCE_ACK_SECONDS = 1
CLOSE_SECONDS = 5
# A message of 1 MiB, with every character of it escaped.
FRAME_LIMIT = 8 * 1024 * 1024


class NotConnected(Exception):
    """There is no connection, and none to wait for."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The socket of a raw client is open: it gets no greeting."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The socket is gone, or there never was one. `again` is `None` where this is the end."""

    ending: Ending
    again: Again | None


Told = Opened | Heard | Outcome | Lost


class Connection:
    """`tell` hears of everything that happens, in order; it must not block."""

    def __init__(self, protocol: Protocol, access: Access, tell: Callable[[Told], None], *, anew: bool = False) -> None:
        self._protocol = protocol
        self._access = access
        self._tell = tell
        self._session = Session(protocol)
        self._comeback = Comeback(anew=anew)
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._url = ""
        self._writing = asyncio.Lock()
        self._closing = asyncio.Event()
        self._settled = asyncio.Event()
        self._owing = asyncio.Event()
        self.ready = asyncio.Event()
        """Set once the service has greeted this client for the first time."""

    async def run(self) -> Ending | None:
        """Returns why it ended, or `None` after `close`."""
        recovery: Recovery | None = None
        async with aiohttp.ClientSession() as http:
            while True:
                ending = await self._attempt(http, recovery)
                if self._closing.is_set():
                    return None
                known = self._session.recovery
                again = self._comeback.after(ending, asyncio.get_running_loop().time(), recoverable=known is not None)
                self._tell(Lost(ending, again))
                recovery = known if again is not None and again.recover else None
                if recovery is None:
                    self._give_up()
                if again is None:
                    return ending
                if await _within(again.after_seconds, self._closing.wait()):
                    return None

    def _give_up(self) -> None:
        for outcome in self._session.start_anew():
            self._tell(outcome)
        self._note_settled()

    async def send(self, command: Command) -> None:
        """While a connection is being recovered, what wants an ack waits. Raises `NotConnected`, `NotCarried`."""
        async with self._writing:
            can_wait = self._session.recovery is not None and not isinstance(command, Ping)
            if self._socket is None and not can_wait:
                raise NotConnected("there is no connection at the moment")
            frame = self._session.say(command)
            self._note_settled()
            await self._write([frame])

    async def settled(self) -> None:
        """Returns once every request is answered."""
        await self._settled.wait()

    async def close(self) -> None:
        """Says good-bye; `run` returns soon."""
        self._closing.set()
        if self._socket is not None:
            await self._socket.close()

    async def _attempt(self, http: aiohttp.ClientSession, recovery: Recovery | None) -> Ending:
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                if recovery is None:
                    self._url = await self._access(http)
                socket = await self._open(http, recovery)
        except NoAccess as error:
            return error.ending
        except aiohttp.WSServerHandshakeError as error:
            return Refused(error.status) if error.status >= 300 else Unreachable("what answered speaks no WebSocket")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return unreachable(error)
        if socket.protocol != self._protocol.subprotocol:
            await socket.close()
            return Unreachable(f"the service does not speak {self._protocol.subprotocol}")
        try:
            return await self._converse(socket, is_recovery=recovery is not None)
        finally:
            self._socket = None

    async def _open(self, http: aiohttp.ClientSession, recovery: Recovery | None) -> aiohttp.ClientWebSocketResponse:
        url = URL(self._url)
        if recovery is not None:
            url = url.update_query(awps_connection_id=recovery.connection_id, awps_reconnection_token=recovery.token)
        offered = [self._protocol.subprotocol] if self._protocol.subprotocol else []
        return await http.ws_connect(
            url,
            protocols=offered,
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=FRAME_LIMIT,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )

    async def _converse(self, socket: aiohttp.ClientWebSocketResponse, *, is_recovery: bool) -> Closed:
        async with self._writing:
            self._socket = socket
            await self._write(list(self._session.resume() if is_recovery else self._session.rejoin()))
        if self._protocol.is_raw:
            self._comeback.worked(asyncio.get_running_loop().time())
            self._tell(Opened())
            self.ready.set()
        confirming = asyncio.create_task(self._confirm())
        try:
            return await self._listen(socket)
        finally:
            confirming.cancel()
            await asyncio.gather(confirming, return_exceptions=True)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> Closed:
        farewell = ""
        while True:
            message = await socket.receive()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    heard = self._hear(Frame(message.data.encode(), is_text=True))
                case aiohttp.WSMsgType.BINARY:
                    heard = self._hear(Frame(message.data, is_text=False))
                case aiohttp.WSMsgType.CLOSE:
                    return Closed(message.data, message.extra or farewell)
                case _:
                    return Closed(socket.close_code or aiohttp.WSCloseCode.ABNORMAL_CLOSURE, farewell)
            if isinstance(heard, Disconnected):
                farewell = heard.reason
            if self._session.owes_at_once:
                self._owing.set()

    def _hear(self, frame: Frame) -> Heard | Outcome | None:
        heard = self._session.hear(frame)
        self._comeback.worked(asyncio.get_running_loop().time())
        if heard is not None:
            self._tell(heard)
        if isinstance(heard, Connected):
            self.ready.set()
        self._note_settled()
        return heard

    def _note_settled(self) -> None:
        if self._session.unanswered:
            self._settled.clear()
        else:
            self._settled.set()

    async def _confirm(self) -> None:
        """Beside the reading, which must never wait for a write."""
        while True:
            await _within(SEQUENCE_ACK_SECONDS, self._owing.wait())
            self._owing.clear()
            async with self._writing:
                frame = self._session.sequence_ack()
                if frame is not None:
                    await self._write([frame])

    async def _write(self, frames: Iterable[Frame]) -> None:
        """A socket that is lost says so to whoever reads from it; what wants an ack is sent again."""
        if self._socket is None:
            return
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            for data, is_text in frames:
                await (self._socket.send_str(data.decode()) if is_text else self._socket.send_bytes(data))


async def _within(seconds: float, event: Awaitable[object]) -> bool:
    """Whether it happened in time."""
    try:
        async with asyncio.timeout(seconds):
            await event
    except TimeoutError:
        return False
    return True
