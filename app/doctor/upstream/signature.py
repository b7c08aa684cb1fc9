"""`ce-signature`: does the upstream know who calls (spec/upstream.md 3)?"""

from app.doctor.exchange import Answer, Request
from app.doctor.registry import Group
from app.doctor.upstream.common import UNKNOWN_ORIGIN
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Verdict, failure, not_examined, passed, warning
from app.upstream.signature import sign

group: Group[Visit] = Group("signature", "Who may deliver events", needs=["signature.checked"])

WRONG_KEY = b"webpubsub-doctor-knows-no-such-key"

REFUSED = failure(
    "refused",
    cause="Events that are signed as the service signs them are refused with 401 or 403: none will arrive.",
    mend=(
        "Compare with the hex HMAC-SHA256 of the connection id, the key being the text of the access key: not the "
        "body, and not the key decoded from base64. After a rotation configure both keys. If the upstream never saw "
        "the request, a layer in front of it wants a sign-in or a key."
    ),
)
NOT_FOUND = failure(
    "not-found",
    cause="The event handler answers 404 to events of this hub, so the service can deliver none.",
    mend="Check the path and the hub's name (--hub); the name is compared without letters' case.",
)
NOT_TAKEN = failure(
    "not-taken",
    cause="An event as the service sends it is refused for another reason than its signature.",
    mend="See what the upstream's log says about it. POST must be allowed, and the ce- headers be read as they are.",
)

ENTRA = not_examined(
    "entra",
    cause=(
        "The upstream wants a token of the service's managed identity (WWW-Authenticate: Bearer), which nobody but "
        "Azure can send. Nothing behind this can be examined."
    ),
    mend=(
        "Examine a copy that verifies ce-signature instead. If you did not configure Entra, a layer in front answers: "
        "exclude the event handler's path from its authentication."
    ),
)
NO_KEY = not_examined(
    "no-key",
    cause="The upstream wants a signature, and the doctor has no key. Nothing behind this can be examined.",
    mend="Give the service's --connection-string, or --access-key.",
)


@group.check(
    "right", "A signed event is taken",
    REFUSED, NOT_FOUND, NOT_TAKEN, NO_KEY, UNKNOWN_ORIGIN, ENTRA,
    needs=["reach.answers"],
)  # fmt: skip
async def right(visit: Visit) -> Verdict:
    """Functions has a route an event, so one of two is enough."""
    answers: list[Answer] = []
    for event in ("connected", "connect"):
        visit.probe_event = event
        answer = await visit.deliver(visit.probe())
        if answer.is_success:
            signed = "signed" if visit.target.access_key else "unsigned"
            return passed(f"{event}, {signed}: {answer.status}")
        answers.append(answer)
    statuses = {answer.status for answer in answers}
    told = f"connected: {answers[0]}, connect: {answers[1].status}"
    if any((answer.header("WWW-Authenticate") or "").lower().startswith("bearer") for answer in answers):
        return ENTRA.found(told)
    if statuses & {401, 403} and visit.target.access_key is None:
        return NO_KEY.found(told)
    if visit.target.is_origin_made_up and statuses & {400, 401, 403}:
        return UNKNOWN_ORIGIN.found(told)
    if statuses & {401, 403}:
        return REFUSED.found(told)
    return NOT_FOUND.found(told) if statuses == {404} else NOT_TAKEN.found(told)


UNCHECKED = failure(
    "unchecked",
    cause="The signature is not checked: whoever finds the URL can forge events, as any user, into any hub.",
    mend=(
        "Compute the HMAC of ce-connectionId for every access key, compare in constant time, and answer 401 where "
        "none fits. `@azure/web-pubsub-express` leaves this to you."
    ),
)
MAYBE_UNCHECKED = warning(
    "maybe-unchecked",
    cause=(
        "An event without a valid signature is taken. Unless something else proves who calls (Entra, a key in the "
        "URL, the network), anybody can forge events."
    ),
    mend=(
        "Check ce-signature in the upstream. To have the doctor look closely, give --connection-string or --access-key."
    ),
)
MISSING_TAKEN = failure(
    "missing-taken",
    cause="Wrong signatures are refused, but an event without any is taken: a forger just leaves it out.",
    mend="Treat a missing or empty ce-signature as a wrong one: 401.",
)


