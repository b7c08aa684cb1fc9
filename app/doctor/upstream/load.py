"""A little load: connections are kept, events at the same time do not disturb each other, nothing is slow."""

import asyncio
from collections import Counter
from statistics import median

from app.doctor.exchange import Answer, Request
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[Visit] = Group("load", "A little load", needs=["signature.right"])

CONNECTIONS = 40
EVENTS_EACH = 5
SLOW_SECONDS = 5

NOT_KEPT = warning(
    "not-kept",
    cause="The upstream hangs up after every answer, so each event pays for a new TCP and TLS handshake.",
    mend="Turn keep-alive on in the server and in the proxies in front of it; Flask's development server has none.",
)


@group.check("keep-alive", "HTTP connections are kept open", NOT_KEPT)
async def keep_alive(visit: Visit) -> Verdict:
    answers = await visit.deliver_all([visit.probe() for _ in range(3)])
    closing = [answer for answer in answers if (answer.header("Connection") or "").lower() == "close"]
    return NOT_KEPT.found(f"{len(closing)} of 3 answers close it") if closing else passed("three events in a row")


ERRORS = failure(
    "errors",
    cause=f"{CONNECTIONS} clients at the same time are more than the upstream can answer; real ones would be dropped.",
    mend=(
        "Look into the log: a pool that is too small, a lock, a synchronous server with few workers. Where it must "
        "refuse, 503 with Retry-After lets the service try again."
    ),
)
LIMITED = failure(
    "rate-limited",
    cause="Events were refused with 429. The service does not repeat those: they are lost.",
    mend="Exempt the event handler from rate limits by address (all events come from the service), or answer 503.",
)
MIXED_UP = failure(
    "mixed-up",
    cause="An answer holds the data of another client's event: requests at the same time share a variable.",
    mend="Keep what belongs to a request out of globals and of the hub's attributes.",
)


@group.check("parallel", f"{CONNECTIONS} clients at the same time are answered", ERRORS, LIMITED, MIXED_UP)
async def parallel(visit: Visit) -> Verdict:
    marks = [f"doctor-mark-{number:03}" for number in range(CONNECTIONS)]
    lives = await asyncio.gather(*(_life(visit, mark) for mark in marks))
    answers = [answer for life in lives for answer in life]
    bad = Counter(
        str(answer.trouble or answer.status) for answer in answers if not (answer.is_success or answer.is_refusal)
    )
    if bad:
        return ERRORS.found(f"{bad.total()} of {len(answers)} events: {', '.join(bad)}")
    if any(answer.status == 429 for answer in answers):
        return LIMITED.found(f"{sum(answer.status == 429 for answer in answers)} of {len(answers)} events")
    for mark, life in zip(marks, lives, strict=True):
        if any(b"doctor-mark-" in answer.body and mark.encode() not in answer.body for answer in life):
            return MIXED_UP.found("an answer repeats the text of another connection")
    times = sorted(answer.seconds for answer in answers)
    return passed(f"{len(answers)} events, half of them within {1000 * median(times):.0f} ms, all in {times[-1]:.2f} s")


async def _life(visit: Visit, mark: str) -> list[Answer]:
    """One connection's events, each after the answer to the one before, as the service sends them."""
    played = visit.play()
    answers: list[Answer] = []
    for number in range(EVENTS_EACH):
        request: Request = played.message(f"{mark} {number}")
        answers.append(await visit.ask(request))
        played.heard(answers[-1])
    return answers


SLOW = warning(
    "slow",
    cause=(
        f"An event took longer than {SLOW_SECONDS} seconds. Clients wait for connect and for user events, and give up "
        "long before the service does."
    ),
    mend="Answer first and do the slow work afterwards; warm up what the first request would wait for.",
)


@group.check("time", "No answer takes long", SLOW)
async def time(visit: Visit) -> Verdict:
    """Looks at every answer so far."""
    await visit.deliver(visit.probe())
    slowest = max((one for one in visit.exchanges if one.answer.trouble is None), key=lambda one: one.answer.seconds)
    told = f"the slowest took {slowest.answer.seconds:.2f} s: {slowest.request}"
    return SLOW.found(told) if slowest.answer.seconds > SLOW_SECONDS else passed(told)
