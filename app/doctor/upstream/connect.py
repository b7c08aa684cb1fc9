"""`connect`: what the service makes of the answer while the client waits (spec/upstream.md 4)."""

import re
from collections.abc import Mapping

from pydantic import JsonValue

from app.doctor.exchange import Answer, Request
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Verdict, failure, passed, warning
from app.models.payloads import parse_json

group: Group[Visit] = Group("connect", "Connecting", needs=["connect.accepted"])

CUSTOM_SUBPROTOCOL = "doctor.v1"
_ROLE = re.compile(r"webpubsub\.(joinLeaveGroup|sendToGroup)(\..+)?|webpubsub\.(joinLeaveGroups|sendToGroups)\..+")
_MEMBERS = frozenset({"userId", "groups", "roles", "subprotocol", "mqtt"})

TURNED_AWAY = warning(
    "turned-away",
    cause="The upstream refuses the doctor's user. That is its right, but what needs a connection cannot be looked at.",
    mend="Name a user who gets in with --user, or let `doctor` in while you test.",
)


@group.check("accepted", "A client with a user id gets in", TURNED_AWAY, needs=["signature.right"])
async def accepted(visit: Visit) -> Verdict:
    answer = await visit.deliver(visit.play().connect())
    return passed(f"{answer}") if answer.is_success else TURNED_AWAY.found(f"{answer}")


NOT_JSON = failure(
    "not-json",
    cause="The service reads the answer to connect as a JSON object. Anything else refuses the client with 500.",
    mend='Answer 204 without a body, or 200 with an object such as {"userId": "ana"}.',
)
MEMBER_TYPE = failure(
    "member-type",
    cause="A member of the answer has a type that the service cannot read, so the client is refused with 500.",
    mend="userId and subprotocol are strings; groups and roles are arrays of strings. Leave out what you do not set.",
)
GROUP_NAME = failure(
    "group-name",
    cause="The answer puts the client into a group that cannot exist; the service refuses the client.",
    mend="Group names have 1 to 1024 characters, not only blanks.",
)
UNKNOWN_ROLE = warning(
    "unknown-role",
    cause="The service ignores roles it does not know: the client may not do what you meant to allow.",
    mend=(
        "Roles are webpubsub.joinLeaveGroup and webpubsub.sendToGroup, alone or with .group behind them, and "
        "webpubsub.joinLeaveGroups.pattern and webpubsub.sendToGroups.pattern."
    ),
)
UNKNOWN_MEMBER = warning(
    "unknown-member",
    cause="The service ignores members it does not know, or is not bound to read them.",
    mend="The names are userId, groups, roles, subprotocol and mqtt, spelt exactly so.",
)
CONTENT_TYPE = warning(
    "content-type",
    cause="The body is JSON, but is not labelled so. Proxies and later versions of the service may mind.",
    mend="Send `Content-Type: application/json` with the answer.",
)
BLANK_SUBPROTOCOL = failure(
    "blank-subprotocol",
    cause="An empty subprotocol is none that the client offered; the handshake fails in the browser.",
    mend="Leave `subprotocol` out in place of sending an empty string.",
)


@group.check(
    "answer", "The answer is one the service can read",
    NOT_JSON, MEMBER_TYPE, GROUP_NAME, BLANK_SUBPROTOCOL, UNKNOWN_ROLE, UNKNOWN_MEMBER, CONTENT_TYPE,
)  # fmt: skip
async def answer_is_legal(visit: Visit) -> Verdict:
    answer = await visit.deliver(visit.play().connect())
    members = read_members(answer)
    if members is None:
        return NOT_JSON.found("the body is not a JSON object")
    problem = next(filter(None, (_wrong_member(name, value) for name, value in members.items())), None)
    if problem is not None:
        return problem
    if members and answer.media != "application/json":
        return CONTENT_TYPE.found(f"the body is labelled {answer.media or 'nothing'}")
    return passed(f"{answer.status} with {', '.join(members) or 'no members'}")


def read_members(answer: Answer) -> Mapping[str, JsonValue] | None:
    """Those that are not null; `None` where the body is not one the service can read."""
    try:
        value = parse_json(answer.body or b"null")
    except ValueError:
        return None
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    return {name: member for name, member in value.items() if member is not None}


def _wrong_member(name: str, value: JsonValue) -> Verdict | None:
    match name:
        case "userId":
            return None if isinstance(value, str) else MEMBER_TYPE.found("userId is not a string")
        case "subprotocol":
            return _wrong_subprotocol(value)
        case "groups" | "roles":
            return _wrong_list(name, value)
        case "mqtt":
            return None if isinstance(value, dict) else MEMBER_TYPE.found("mqtt is not an object")
        case _:
            return UNKNOWN_MEMBER.found(f"{name[:40]!r}")


def _wrong_subprotocol(value: JsonValue) -> Verdict | None:
    if not isinstance(value, str):
        return MEMBER_TYPE.found("subprotocol is not a string")
    return BLANK_SUBPROTOCOL.found("subprotocol is empty") if not value else None


