"""Abuse protection: which event handlers allow this service to call them (spec/service.md 9.3)."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from urllib.parse import urlsplit

from localpubsub.edge.cloudevents import Response
from localpubsub.engine.upstream import DeliveryFailed

log = logging.getLogger(__name__)

RECHECK_SECONDS = 60.0
FORGET_SECONDS = 600.0

Ask = Callable[[str, str, dict[str, str]], Awaitable[Response]]


@dataclass
class _Verdict:
    """What is known of one URL. `settled` is set while nobody is asking."""

    used: float
    allowed: bool | None = None
    refusal: str = ""
    failures: int = 0
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Validations:
    """Asks each URL before the first event goes there, and again in the background for as long as events do.

    `ask` sends one request, method, URL and headers. `origin` gives the service's own host.
    """

    def __init__(
        self, ask: Ask, origin: Callable[[], str], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._ask = ask
        self._origin = origin
        self._sleep = sleep
        self._verdicts: dict[str, _Verdict] = {}

    async def allows(self, url: str) -> bool:
        """The last result. Waits for the first one, and for the one that may end a refusal."""
        verdict = self._verdicts.get(url)
        if verdict is None:
            verdict = self._verdicts[url] = _Verdict(monotonic())
            verdict.task = asyncio.create_task(self._watch(url, verdict))
        verdict.used = monotonic()
        if not verdict.allowed:
            await verdict.settled.wait()
        return bool(verdict.allowed)

    async def close(self) -> None:
        tasks = [one.task for one in self._verdicts.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._verdicts.clear()

    async def _watch(self, url: str, verdict: _Verdict) -> None:
        while monotonic() - verdict.used < FORGET_SECONDS:
            verdict.settled.clear()
            refusal = await self._refusal(url)
            _tell(url, verdict, refusal)
            verdict.allowed, verdict.refusal = not refusal, refusal
            verdict.failures = verdict.failures + 1 if refusal else 0
            verdict.settled.set()
            await self._sleep(pause_after(verdict.failures))
        del self._verdicts[url]

    async def _refusal(self, url: str) -> str:
        """Why the URL may not be called; empty when it may."""
        origin = self._origin()
        headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
        try:
            response = await self._ask("OPTIONS", url, headers)
            if response.status == 404:
                response = await self._ask("GET", url, headers)
        except TimeoutError:
            return "no answer in time"
        except DeliveryFailed as failure:
            return str(failure)
        if not 200 <= response.status < 300:
            return f"it answered {response.status}"
        values = ",".join(response.headers.getall("WebHook-Allowed-Origin", [])).lower().split(",")
        allowed = {value.strip() for value in values}
        if not allowed & {"*", origin.lower(), origin.lower().partition(":")[0]}:
            return f"its WebHook-Allowed-Origin is neither * nor {origin}"
        return ""


def pause_after(failures: int) -> float:
    """A minute after a success; after failures 1, 2, 4, ... seconds, at most a minute."""
    return min(2.0 ** (failures - 1), RECHECK_SECONDS) if failures else RECHECK_SECONDS


def _tell(url: str, verdict: _Verdict, refusal: str) -> None:
    """Once for each change: the URL is asked every minute. Its query may hold a secret."""
    where = urlsplit(url).netloc + urlsplit(url).path
    if refusal and refusal != verdict.refusal:
        log.warning("validation of %s failed: %s", where, refusal)
    elif verdict.refusal and not refusal:
        log.info("validation of %s succeeded", where)
