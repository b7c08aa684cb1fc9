"""What every check of an upstream works with: somebody to play, a way to ask, and what was asked so far."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

from app.doctor.exchange import RETRIED, Answer, Request, Wire
from app.doctor.played import Played, PlayedMqtt
from app.doctor.report import Line
from app.doctor.target import Target
from app.doctor.upstream.common import NO_ANSWER, REDIRECTED, SERVER_ERROR
from app.doctor.verdicts import Found, skipped

MAX_REQUESTS = 600
MAX_IN_FLIGHT = 50


@dataclass(frozen=True)
class Exchange:
    request: Request
    answer: Answer


class Visit:
    def __init__(self, target: Target, wire: Wire) -> None:
        self.target = target
        self.exchanges: list[Exchange] = []
        self.probe_event = "connected"
        """The event that is known to be taken; `signature.right` finds out."""
        self._wire = wire
        self._begun = 0
        self._name = token_hex(4)
        self._played = 0
        self._room = asyncio.Semaphore(MAX_IN_FLIGHT)

    def play(self, user_id: str | None = None) -> Played:
        """A connection nobody else has; the target's user where no other is named."""
        return Played(self.target, self._next_id(), user_id=user_id or self.target.user)

    def play_nobody(self) -> Played:
        """A connection without a user id."""
        return Played(self.target, self._next_id(), user_id=None)

    def play_mqtt(self, version: int) -> PlayedMqtt:
        return PlayedMqtt(self.target, self._next_id().replace("-", ""), version=version)

    def validation(self, origin: str | None = None, *, method: str = "OPTIONS") -> Request:
        headers = (("WebHook-Request-Origin", origin or self.target.origin), ("ce-awpsversion", "1.0"))
        return Request(method, self.target.url("validate"), headers)

    def probe(self) -> Request:
        """An event that is known to be taken, of a new connection."""
        played = self.play()
        return played.connect() if self.probe_event == "connect" else played.connected()

    async def ask(self, request: Request) -> Answer:
        """Raises `Found` when the doctor has asked enough."""
        if self._begun >= MAX_REQUESTS:
            raise Found(skipped(f"the doctor has sent its {MAX_REQUESTS} requests"))
        self._begun += 1
        async with self._room:
            answer = await self._wire.ask(request)
        self.exchanges.append(Exchange(request, answer))
        return answer

    async def deliver(self, request: Request) -> Answer:
        """Raises `Found` for what is wrong with any event: no answer, a redirect, a 5xx."""
        answer = await self.ask(request)
        check_delivered(request, answer)
        return answer

    async def deliver_all(self, requests: Sequence[Request]) -> list[Answer]:
        """One after the other; the answers in their order."""
        return [await self.deliver(request) for request in requests]

    async def ask_together(self, requests: Sequence[Request]) -> list[Answer]:
        """At the same time; the answers in the order of the requests."""
        return list(await asyncio.gather(*map(self.ask, requests)))

    def lines(self, since: int) -> list[Line]:
        return [Line(sent=str(one.request), came=str(one.answer)) for one in self.exchanges[since:]]

    def count(self) -> int:
        return len(self.exchanges)

    def _next_id(self) -> str:
        self._played += 1
        return f"doctor-{self._name}-{self._played}"


def check_delivered(request: Request, answer: Answer) -> None:
    """Raises `Found` as `Visit.deliver` does."""
    what = f"{what_is(request)}: {answer}"
    if answer.trouble is not None:
        raise Found(NO_ANSWER.found(what))
    if answer.is_redirect:
        raise Found(REDIRECTED.found(what))
    if answer.status >= 500 or answer.status == RETRIED or answer.status < 200:
        raise Found(SERVER_ERROR.found(what))


def what_is(request: Request) -> str:
    """An event in a word or two."""
    return request.header("ce-type").removeprefix("azure.webpubsub.").removeprefix("sys.") or request.method
