"""The service delivers again when it heard no answer: the same event, with the same `ce-id` (spec/upstream.md 8)."""

from collections.abc import Sequence

from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit, check_delivered
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[Visit] = Group("retries", "Deliveries that come twice", needs=["signature.right"])

REPEAT_REFUSED = failure(
    "repeat-refused",
    cause=(
        "The first delivery is taken, the same one again is refused. The service repeats when it did not hear the "
        "answer, so the client is told a failure although the work was done."
    ),
    mend="Remember the answer by hub, connection id and ce-id for some minutes, and give it again.",
)
ANSWERS_DIFFER = warning(
    "answers-differ",
    cause="The same event was answered in two ways, so it ran twice: whatever it does is done twice as well.",
    mend="Remember the answer by hub, connection id and ce-id for some minutes, and give it again.",
)


@group.check("connect", "A connect that comes twice gets the same answer", REPEAT_REFUSED, ANSWERS_DIFFER)
async def connect(visit: Visit) -> Verdict:
    request = visit.play_nobody().connect()
    return _alike(await visit.deliver_all([request, request]))


@group.check("message", "A user event that comes twice gets the same answer", REPEAT_REFUSED, ANSWERS_DIFFER)
async def message(visit: Visit) -> Verdict:
    request = visit.play().message("How do you do, twice?")
    return _alike(await visit.deliver_all([request, request]))


@group.check("twins", "Two deliveries at the same time get the same answer", REPEAT_REFUSED, ANSWERS_DIFFER)
async def twins(visit: Visit) -> Verdict:
    request = visit.play().message("How do you do, both?")
    answers = await visit.ask_together([request, request])
    for answer in answers:
        check_delivered(request, answer)
    return _alike(answers)


def _alike(answers: Sequence[Answer]) -> Verdict:
    first, again = answers
    if first.is_success != again.is_success:
        return REPEAT_REFUSED.found(f"first {first}, then {again}")
    if (first.status, first.body, first.media) != (again.status, again.body, again.media):
        return ANSWERS_DIFFER.found(f"first {first}, then {again}")
    return passed(f"both {first.status}, with the same body")


GAP_REFUSED = failure(
    "gap-refused",
    cause="Event ids may skip numbers, and notifications overtake user events. Such events are refused here.",
    mend="Use ce-id to tell a repeat from a new event, not to check an order.",
)


@group.check("order", "Event ids may skip and overtake each other", GAP_REFUSED)
async def order(visit: Visit) -> Verdict:
    played = visit.play()
    first = await visit.deliver(played.message("How do you do?"))
    for number in ("907", "12", "18446744073709551615"):
        answer = await visit.deliver(played.message("How do you do?").changed(ce_id=number))
        if first.is_success and not answer.is_success:
            return GAP_REFUSED.found(f"ce-id {number}: {answer}")
    return passed(f"ids 0, 907, 12, 2^64-1: {first.status}")