@group.check(
    "checked",
    "An event with a wrong signature, or with none, is refused",
    UNCHECKED, MAYBE_UNCHECKED, MISSING_TAKEN,
    needs=["signature.right"],
)  # fmt: skip
async def checked(visit: Visit) -> Verdict:
    request = visit.probe()
    wrong = await visit.deliver(_signed(request, WRONG_KEY))
    if wrong.is_success and visit.target.access_key is None:
        return MAYBE_UNCHECKED.found(f"signed with a wrong key: {wrong.status}")
    if wrong.is_success:
        return UNCHECKED.found(f"signed with a wrong key: {wrong.status}")
    for value in (None, ""):
        missing = await visit.deliver(visit.probe().changed(ce_signature=value))
        if missing.is_success:
            return MISSING_TAKEN.found(f"{'an empty' if value == '' else 'no'} ce-signature: {missing.status}")
    return passed(f"a wrong one: {wrong.status}, none: {missing.status}")


NOT_BOUND = failure(
    "not-bound",
    cause=(
        "A signature that was made for one connection is taken for another: whoever has seen one valid request can "
        "forge events of everybody."
    ),
    mend="Compute the HMAC over the ce-connectionId of the same request.",
)


@group.check("bound", "The signature of another connection is refused", NOT_BOUND)
async def bound(visit: Visit) -> Verdict:
    other = visit.probe()
    await visit.deliver(other)
    answer = await visit.deliver(visit.probe().changed(ce_signature=other.header("ce-signature")))
    if answer.is_success:
        return NOT_BOUND.found(f"another connection's signature: {answer.status}")
    return passed(f"another connection's signature: {answer.status}")


ONLY_FIRST = failure(
    "only-first",
    cause=(
        "The header holds a signature for each key of the resource. This upstream looks at one of them only, so "
        "rotating the keys stops all events."
    ),
    mend="Split ce-signature at commas and accept the event when any entry fits any key you configured.",
)


@group.check("rotation", "Any of several signatures may be the right one", ONLY_FIRST)
async def rotation(visit: Visit) -> Verdict:
    for place in ("second", "first"):
        request = visit.probe()
        good, other = request.header("ce-signature"), _signed(request, WRONG_KEY).header("ce-signature")
        both = f"{other},{good}" if place == "second" else f"{good}, {other}"
        answer = await visit.deliver(request.changed(ce_signature=both))
        if not answer.is_success:
            return ONLY_FIRST.found(f"the right one in the {place} place of two: {answer}")
    return passed("first or second in the list")


MALFORMED_TAKEN = failure(
    "malformed-taken",
    cause="Something that is no signature was taken for one: forging takes no key.",
    mend="Compare the whole value with the expected one, prefix included, with a constant-time comparison.",
)


@group.check("malformed", "What is not a signature is refused, and not with a 5xx", MALFORMED_TAKEN)
async def malformed(visit: Visit) -> Verdict:
    count = len(_mangled(""))
    for number in range(count):
        request = visit.probe()
        value = _mangled(request.header("ce-signature"))[number]
        answer = await visit.deliver(request.changed(ce_signature=value))
        if answer.is_success:
            return MALFORMED_TAKEN.found(f"{value[:16]!r}: {answer.status}")
    return passed(f"{count} of them, none was taken")


def _mangled(right_one: str) -> tuple[str, ...]:
    code = right_one.removeprefix("sha256=")
    return ("garbage", "sha256=", "sha256=zz", "sha256=ü€", ",", f"sha512={code}", "=" * 500, right_one[:-1])


def _signed(request: Request, key: bytes) -> Request:
    return request.changed(ce_signature=sign(key, request.header("ce-connectionId").encode()).decode())
