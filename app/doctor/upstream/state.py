"""`ce-connectionState`: the upstream's own note, which the service hands back (spec/upstream.md 7)."""

import base64
from collections.abc import Callable, Sequence

from app.doctor.exchange import Answer, Request
from app.doctor.played import Played
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit, check_delivered, what_is
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[Visit] = Group("state", "Connection state", needs=["connect.accepted"])

SOFT_LIMIT = 4 * 1024
HARD_LIMIT = 8 * 1024

REPEATED = failure(
    "repeated",
    cause="An answer holds several ce-connectionState lines; which of them is kept is not defined.",
    mend="Send one line with the whole state.",
)
NOT_A_HEADER = failure(
    "not-a-header",
    cause="The state holds characters that headers cannot carry, so it comes back changed or not at all.",
    mend="Encode it, as the official libraries do: base64 of a JSON object.",
)
TOO_LARGE = failure(
    "too-large",
    cause="The state is longer than the header lines that common servers take: all later events would be refused.",
    mend="Keep a key in the state, and what it stands for in a database.",
)
LARGE = warning(
    "large",
    cause="The state travels with every event, in a header. Beyond 4 KiB servers and proxies begin to refuse it.",
    mend="Keep a key in the state, and what it stands for in a database.",
)
NOT_READ_BACK = failure(
    "not-read-back",
    cause="The upstream refuses an event that brings the state it has set itself.",
    mend="Write and read the state with the same encoding, on every replica.",
)


@group.check(
    "round-trip", "State that is set can be brought back",
    REPEATED, NOT_A_HEADER, TOO_LARGE, LARGE, NOT_READ_BACK,
)  # fmt: skip
async def round_trip(visit: Visit) -> Verdict:
    played = visit.play()
    longest = 0
    for make in LIFE:
        request = make(played)
        answer = await visit.ask(request)
        if played.state and not answer.is_success:
            bare = await visit.ask(make(played).changed(ce_connectionState=None))
            if bare.is_success:
                return NOT_READ_BACK.found(f"{what_is(request)}: {answer}; without the state: {bare.status}")
        check_delivered(request, answer)
        if problem := wrong_state(answer):
            return problem
        played.heard(answer)
        longest = max(longest, len(played.state))
    return passed(f"{longest} bytes" if longest else "the upstream set none")


def wrong_state(answer: Answer) -> Verdict | None:
    lines = answer.lines("ce-connectionState")
    if len(lines) > 1:
        return REPEATED.found(f"{len(lines)} lines")
    for line in lines:
        if not (line.isascii() and line.isprintable()):
            return NOT_A_HEADER.found("characters outside ASCII")
        if len(line) > SOFT_LIMIT:
            return (TOO_LARGE if len(line) > HARD_LIMIT else LARGE).found(f"{len(line)} bytes")
    return None


UNREADABLE_REFUSED = failure(
    "unreadable-refused",
    cause=(
        "A state that this upstream cannot read, from an older version of it or from another language, costs the "
        "event: the connection can do nothing any more."
    ),
    mend="Treat a state you cannot read as empty, and log it.",
)


@group.check("unreadable", "A state that cannot be read is taken as empty", UNREADABLE_REFUSED)
async def unreadable(visit: Visit) -> Verdict:
    without = await visit.deliver(visit.play().message("How do you do?"))
    for name, state in FOREIGN_STATES.items():
        answer = await visit.deliver(visit.play().message("How do you do?").changed(ce_connectionState=state))
        if without.is_success and not answer.is_success:
            return UNREADABLE_REFUSED.found(f"{name}: {answer}")
    return passed(f"{', '.join(FOREIGN_STATES)}: {without.status}")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


FOREIGN_STATES = {
    "no base64": "%%%",
    "base64 of no JSON": _encoded("{doctor"),
    "an array": _encoded("[1,2]"),
    "a number": _encoded("7"),
    "the .NET form": _encoded(f'{{"room":"{_encoded(chr(34) + "lobby" + chr(34))}"}}'),
    "base64 without padding": _encoded('{"n":3}').rstrip("="),
}


def _message(played: Played) -> Request:
    return played.message("How do you do?")


def _gone(played: Played) -> Request:
    return played.disconnected({"reason": None})


LIFE: Sequence[Callable[[Played], Request]] = (Played.connect, Played.connected, _message, _message, _gone)
"""The events of a short connection."""
