"""What nobody should send: refused with a 4xx, without a word about the inside (spec/upstream.md 12)."""

import re
from collections.abc import Mapping

from app.doctor.exchange import Request, Trouble
from app.doctor.played import JSON
from app.doctor.registry import Group
from app.doctor.upstream.visit import Exchange, Visit, check_delivered, what_is
from app.doctor.verdicts import Verdict, failure, passed, warning
from app.upstream.signature import sign

group: Group[Visit] = Group("malformed", "Malformed requests", needs=["signature.right"])

NEEDED = ("ce-type", "ce-hub", "ce-connectionId", "ce-eventName", "ce-awpsversion", "WebHook-Request-Origin")
LARGE = 4 * 1024 * 1024
DEEP = 20_000

BODY_TAKEN = warning(
    "body-taken",
    cause="A connect whose body is not a JSON object is accepted: the upstream decides without having read it.",
    mend="Answer 400 where the body of connect is not a JSON object.",
)


@group.check("connect", "A connect with a body that is no object is refused", BODY_TAKEN)
async def connect(visit: Visit) -> Verdict:
    taken: list[str] = []
    for body in (b'{"claims":', b"", b"null", b"[]", b'"doctor"', b'{"claims":{"exp":[NaN]}}', b"\xff\xfe{}"):
        answer = await visit.deliver(visit.play().event("sys", "connect", body, JSON))
        if answer.is_success:
            taken.append(body.decode("ascii", "replace") or "an empty body")
    return BODY_TAKEN.found(", ".join(taken)) if taken else passed("seven bodies were refused")


@group.check("message", "A user event that is broken is not a 5xx")
async def message(visit: Visit) -> Verdict:
    bodies = ((b'{"text":', JSON), (b"", JSON), (b"\xff\xfe\xfa", "text/plain"), (b'"\\ud800"', JSON))
    answers = await visit.deliver_all([visit.play().message(body, media) for body, media in bodies])
    return passed(", ".join(str(answer.status) for answer in answers))


@group.check("notification", "A notification that is broken is not a 5xx")
async def notification(visit: Visit) -> Verdict:
    kinds = (("sys", "connected"), ("sys", "disconnected"), ("gp", "joined"))
    requests = [visit.play().event(*kind, body, JSON) for kind in kinds for body in (b'{"reason":', b"", b"[]")]
    answers = await visit.deliver_all(requests)
    return passed(", ".join(dict.fromkeys(str(answer.status) for answer in answers)))


@group.check("content-type", "A content type no client can send is not a 5xx")
async def content_type(visit: Visit) -> Verdict:
    medias = ("application/xml", "text/html", "garbage", "multipart/form-data", "")
    answers = await visit.deliver_all([visit.play().message("<a/>", media) for media in medias])
    return passed(", ".join(str(answer.status) for answer in answers))


@group.check("headers", "An event without one of its headers is not a 5xx")
async def headers(visit: Visit) -> Verdict:
    told = []
    for name in NEEDED:
        answer = await visit.deliver(visit.probe().changed(**{name: None}))
        told.append(f"{name} {answer.status}")
    answers = await visit.deliver_all([
        visit.probe().changed(ce_specversion="0.3"),
        visit.probe().changed(ce_id="not a number"),
        visit.probe().changed(ce_eventName="other"),
    ])  # fmt: skip
    return passed(f"without {', '.join(told)}; contradictory: {', '.join(str(one.status) for one in answers)}")


TWO_IDS = warning(
    "two-ids",
    cause=(
        "A request with two ce-connectionId lines is taken. If the signature is checked with one of them and the "
        "event attributed to the other, one valid signature forges events of everybody."
    ),
    mend="Answer 400 where ce-connectionId, ce-hub, ce-type, ce-eventName or ce-connectionState stands there twice.",
)


@group.check("repeated", "An event with two connection ids is refused", TWO_IDS, needs=["signature.checked"])
async def repeated(visit: Visit) -> Verdict:
    first, last = visit.probe(), visit.probe()
    victim = ("ce-connectionId", "somebody-else")
    before = Request(first.method, first.url, (victim, *first.headers), first.body)
    for request in (before, last.changed(victim)):
        answer = await visit.deliver(request)
        if answer.is_success:
            return TWO_IDS.found(f"{answer.status} to an event with two ce-connectionId")
    return passed(f"{answer.status}")


@group.check("type", "An event type nobody knows is not a 5xx")
async def event_type(visit: Visit) -> Verdict:
    types = ("azure.webpubsub.sys.paused", "azure.webpubsub.future.thing", "com.example.order", "azure.webpubsub.user.")
    requests = [
        visit.probe().changed(ce_type=one, ce_eventName=one.rpartition(".")[2] or None) for one in types
    ]  # fmt: skip
    answers = await visit.deliver_all(requests)
    return passed(", ".join(str(answer.status) for answer in answers))


ANY_HUB = warning(
    "any-hub",
    cause="Events of a hub this upstream does not serve are taken: two hubs that share it get mixed up.",
    mend="Compare ce-hub with the hubs you serve, without letters' case, and answer 404 to others.",
)


@group.check("hub", "Events of an unknown hub are refused", ANY_HUB)
async def hub(visit: Visit) -> Verdict:
    answer = await visit.deliver(visit.probe().changed(ce_hub="doctors_hub_that_is_not_there"))
    return ANY_HUB.found(f"{answer.status}") if answer.is_success else passed(f"{answer.status}")


