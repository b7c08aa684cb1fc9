"""Calls to event handlers: abuse protection, CloudEvents, retries (spec/service.md 9)."""

import asyncio
import hmac
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from time import monotonic
from urllib.parse import quote, urlsplit
from uuid import uuid4

import aiohttp
from multidict import CIMultiDictProxy

from localpubsub.config import EventHandler, ServiceConfig
from localpubsub.engine.upstream import DeliveryFailed, UpstreamAnswer, UpstreamEvent

log = logging.getLogger(__name__)

ANSWER_LIMIT = 16 * 1024 * 1024
RECHECK_SECONDS = 60.0
METADATA = "x-webpubsub-metadata-"

_PARAMETER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)


def resolve(template: str, hub: str, event: str) -> str:
    """The URL of a template; what is filled in is percent-escaped."""
    values = {"hub": hub, "event": event}
    return _PARAMETER.sub(lambda match: quote(values[match[1].lower()], safe=""), template)


@dataclass
class _Validation:
    """Whether a URL may be called. `None` until it was asked for the first time."""

    allowed: bool | None = None
    due: float = 0.0
    failures: int = 0
    asking: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class _Response:
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes


class WebhookClient:
    """`origin` gives the service's own host, known once it listens. `open` before use, `close` after."""

    def __init__(self, config: ServiceConfig, origin: Callable[[], str]) -> None:
        self._config = config
        self._origin = origin
        self._session: aiohttp.ClientSession | None = None
        self._validations: dict[str, _Validation] = {}

    def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def close(self) -> None:
        asking = [one.asking for one in self._validations.values() if one.asking is not None]
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def deliver(self, handler: EventHandler, event: UpstreamEvent) -> UpstreamAnswer:
        """Raises `DeliveryFailed` after the last try, at the time limit, or where the URL does not allow it."""
        url = resolve(handler.url_template, event.hub, event.name)
        try:
            async with asyncio.timeout(self._config.delivery_seconds):
                if not await self._is_allowed(resolve(handler.url_template, event.hub, "validate")):
                    raise DeliveryFailed("the event handler does not allow this service: see the validation above")
                response = await self._request("POST", url, self._headers(event), event.body)
        except TimeoutError as error:
            raise DeliveryFailed("the event handler did not answer in time") from error
        if not 200 <= response.status < 300:
            raise DeliveryFailed(f"the event handler answered {response.status}", response.status)
        return _answer(response)

    def _headers(self, event: UpstreamEvent) -> dict[str, str]:
        connection_id = event.connection_id.encode()
        signatures = (hmac.digest(key.encode(), connection_id, "sha256").hex() for key in self._config.access_keys)
        headers = {
            "WebHook-Request-Origin": self._origin(),
            "ce-specversion": "1.0",
            "ce-awpsversion": "1.0",
            "ce-type": f"azure.webpubsub.{event.family}.{event.name}",
            "ce-source": f"/hubs/{event.hub}/client/{event.connection_id}",
            "ce-id": str(event.event_id),
            "ce-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-signature": ",".join(f"sha256={signature}" for signature in signatures),
            "ce-connectionId": event.connection_id,
            "ce-hub": event.hub,
            "ce-eventName": event.name,
            "x-ms-client-request-id": str(uuid4()),
            "Content-Type": event.content_type,
        }
        optional = {
            "ce-userId": event.user_id,
            "ce-subprotocol": event.subprotocol,
            "ce-connectionState": event.state,
            "Cookie": "; ".join(f"{name}={value}" for name, value in event.cookies.items()),
        }
        headers |= {name: value for name, value in optional.items() if value}
        return headers | {f"{METADATA}{key.lower()}": value for key, value in event.metadata.items()}

    async def _request(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> _Response:
        """Tries again after a 408, a 5xx or a broken connection. Raises `DeliveryFailed`."""
        delays = iter(self._config.retry_delays)
        while True:
            failure = ""
            response = None
            try:
                response = await self._once(method, url, headers, body)
            except aiohttp.ClientError as error:
                failure = f"{urlsplit(url).netloc} cannot be reached ({type(error).__name__})"
            if response is not None and response.status != 408 and response.status < 500:
                return response
            delay = next(delays, None)
            if delay is None and response is not None:
                return response
            if delay is None:
                raise DeliveryFailed(failure)
            await asyncio.sleep(delay)

    async def _once(self, method: str, url: str, headers: dict[str, str], body: bytes) -> _Response:
        if self._session is None:
            raise DeliveryFailed("the service is not running")
        async with self._session.request(
            method, url, headers=headers, data=body or None, allow_redirects=False
        ) as response:
            answer = await response.content.read(ANSWER_LIMIT + 1)
            while len(answer) <= ANSWER_LIMIT and (more := await response.content.read(ANSWER_LIMIT)):
                answer += more
            if len(answer) > ANSWER_LIMIT:
                raise DeliveryFailed("the event handler's answer is larger than 16 MiB")
            return _Response(response.status, response.headers, answer)

    async def _is_allowed(self, url: str) -> bool:
        """The last result; a new look happens beside it, or before it where the last one was a refusal."""
        validation = self._validations.setdefault(url, _Validation())
        if monotonic() >= validation.due and validation.asking is None:
            validation.asking = asyncio.create_task(self._validate(url, validation))
        if not validation.allowed and validation.asking is not None:
            await asyncio.shield(validation.asking)
        return bool(validation.allowed)

    async def _validate(self, url: str, validation: _Validation) -> None:
        try:
            async with asyncio.timeout(self._config.validation_seconds):
                refusal = await self._ask(url)
        except TimeoutError:
            refusal = "no answer in time"
        except DeliveryFailed as failure:
            refusal = str(failure)
        if refusal:
            log.warning("validation of %s failed: %s", urlsplit(url).netloc + urlsplit(url).path, refusal)
        validation.allowed = not refusal
        validation.failures = validation.failures + 1 if refusal else 0
        pause = min(2.0 ** (validation.failures - 1), RECHECK_SECONDS) if refusal else RECHECK_SECONDS
        validation.due = monotonic() + pause
        validation.asking = None

    async def _ask(self, url: str) -> str:
        """Why the URL may not be called; empty when it may."""
        origin = self._origin()
        headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
        response = await self._request("OPTIONS", url, headers)
        if response.status == 404:
            response = await self._request("GET", url, headers)
        if not 200 <= response.status < 300:
            return f"it answered {response.status}"
        values = ",".join(response.headers.getall("WebHook-Allowed-Origin", [])).lower().split(",")
        allowed = {value.strip() for value in values}
        if not allowed & {"*", origin.lower(), origin.lower().rpartition(":")[0]}:
            return f"its WebHook-Allowed-Origin is neither * nor {origin}"
        return ""


def _answer(response: _Response) -> UpstreamAnswer:
    headers = response.headers
    states = headers.getall("ce-connectionState", [])
    metadata = {
        name[len(METADATA) :].lower(): headers.getall(name)[-1].rpartition(",")[2].strip()
        for name in headers
        if name.lower().startswith(METADATA)
    }
    cookies: dict[str, str] = {}
    for line in headers.getall("Set-Cookie", []):
        jar = SimpleCookie()
        try:
            jar.load(line)
        except CookieError:
            continue
        cookies |= {name: morsel.coded_value for name, morsel in jar.items()}
    return UpstreamAnswer(response.body, headers.get("Content-Type"), states[-1] if states else None, cookies, metadata)
