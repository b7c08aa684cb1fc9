"""What frameworks and proxies do to headers (spec/upstream.md 2, 11)."""

from app.doctor.exchange import Request
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[Visit] = Group("headers", "Headers", needs=["signature.right"])

CASE_SENSITIVE = failure(
    "case-sensitive",
    cause="The names of headers are looked up letter by letter. HTTP/2 and many proxies send them in lower case.",
    mend="Look headers up without regard to letters' case.",
)


@group.check("names", "The case of header names does not matter", CASE_SENSITIVE)
async def names(visit: Visit) -> Verdict:
    for change in (str.lower, str.upper):
        request = visit.probe()
        changed = tuple((change(name), value) for name, value in request.headers)
        answer = await visit.deliver(Request(request.method, request.url, changed, request.body))
        if not answer.is_success:
            return CASE_SENSITIVE.found(f"{change('ce-connectionId')}: {answer}")
    return passed("in lower and in upper case")


NO_ROOM = failure(
    "no-room",
    cause="A connection whose state and cookies have grown to 7 KiB is lost: every later event of it is refused.",
    mend="Raise the header limit of the server and of every proxy in front of it: 8 KiB a line, 32 KiB in all.",
)
LITTLE_ROOM = warning(
    "little-room",
    cause="State, cookies and message metadata together may reach 32 KiB; such events are refused.",
    mend=(
        "Raise the limits (Node: --max-http-header-size=32768; nginx: large_client_header_buffers 8 16k), or keep "
        "state and metadata small."
    ),
)


@group.check("room", "There is room for long headers", NO_ROOM, LITTLE_ROOM)
async def room(visit: Visit) -> Verdict:
    long_state = "x" * 7 * 1024
    state = visit.probe().changed(ce_connectionState=long_state)
    answer = await visit.ask(state)
    if not answer.is_success:
        return NO_ROOM.found(f"a state of 7 KiB: {answer}")
    more = visit.probe().changed(
        *((f"x-webpubsub-metadata-{number}", "x" * 1000) for number in range(8)),
        ce_connectionState=long_state,
        cookie="; ".join(f"doctor{number}={'x' * 1000}" for number in range(8)),
    )
    answer = await visit.ask(more)
    if not answer.is_success:
        return LITTLE_ROOM.found(f"{sum(map(len, map(''.join, more.headers))) // 1024} KiB in all: {answer}")
    return passed("23 KiB in all")


UNKNOWN_HEADER = failure(
    "unknown-header",
    cause="The service adds headers over time, and proxies add theirs. Such events would be lost.",
    mend="Ignore headers you do not know.",
)


@group.check("unknown", "Headers nobody knows do not disturb", UNKNOWN_HEADER)
async def unknown(visit: Visit) -> Verdict:
    request = visit.probe().changed(
        ("ce-doctor", "1"), ("x-ms-client-request-id", "doctor"), ("x-forwarded-for", "203.0.113.9, 10.0.0.1"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"),
    )  # fmt: skip
    answer = await visit.deliver(request)
    return passed(f"{answer.status}") if answer.is_success else UNKNOWN_HEADER.found(f"{answer}")


SOURCE_NEEDED = failure(
    "optional-needed",
    cause="Services differ in ce-source, ce-time and ce-specversion; without one of them this upstream refuses.",
    mend="Identify a connection by ce-hub and ce-connectionId; read the other attributes only where they are there.",
)


@group.check("optional", "ce-time may be missing, and ce-source may have its old form", SOURCE_NEEDED)
async def optional(visit: Visit) -> Verdict:
    for name, changes in (
        ("no ce-time", {"ce_time": None}),
        ("ce-source of the old form", {"ce_source": "/client/doctor"}),
        ("no ce-source", {"ce_source": None}),
    ):
        answer = await visit.deliver(visit.probe().changed(**changes))
        if not answer.is_success:
            return SOURCE_NEEDED.found(f"{name}: {answer}")
    return passed("three requests without an attribute")
