"""Getting in (spec/service.md 1)."""

from app.doctor.client.visit import JSON_SUBPROTOCOL, RELIABLE_SUBPROTOCOL, ClientVisit
from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.verdicts import Verdict, failure, passed, warning

group: Group[ClientVisit] = Group("handshake", "Getting in", needs=["handshake.json"])

UNREACHABLE = failure(
    "unreachable",
    cause="The service cannot be reached, so no client gets in.",
    mend="Check host and port of the endpoint, the firewall, and whether the service runs; behind a proxy, WebSockets.",
)
NOT_IN = failure(
    "unauthorized",
    cause="A token that was signed with this key for this hub is refused, as those of all your clients are.",
    mend=(
        "Compare endpoint and key with the service's keys page; a key that was regenerated no longer counts. If both "
        "are right, the `connect` handler refuses: examine it with `webpubsub doctor URL --only connect`."
    ),
)
HANDLER = failure(
    "handler",
    cause="The service, or its handler of `connect`, failed or refused the user.",
    mend=(
        "Name a user who gets in with --user. Examine the upstream with `webpubsub doctor URL --only connect`, and "
        "look at the hub's event handlers."
    ),
)
NO_SUBPROTOCOL = failure(
    "no-subprotocol",
    cause="The service did not confirm the subprotocol that was offered; browsers then end the handshake.",
    mend="A proxy may drop Sec-WebSocket-Protocol, or a `connect` handler may have picked another.",
)


@group.check(
    "json", "A client with a token gets in", UNREACHABLE, NOT_IN, HANDLER, NO_SUBPROTOCOL, needs=[]
)  # fmt: skip
async def json(visit: ClientVisit) -> Verdict:
    client = await visit.dial(visit.token(), JSON_SUBPROTOCOL)
    if isinstance(client, Answer):
        if client.trouble is not None or client.status == 404:
            return UNREACHABLE.found(f"{client}")
        return (NOT_IN if client.status == 401 else HANDLER).found(f"{client}")
    if client.socket.subprotocol != JSON_SUBPROTOCOL:
        return NO_SUBPROTOCOL.found(f"{client.socket.subprotocol or 'none'} in place of {JSON_SUBPROTOCOL}")
    return passed(f"101, {client.socket.subprotocol}")


BAD_GREETING = failure(
    "bad-greeting",
    cause="The first frame is not a complete `connected`; SDKs take the connection id from it.",
    mend="Nothing in an application can change this frame: look for what stands between client and service.",
)
OTHER_USER = warning(
    "other-user",
    cause="The client is somebody else than its token says. A `connect` handler may do that; check that it means to.",
    mend="See what the upstream answers to connect as `userId`.",
)


@group.check("greeting", "The first frame tells who one is", BAD_GREETING, OTHER_USER)
async def greeting(visit: ClientVisit) -> Verdict:
    client = await visit.open(JSON_SUBPROTOCOL)
    frame = await client.expect(type=lambda _: True)
    if (frame["type"], frame.get("event")) != ("system", "connected") or not isinstance(frame.get("connectionId"), str):
        return BAD_GREETING.found(f"a frame of type {str(frame['type'])[:20]}")
    if frame.get("userId") != visit.service.user:
        return OTHER_USER.found(f"userId {str(frame.get('userId'))[:40]}")
    return passed("connected, with a connection id")


RAW_REFUSED = failure(
    "raw-refused",
    cause="A client without a subprotocol, as `new WebSocket(url)` is, does not get in.",
    mend="Make sure that the `connect` handler does not want a subprotocol.",
)


@group.check("raw", "A client without a subprotocol gets in", RAW_REFUSED)
async def raw(visit: ClientVisit) -> Verdict:
    client = await visit.dial(visit.token())
    return RAW_REFUSED.found(f"{client}") if isinstance(client, Answer) else passed("101")


NOT_RELIABLE = failure(
    "not-reliable",
    cause="Without a reconnection token a client that loses its network loses messages.",
    mend="Check that the `connect` handler leaves the subprotocol as it was offered.",
)


@group.check("reliable", "A reliable client gets a reconnection token", NOT_RELIABLE)
async def reliable(visit: ClientVisit) -> Verdict:
    client = await visit.dial(visit.token(), RELIABLE_SUBPROTOCOL)
    if isinstance(client, Answer):
        return NOT_RELIABLE.found(f"{client}")
    frame = await client.expect(type="system", event="connected")
    if not frame.get("reconnectionToken"):
        return NOT_RELIABLE.found("`connected` without reconnectionToken")
    return passed("connected, with a reconnection token")
