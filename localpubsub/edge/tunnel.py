"""The tunnel for upstreams this service cannot reach: they come to it instead (spec/service.md 10)."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote
from uuid import uuid4

from aiohttp import WSMessage, WSMsgType, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from localpubsub.config import ServiceConfig
from localpubsub.edge.cloudevents import Response
from localpubsub.edge.rest import PREFIX, RestApi
from localpubsub.edge.rest_call import BODY_LIMIT, RestRequest, too_large
from localpubsub.edge.rest_errors import RestAnswer, RestError, bad_request, not_found
from localpubsub.edge.tokens import InvalidToken, Tokens
from localpubsub.edge.webhook import ANSWER_LIMIT, Unreachable
from localpubsub.engine.upstream import DeliveryFailed
from localpubsub.protocol import names
from localpubsub.protocol.tunnel_frames import Connected, Frame, FrameError, HttpRequest, HttpResponse, decode, encode

log = logging.getLogger(__name__)

FRAME_LIMIT = ANSWER_LIMIT + 1024 * 1024


class Tunnels:
    """The open tunnels of each hub, which take turns."""

    def __init__(self) -> None:
        self._by_hub: dict[str, deque[Tunnel]] = {}

    def add(self, tunnel: "Tunnel") -> None:
        self._by_hub.setdefault(tunnel.hub, deque()).append(tunnel)

    def remove(self, tunnel: "Tunnel") -> None:
        waiting = self._by_hub.get(tunnel.hub)
        if waiting is not None and tunnel in waiting:
            waiting.remove(tunnel)
            if not waiting:
                del self._by_hub[tunnel.hub]

    async def request(self, hub: str, method: str, url: str, headers: dict[str, str], body: bytes) -> Response:
        """The upstream's answer. Raises `Unreachable` where no tunnel is open, or it breaks before the answer."""
        waiting = self._by_hub.get(hub.lower())
        if not waiting:
            raise Unreachable(f"no tunnel is open for the hub {hub}")
        waiting.rotate(-1)
        return await waiting[-1].request(method, url, headers, body)

    async def close(self) -> None:
        """With a code after which the other side comes back, as it should after a restart."""
        tunnels = [tunnel for waiting in self._by_hub.values() for tunnel in waiting]
        await asyncio.gather(*(tunnel.close() for tunnel in tunnels))


@dataclass
class _Pending:
    """An answer that is on its way, in pieces."""

    answer: asyncio.Future[Response]
    head: HttpResponse | None = None
    content: list[bytes] = field(default_factory=list)
    size: int = 0

    def take(self, part: HttpResponse) -> None:
        if self.answer.done():
            return
        self.head = self.head or part
        self.content.append(part.content or b"")
        self.size += len(self.content[-1])
        if self.size > ANSWER_LIMIT:
            self.answer.set_exception(DeliveryFailed("the event handler's answer is larger than 16 MiB"))
        elif not part.not_completed:
            pairs = [(name, value) for name, values in self.head.headers.items() for value in values]
            headers = CIMultiDictProxy(CIMultiDict(pairs))
            self.answer.set_result(Response(self.head.status, headers, b"".join(self.content)))


