"""Abuse protection: the handshake before the first event, and every minute after it (spec/upstream.md 1)."""

from app.doctor.exchange import RETRIED, Answer
from app.doctor.registry import Group
from app.doctor.upstream.common import SERVER_ERROR, UNKNOWN_ORIGIN
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Problem, Verdict, failure, passed, warning

group: Group[Visit] = Group("validation", "Abuse protection", needs=["validation.allowed"])

_NO_EVENTS = "Azure cannot save the hub's settings, or, where they are saved, delivers no event while this lasts. "
MISSING = failure(
    "header-missing",
    cause=f"{_NO_EVENTS}A 2xx without WebHook-Allowed-Origin gives no permission.",
    mend=(
        "Answer OPTIONS on the event handler's path with 200 and `WebHook-Allowed-Origin: *`, or with the host that "
        "WebHook-Request-Origin names. A CORS layer that answers every OPTIONS itself has to leave this path alone."
    ),
)
OTHER_ORIGIN = failure(
    "other-origin",
    cause=f"{_NO_EVENTS}WebHook-Allowed-Origin names another host than the one that asked.",
    mend="Echo the host of WebHook-Request-Origin as it is, without a scheme and without a path, or answer `*`.",
)
JOINED = failure(
    "joined-origins",
    cause=f"{_NO_EVENTS}A comma-separated list in one WebHook-Allowed-Origin line is rejected.",
    mend="Answer with the one host that matched, or `*`; several hosts would each need a line of their own.",
)
WANTS_PROOF = failure(
    "wants-proof",
    cause=(
        f"{_NO_EVENTS}The OPTIONS request carries no signature, no token and no cookie, so it must not be "
        "authenticated. Azure calls this AbuseProtectionResponseInvalidStatusCode."
    ),
    mend=(
        "Check ce-signature on POST only. If the upstream never saw the request, a layer in front of it answered: "
        "App Service authentication, a function key, an API gateway. Exclude the path there."
    ),
)
NOT_FOUND = failure(
    "not-found",
    cause=f"{_NO_EVENTS}OPTIONS was answered 404, and so was the GET that the service then tries on the same URL.",
    mend=(
        "Check the path, and that the route takes OPTIONS. With {event} in the URL, validation calls the event "
        "`validate`: the route must take any event."
    ),
)
NOT_ALLOWED = failure(
    "method-not-allowed",
    cause=f"{_NO_EVENTS}After a 405 the service does not try GET.",
    mend="Let the route of the event handler take OPTIONS beside POST.",
)
REFUSED = failure(
    "refused",
    cause=f"{_NO_EVENTS}The upstream says that this service may not call it.",
    mend=(
        "Allow the service's host: compare without letters' case, with each entry of WebHook-Request-Origin. Custom "
        "domains and replicas have hosts of their own."
    ),
)
BROKEN = failure(
    "broken",
    cause=f"{_NO_EVENTS}Validation fails on the upstream's side, and is tried again after 1, 3 and 5 seconds.",
    mend="Find the exception in the upstream's log; validation should touch no database and no other service.",
)
_STATUSES = {401: WANTS_PROOF, 403: WANTS_PROOF, 405: NOT_ALLOWED, 501: NOT_ALLOWED, 404: NOT_FOUND}


def permits(answer: Answer, origin: str) -> bool:
    """As the service reads it: `*` or exactly its host, in any line of its own."""
    lines = [line.strip().lower() for line in answer.lines("WebHook-Allowed-Origin")]
    return answer.is_success and ("*" in lines or origin.lower() in lines)


def judge(answer: Answer, origin: str) -> Problem | None:
    """Why this answer gives no permission."""
    if permits(answer, origin):
        return None
    if answer.status >= 500 or answer.status == RETRIED or answer.trouble is not None or answer.is_redirect:
        return _STATUSES.get(answer.status, BROKEN)
    if not answer.is_success:
        return _STATUSES.get(answer.status, REFUSED)
    lines = answer.lines("WebHook-Allowed-Origin")
    if not lines:
        return MISSING
    return JOINED if any("," in line for line in lines) else OTHER_ORIGIN