def _wrong_list(name: str, value: JsonValue) -> Verdict | None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return MEMBER_TYPE.found(f"{name} is not an array of strings")
    for one in map(str, value):
        if name == "groups" and (not one.strip() or len(one) > 1024):
            return GROUP_NAME.found("a group's name is blank" if not one.strip() else "a group's name is too long")
        if name == "roles" and not _ROLE.fullmatch(one):
            return UNKNOWN_ROLE.found(f"{one[:60]!r}")
    return None


NOT_OFFERED = failure(
    "not-offered",
    cause="The answer picks a subprotocol that the client did not offer. The service, or the browser, then fails it.",
    mend="Answer with one of `subprotocols` of the request; with none when there is none you know.",
)


@group.check("subprotocol", "Only an offered subprotocol is picked", NOT_OFFERED)
async def subprotocol(visit: Visit) -> Verdict:
    picked: list[str] = []
    for offered in ([CUSTOM_SUBPROTOCOL, "doctor.v2"], []):
        answer = await visit.deliver(visit.play().connect(subprotocols=offered))
        if not answer.is_success:
            continue
        chosen = (read_members(answer) or {}).get("subprotocol")
        if chosen is not None and chosen not in offered:
            return NOT_OFFERED.found(f"{str(chosen)[:60]!r} where the client offered {', '.join(offered) or 'none'}")
        picked.append(str(chosen or "none"))
    return passed(f"picked: {', '.join(picked) or 'the client was refused'}")


TOO_STRICT = failure(
    "too-strict",
    cause="Older and newer services leave members out, send null, or add some. Their clients would be refused.",
    mend="Read a member that is missing or null as empty, and ignore those you do not know.",
)


@group.check("lenient", "Members may be missing, null, or new", TOO_STRICT)
async def lenient(visit: Visit) -> Verdict:
    bodies: dict[str, Mapping[str, object]] = {
        "no clientCertificates": {"clientCertificates": ...},
        "clientCertificates null": {"clientCertificates": None},
        "no headers, no query": {"headers": ..., "query": ...},
        "members nobody knows": {"doctor": {"since": 2026}, "more": [1]},
        "several values of one query parameter": {"query": {"room": ["a", "ü"]}},
        "a certificate without content": {"clientCertificates": [{"thumbprint": "AB:CD", "content": None}]},
    }
    for name, members in bodies.items():
        answer = await visit.deliver(visit.play().connect(**members))
        if not answer.is_success:
            return TOO_STRICT.found(f"{name}: {answer}")
    return passed(f"{len(bodies)} unusual bodies were accepted")


ODD_REFUSAL = warning(
    "odd-refusal",
    cause="A client without any user id gets a status that the service has no good use for.",
    mend="Refuse with 401 (sign in first), 403 (not for you) or 400, and say nothing secret: clients may see the text.",
)
USUAL_REFUSALS = frozenset({400, 401, 403})


@group.check(
    "anonymous", "A client without a user id is let in, or refused with 400, 401 or 403", ODD_REFUSAL,
    needs=["signature.right"],
)  # fmt: skip
async def anonymous(visit: Visit) -> Verdict:
    answer = await visit.deliver(visit.play_nobody().connect())
    if answer.is_success or answer.status in USUAL_REFUSALS:
        return passed(f"{'let in' if answer.is_success else 'refused'}, {answer.status}")
    return ODD_REFUSAL.found(f"{answer}")


CHANGED_USER = failure(
    "changed-user",
    cause="The user id that comes back is not the one that was sent: messages to this user reach nobody.",
    mend=(
        "ce-userId holds raw UTF-8. Where the framework reads headers as Latin-1: "
        '`value.encode("latin-1").decode("utf-8")`. Do not decode percent signs: there is no encoding.'
    ),
)
REFUSED_USER = failure(
    "refused-user",
    cause="A user whose id is not plain ASCII letters cannot connect.",
    mend="Take any characters in ce-userId and in the claims, as bytes of UTF-8.",
)


PLAIN_USER = "webpubsub-doctor"
UNUSUAL_USERS = ("dóctor-博士-🩺", "50%25 doctor%")


@group.check("user-id", "User ids outside ASCII and with percent signs survive", CHANGED_USER, REFUSED_USER)
async def user_id(visit: Visit) -> Verdict:
    plain = await visit.deliver(_named_by_header(visit, PLAIN_USER))
    if not plain.is_success:
        return passed(f"by ce-userId alone {PLAIN_USER} does not get in either: {plain.status}")
    repeats = (read_members(plain) or {}).get("userId") == PLAIN_USER
    for name in UNUSUAL_USERS:
        answer = await visit.deliver(_named_by_header(visit, name))
        if not answer.is_success:
            return REFUSED_USER.found(f"{name}: {answer}")
        came = (read_members(answer) or {}).get("userId")
        if repeats and came != name:
            return CHANGED_USER.found(f"{name} came back as {str(came)[:40]}")
    return passed("came back as they were sent" if repeats else "were let in; the answer does not repeat them")


def _named_by_header(visit: Visit, name: str) -> Request:
    """Claims are JSON, which nobody gets wrong."""
    return visit.play(name).connect(claims={"doctor": ["1"]})