class Tunnel:
    """One open connection. Its ack ids are its own; the other side's requests have theirs."""

    def __init__(self, hub: str, base: str, socket: web.WebSocketResponse, api: RestApi) -> None:
        self.hub = hub.lower()
        self._base = base
        self._socket = socket
        self._api = api
        self._pending: dict[int, _Pending] = {}
        self._ack_ids = 0

    async def request(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Raises `Unreachable`."""
        self._ack_ids += 1
        ack_id = self._ack_ids
        lists = {name: [value] for name, value in headers.items()}
        pending = self._pending[ack_id] = _Pending(asyncio.get_running_loop().create_future())
        try:
            await self._send(HttpRequest(ack_id, method, url, lists, body or None))
            return await pending.answer
        except ConnectionError as error:
            raise Unreachable("the tunnel broke") from error
        finally:
            self._pending.pop(ack_id, None)

    async def greet(self, user_id: str | None) -> None:
        """The first frame; nothing may be sent before it. Raises `ConnectionError`."""
        await self._send(Connected(uuid4().hex, user_id))

    async def serve(self) -> None:
        """Reads until either side closes. What waits for an answer fails then. Raises `ConnectionError`."""
        try:
            async for message in self._socket:
                if not await self._take(message):
                    break
        finally:
            for pending in self._pending.values():
                if not pending.answer.done():
                    pending.answer.set_exception(Unreachable("the tunnel was closed before the answer"))

    async def _take(self, message: WSMessage) -> bool:
        """Whether the connection goes on."""
        if message.type is not WSMsgType.BINARY:
            await self._socket.close(code=1003, message=b"A tunnel requires binary messages.")
            return False
        try:
            frame = decode(message.data)
        except FrameError as error:
            log.warning("the tunnel of hub %r sent what is no frame: %s", self.hub, error)
            await self._socket.close(code=1007, message=b"This is not a tunnel message.")
            return False
        if isinstance(frame, HttpResponse):
            pending = self._pending.get(frame.ack_id)
            if pending is not None:  # too late otherwise
                pending.take(frame)
        elif isinstance(frame, HttpRequest):
            for part in _response(frame, await self._rest(frame)).parts():
                await self._send(part)
        return True

    async def _rest(self, frame: HttpRequest) -> RestAnswer:
        """The request as one to the REST data plane of this tunnel's hub: whoever opened it has shown the key."""

        async def read() -> bytes:
            if len(frame.content or b"") > BODY_LIMIT:
                raise too_large()
            return frame.content or b""

        headers = CIMultiDict((name, value) for name, values in frame.headers.items() for value in values)
        try:
            url = self._own(frame.url)
        except RestError as error:
            return error.answer()
        return await self._api.answer(RestRequest(frame.method, url.raw_path, self._base, url.query, headers, read))

    def _own(self, text: str) -> URL:
        """The URL, which is of this hub. Raises `RestError`."""
        try:
            url = URL(text, encoded=True)
        except ValueError:
            raise bad_request("The URL is not legal.") from None
        if not url.raw_path.startswith(PREFIX):
            raise not_found("There is no such path.")
        hub = url.raw_path.removeprefix(PREFIX).partition("/")[0]
        if unquote(hub).lower() != self.hub:
            raise RestError(403, "Forbidden", "The tunnel is of another hub.")
        return url

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_bytes(encode(frame))

    async def close(self) -> None:
        await self._socket.close(code=1001, message=b"service reload")


def _response(request: HttpRequest, answer: RestAnswer) -> HttpResponse:
    headers = {name: [value] for name, value in answer.headers.items()}
    return HttpResponse(
        request.ack_id, answer.status, headers, answer.body or None,
        channel=request.channel, local_routing=request.local_routing,
    )  # fmt: skip


class TunnelEndpoint:
    """`GET /server/tunnel?hub=`. No subprotocol is offered there, and none is chosen."""

    def __init__(self, tunnels: Tunnels, tokens: Tokens, api: RestApi, config: ServiceConfig) -> None:
        self._tunnels = tunnels
        self._tokens = tokens
        self._api = api
        self._config = config

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=400, text="this is an endpoint for WebSocket tunnels")
        hub = request.query.get("hub", "")
        if not names.is_hub(hub):
            return web.Response(status=400, text="the hub name is missing or not legal")
        try:
            user_id = self._tokens.tunnel(_token(request), hub=hub, host=request.host)
        except InvalidToken as error:
            log.info("a tunnel for hub %r was refused: %s", hub, error)
            return web.Response(status=401)
        socket = web.WebSocketResponse(
            max_msg_size=FRAME_LIMIT, compress=False, heartbeat=self._config.ping_seconds,
            timeout=self._config.close_seconds,
        )  # fmt: skip
        try:
            await socket.prepare(request)
        except ConnectionError:
            return web.Response(status=400)  # it is gone already
        tunnel = Tunnel(hub, f"{request.scheme}://{request.host}", socket, self._api)
        log.info("a tunnel for hub %r is open", tunnel.hub)
        try:
            await tunnel.greet(user_id)
            self._tunnels.add(tunnel)
            await tunnel.serve()
        except ConnectionError:
            pass  # it broke while we wrote
        finally:
            self._tunnels.remove(tunnel)
            log.info("a tunnel for hub %r is closed", tunnel.hub)
        return socket


def _token(request: web.Request) -> str:
    if token := request.query.get("access_token"):
        return token
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    return bearer.strip() if scheme.lower() == "bearer" else ""