@group.check(
    "allowed",
    "OPTIONS without any proof gives the service permission",
    MISSING, OTHER_ORIGIN, JOINED, WANTS_PROOF, NOT_FOUND, NOT_ALLOWED, REFUSED, BROKEN, UNKNOWN_ORIGIN,
    needs=["reach.answers"],
)  # fmt: skip
async def allowed(visit: Visit) -> Verdict:
    origin = visit.target.origin
    answer = await visit.ask(visit.validation())
    if answer.status == 404:
        again = await visit.ask(visit.validation(method="GET"))
        if permits(again, origin):
            return passed("OPTIONS is 404, and GET in its place gives permission")
    problem = judge(answer, origin)
    if problem is None:
        return passed(f"WebHook-Allowed-Origin: {answer.header('WebHook-Allowed-Origin')}")
    is_refusal = problem in (REFUSED, OTHER_ORIGIN) or answer.status == 403
    if is_refusal and visit.target.is_origin_made_up:
        return UNKNOWN_ORIGIN.found(f"{origin} was answered {answer}")
    if problem in (MISSING, OTHER_ORIGIN, JOINED):
        lines = answer.lines("WebHook-Allowed-Origin")
        return problem.found(f"{answer.status} with {'; '.join(lines)[:100] or 'no WebHook-Allowed-Origin'}")
    return problem.found(f"OPTIONS was answered {answer}")


LIST = failure(
    "list",
    cause="A resource with replicas or a custom domain names several hosts in one header; its validation fails.",
    mend="Split WebHook-Request-Origin at commas, trim the blanks, and allow it when any entry is known.",
)


@group.check("several", "Of several origins one is enough", LIST)
async def several(visit: Visit) -> Verdict:
    origin = visit.target.origin
    for asked in (f"other.example, {origin}", f"{origin},other.example"):
        answer = await visit.ask(visit.validation(asked))
        if not (permits(answer, origin) or permits(answer, "other.example")):
            return LIST.found(f"“{asked}” was answered {answer}")
    return passed("a list with a blank, in either order")


CASE = warning(
    "case",
    cause="Host names know no upper and lower case. A service that spells itself differently would be refused.",
    mend="Compare origins in lower case.",
)


@group.check("case", "Upper and lower case of the origin do not matter", CASE)
async def case(visit: Visit) -> Verdict:
    origin = visit.target.origin.upper()
    answer = await visit.ask(visit.validation(origin))
    if not permits(answer, origin):
        return CASE.found(f"{origin} was answered {answer}")
    return passed(f"{origin} is allowed")


LOOKALIKE = failure(
    "lookalike",
    cause=(
        "The upstream refuses strangers, but takes a host that only begins or ends like yours. Anybody can own such a "
        "name, and their service may then deliver events."
    ),
    mend="Compare whole hosts, not the beginning, the end, or a substring.",
)


@group.check("lookalike", "A host that only looks like the service is a stranger", LOOKALIKE)
async def lookalike(visit: Visit) -> Verdict:
    stranger = "stranger.example"
    if permits(await visit.ask(visit.validation(stranger)), stranger):
        return passed("every origin is allowed, so the signature alone tells who calls")
    for host in (f"{visit.target.origin}.{stranger}", f"evil{visit.target.origin}"):
        if permits(await visit.ask(visit.validation(host)), host):
            return LOOKALIKE.found(f"{host} is allowed, {stranger} is not")
    return passed("strangers are refused")


@group.check("odd", "A validation that makes no sense is not a 5xx", SERVER_ERROR)
async def odd(visit: Visit) -> Verdict:
    usual = visit.validation()
    oddities = {
        "no origin": usual.changed(webhook_request_origin=None),
        "an origin of commas": usual.changed(webhook_request_origin=", ,,"),
        "an unknown origin": visit.validation("stranger.example"),
        "a long origin": visit.validation("a" * 2000 + ".example"),
    }
    for name, request in oddities.items():
        answer = await visit.ask(request)
        if answer.status >= 500 or answer.trouble is not None:
            return SERVER_ERROR.found(f"{name}: {answer}")
    return passed(f"{', '.join(oddities)}: no 5xx")
