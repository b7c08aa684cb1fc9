"""Tokens that must not let anybody in (spec/service.md 2)."""

from app.doctor.client.visit import JSON_SUBPROTOCOL, ClientVisit
from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[ClientVisit] = Group("tokens", "Tokens", needs=["handshake.json"])

OTHER_KEY = "webpubsub-doctor-signs-with-a-key-of-its-own"

LET_IN = failure(
    "let-in",
    cause="A token that is not valid let a client in: anybody can be anybody.",
    mend="Report it: the service must check signature, audience and expiry of every token.",
)
ODD_STATUS = warning(
    "odd-status",
    cause="A refused token is a 401. Clients that renew their token on 401 do not do so on another status.",
    mend="See whether a proxy in front of the service answers in its place.",
)


@group.check("refused", "Tokens that are expired, forged, or for another hub are refused with 401", LET_IN, ODD_STATUS)
async def refused(visit: ClientVisit) -> Verdict:
    tokens = {
        "an expired token": visit.token(lifetime=-3600),
        "a token of another key": visit.token(key=OTHER_KEY),
        "a token for another hub": visit.token(hub="doctors_other_hub"),
        "a token without a signature": f"{visit.token().rpartition('.')[0]}.",
        "a word": "doctor",
    }
    for name, token in tokens.items():
        came = await visit.dial(token, JSON_SUBPROTOCOL)
        if not isinstance(came, Answer):
            return LET_IN.found(name)
        if came.status != 401:
            return ODD_STATUS.found(f"{name}: {came}")
    return passed(f"{', '.join(tokens)}: 401")


ANYBODY = warning(
    "anybody",
    cause="Clients without a token get in. The hub allows it: the `connect` handler alone decides who they are.",
    mend="Turn anonymous connections off in the hub's settings unless the upstream identifies every client.",
)


@group.check("none", "Without a token nobody gets in", ANYBODY)
async def none(visit: ClientVisit) -> Verdict:
    came = await visit.dial(None, JSON_SUBPROTOCOL)
    return passed(f"{came}") if isinstance(came, Answer) else ANYBODY.found("101 without a token")
