"""Calls to event handlers: who may be called, CloudEvents, retries, time limits (spec/service.md 9)."""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from localpubsub.config import EventHandler, ServiceConfig
from localpubsub.edge.cloudevents import Response, read_answer, request_headers
from localpubsub.edge.tracing import traced_event
from localpubsub.edge.validation import Validations
from localpubsub.engine.chaos import Chaos
from localpubsub.engine.trace import Trace
from localpubsub.engine.upstream import DeliveryFailed, UpstreamAnswer, UpstreamEvent

ANSWER_LIMIT = 16 * 1024 * 1024
TUNNEL = "tunnel:"

_PARAMETER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)

# hub, method, URL, headers, body; raises `Unreachable`
Tunnel = Callable[[str, str, str, dict[str, str], bytes], Awaitable[Response]]


class Unreachable(Exception):
    """No answer came: worth another try."""


def resolve(template: str, hub: str, event: str) -> str:
    """The URL of a template; what is filled in is percent-escaped."""
    values = {"hub": hub, "event": event}
    return _PARAMETER.sub(lambda match: quote(values[match[1].lower()], safe=""), template)


class WebhookClient:
    """`origin` gives the service's own host, known once it listens. `open` before use, `close` after.

    `tunnel` takes the requests to `tunnel:///path`; whoever opened one has shown the access key, and is not asked.
    """

    def __init__(
        self,
        config: ServiceConfig,
        origin: Callable[[], str],
        chaos: Chaos | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._config = config
        self._trace = trace or Trace()
        self._origin = origin
        self._chaos = chaos or Chaos()
        self._session: aiohttp.ClientSession | None = None
        self._validations = Validations(self._validate, origin)
        self.tunnel: Tunnel | None = None

    def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
            timeout=aiohttp.ClientTimeout(),
        )

    async def close(self) -> None:
        await self._validations.close()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def deliver(self, handler: EventHandler, event: UpstreamEvent) -> UpstreamAnswer:
        """Raises `DeliveryFailed` after the last try, at the time limit, or where the URL does not allow it."""
        url = resolve(handler.url_template, event.hub, event.name)
        headers = request_headers(event, self._origin(), self._config.access_keys, handler.bearer_token)
        if self._trace.on:
            response = await traced_event(self._trace, handler, event, url, headers, self._ask)
        else:
            response = await self._ask(handler, event, url, headers)
        answer = read_answer(response)
        if not 200 <= response.status < 300:
            raise DeliveryFailed(f"the event handler answered {response.status}", response.status, answer)
        return answer

    async def _ask(self, handler: EventHandler, event: UpstreamEvent, url: str, headers: dict[str, str]) -> Response:
        """The answer, also one that says no. Raises `DeliveryFailed` where there is none."""
        config = self._config
        is_connect = (event.family, event.name) == ("sys", "connect")
        limit = min(config.connect_seconds, config.delivery_seconds) if is_connect else config.delivery_seconds
        ends_at = asyncio.get_running_loop().time() + limit
        try:
            async with asyncio.timeout(limit):
                if not await self._allows(resolve(handler.url_template, event.hub, "validate")):
                    raise DeliveryFailed("the event handler does not allow this service: see the validation above")
                return await self._persist(lambda: self._post(url, headers, event), ends_at)
        except TimeoutError as error:
            raise DeliveryFailed(f"the event handler did not answer within {limit:g} seconds") from error

    async def _allows(self, url: str) -> bool:
        return url.startswith(TUNNEL) or await self._validations.allows(url)

    async def _post(self, url: str, headers: dict[str, str], event: UpstreamEvent) -> Response:
        if self._chaos.webhooks:
            seconds, status = self._chaos.webhook(event.hub, None, event.user_id)
            await asyncio.sleep(seconds)
            if status is not None:
                return _pretended(status)
        if not url.startswith(TUNNEL):
            return await self._send("POST", url, headers, event.body)
        if self.tunnel is None:
            raise Unreachable("no tunnel is open")
        return await self.tunnel(event.hub, "POST", url, headers, event.body)

    async def _validate(self, method: str, url: str, headers: dict[str, str]) -> Response:
        """Raises `DeliveryFailed` and `TimeoutError`; each try has its own time."""

        async def once() -> Response:
            async with asyncio.timeout(self._config.validation_seconds):
                return await self._send(method, url, headers, b"")

        return await self._persist(once)

    async def _persist(self, send: Callable[[], Awaitable[Response]], ends_at: float = math.inf) -> Response:
        """Tries again after a 408, a 5xx or a broken connection, but not past `ends_at`: the last answer counts.

        Raises `DeliveryFailed`.
        """
        for delay in (*self._config.retry_delays, math.inf):
            outcome: Response | Unreachable
            try:
                outcome = await send()
            except Unreachable as unreachable:
                outcome = unreachable
            if not _may_pass(outcome) or asyncio.get_running_loop().time() + delay >= ends_at:
                break
            await asyncio.sleep(delay)
        if isinstance(outcome, Unreachable):
            raise DeliveryFailed(str(outcome)) from outcome
        return outcome

    async def _send(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Response:
        """One request. Raises `Unreachable`, and `DeliveryFailed` where another try is of no use."""
        if self._session is None:
            raise DeliveryFailed("the service is not running")
        try:
            async with self._session.request(
                method, url, headers=headers, data=body or None, allow_redirects=False
            ) as response:
                answer = await response.content.read(ANSWER_LIMIT + 1)
                while len(answer) <= ANSWER_LIMIT and (more := await response.content.read(ANSWER_LIMIT)):
                    answer += more
                if len(answer) > ANSWER_LIMIT:
                    raise DeliveryFailed("the event handler's answer is larger than 16 MiB")
                return Response(response.status, response.headers, answer)
        except aiohttp.ClientError as error:
            raise Unreachable(f"{urlsplit(url).netloc} cannot be reached ({type(error).__name__})") from error
        except ValueError as error:  # a line break in a user id that an upstream chose, for example
            raise DeliveryFailed("the event holds what no header can carry") from error


def _may_pass(outcome: Response | Unreachable) -> bool:
    """Whether another try could end better."""
    return isinstance(outcome, Unreachable) or outcome.status == HTTPStatus.REQUEST_TIMEOUT or outcome.status >= 500


def _pretended(status: int) -> Response:
    """A fault on purpose. Raises `Unreachable` for 0."""
    if not status:
        raise Unreachable("a fault was asked for")
    return Response(status, CIMultiDictProxy(CIMultiDict()), b"")