UNLIMITED = warning(
    "unlimited",
    cause="A body of 4 MiB is taken. The service never sends so much; others can fill the memory with it.",
    mend="Answer 413 above 2 MiB, before the body is read into memory.",
)


@group.check("large", "A body larger than any message is refused", UNLIMITED)
async def large(visit: Visit) -> Verdict:
    request = visit.play().message(b"x" * LARGE, event="doctor")
    answer = await visit.ask(request)
    if answer.trouble is Trouble.HUNG_UP:
        return passed("hung up while it was being sent")
    check_delivered(request, answer)
    if answer.is_success:
        return UNLIMITED.found(f"{LARGE // 1024 // 1024} MiB: {answer.status}")
    return passed(f"{answer.status}")


@group.check("deep", "JSON that is nested very deeply is not a 5xx")
async def deep(visit: Visit) -> Verdict:
    nested = b"[" * DEEP + b"]" * DEEP
    answers = await visit.deliver_all([
        visit.play().message(nested, JSON),
        visit.play().event("sys", "connect", b'{"claims":' + nested + b"}", JSON),
    ])  # fmt: skip
    return passed(", ".join(str(answer.status) for answer in answers))


METHOD_TAKEN = warning(
    "method-taken",
    cause="Other methods than POST run the event. A link or a prefetch may then do what only the service should.",
    mend="Answer 405 to every method but POST and OPTIONS.",
)


@group.check("method", "An event with another method is refused", METHOD_TAKEN)
async def method(visit: Visit) -> Verdict:
    told = []
    for name in ("PUT", "GET", "DELETE"):
        request = visit.probe().changed(webhook_request_origin=visit.target.origin if name == "PUT" else None)
        answer = await visit.deliver(Request(name, request.url, request.headers, request.body))
        if answer.is_success and not answer.header("WebHook-Allowed-Origin"):
            return METHOD_TAKEN.found(f"{name}: {answer}")
        told.append(f"{name} {answer.status}")
    return passed(", ".join(told))


@group.check("structured", "An event in structured mode is not a 5xx")
async def structured(visit: Visit) -> Verdict:
    body = b'{"specversion":"1.0","type":"azure.webpubsub.sys.connected","source":"/hubs/doctor","id":"1","data":{}}'
    wrapped = visit.play().event("sys", "connected", body, "application/cloudevents+json")
    bare = wrapped.changed(**{name: None for name, _ in wrapped.headers if name.startswith("ce-")})
    answers = await visit.deliver_all([wrapped, bare])
    return passed(", ".join(str(answer.status) for answer in answers))


STACK_TRACE = failure(
    "stack-trace",
    cause="An answer shows the inside of the program: files, lines, versions. Attackers read it before they choose.",
    mend="Turn the framework's debug mode off (NODE_ENV=production, DEBUG=False) and answer errors with one sentence.",
)
SECRET = failure(
    "secret",
    cause="An answer repeats a secret: the access key, or the signature it expected. With it anybody forges events.",
    mend="Never put expected signatures, keys or settings into an answer; log them neither.",
)
_TRACES: Mapping[str, re.Pattern[bytes]] = {
    "Python": re.compile(rb"Traceback \(most recent call last\)|File (?:\"|&quot;|&#34;)[^\n]{1,200}, line \d"),
    "Node": re.compile(rb"at (?:[\w.<>$ \[\]]{1,80} )?\(?(?:file://|node:|/|[A-Z]:\\)[^\s)]{1,200}:\d+:\d+|&nbsp;at "),
    ".NET": re.compile(rb"   at [\w.`<>+\[\]]{3,200}\(|System\.[\w.]{1,80}Exception"),
    "Java": re.compile(rb"\tat [\w.$]{3,200}\([\w.]{1,80}\.java:\d+\)|java\.lang\.\w{1,80}(?:Exception|Error)"),
    "Go": re.compile(rb"goroutine \d+ \[|\.go:\d+ \+0x"),
    "Ruby": re.compile(rb"\.rb:\d+:in [`']"),
    "PHP": re.compile(rb"(?:Fatal error|Warning|Notice)</?b?>?:? .{1,200} on line "),
    "Werkzeug": re.compile(rb"Werkzeug Debugger|__debugger__"),
}


@group.check("leaks", "No answer shows the inside of the program", STACK_TRACE, SECRET)
async def leaks(visit: Visit) -> Verdict:
    """Looks at every answer so far, and at two more."""
    await visit.ask(visit.play().event("sys", "connect", b'{"claims":', JSON))
    await visit.ask(visit.probe().changed(ce_signature="sha256=00"))
    for exchange in visit.exchanges:
        if problem := leak(exchange, visit.target.access_key):
            return problem
    return passed(f"{len(visit.exchanges)} answers were looked at")


def leak(exchange: Exchange, access_key: bytes | None) -> Verdict | None:
    request, answer = exchange.request, exchange.answer
    if answer.is_success:
        return None
    what = f"{what_is(request)}, answered {answer.status}"
    if access_key:
        expected = sign(access_key, request.header("ce-connectionId").encode()).removeprefix(b"sha256=")
        if access_key in answer.body or expected in answer.body.lower():
            return SECRET.found(what)
    language = next((name for name, trace in _TRACES.items() if trace.search(answer.body)), None)
    return STACK_TRACE.found(f"{language}: {what}") if language else None
