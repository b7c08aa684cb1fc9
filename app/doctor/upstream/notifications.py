"""`connected`, `disconnected`, `joined`, `left`: nobody waits, but a 5xx brings them again (spec/upstream.md 5, 8)."""

from app.doctor.exchange import Request
from app.doctor.registry import Group
from app.doctor.upstream.visit import Visit, what_is
from app.doctor.verdicts import Problem, Verdict, failure, passed, warning

group: Group[Visit] = Group("notifications", "Notifications", needs=["signature.right"])

IGNORED = warning(
    "ignored",
    cause="The service logs the 4xx as a failed delivery and forgets the event: the upstream will not know of it.",
    mend=(
        "Answer 204 also where there is nothing to do, or untick the event in the hub's settings so that it is not "
        "sent."
    ),
)
NO_PRESENCE = warning(
    "no-presence",
    cause=(
        "Group presence events are refused. That matters only where the hub's settings turn them on; "
        "`@azure/web-pubsub-express` knows them from 1.1.0."
    ),
    mend='Take azure.webpubsub.gp.joined and azure.webpubsub.gp.left, whose body is {"group": name}.',
)
LATE_REFUSED = failure(
    "order-refused",
    cause=(
        "Notifications overtake each other and may be lost: `disconnected` can be the first that the upstream hears "
        "of a connection. Refusing it leaves ghosts in the list of users."
    ),
    mend="Answer 2xx to notifications about connections you do not know.",
)


@group.check("connected", "`connected` is acknowledged", IGNORED)
async def connected(visit: Visit) -> Verdict:
    return await _acknowledged(visit, IGNORED, visit.play().connected())


@group.check("disconnected", "`disconnected` is acknowledged, with a reason or without", IGNORED)
async def disconnected(visit: Visit) -> Verdict:
    bodies: tuple[dict[str, object], ...] = ({"reason": None}, {"reason": "ClosedByAppServer"}, {})
    return await _acknowledged(visit, IGNORED, *(visit.play().disconnected(body) for body in bodies))


@group.check("presence", "Group presence is acknowledged", NO_PRESENCE)
async def presence(visit: Visit) -> Verdict:
    played = visit.play()
    return await _acknowledged(visit, NO_PRESENCE, played.joined("doctor-グループ"), played.left("doctor-グループ"))


@group.check(
    "any-order", "Notifications may come in any order, for connections nobody knows", LATE_REFUSED,
    needs=["notifications.connected", "notifications.disconnected"],
)  # fmt: skip
async def any_order(visit: Visit) -> Verdict:
    played = visit.play()
    early = played.connected()
    return await _acknowledged(visit, LATE_REFUSED, played.disconnected({"reason": None}), early, early)


async def _acknowledged(visit: Visit, problem: Problem, *requests: Request) -> Verdict:
    for request in requests:
        answer = await visit.deliver(request)
        if not answer.is_success:
            return problem.found(f"{what_is(request)}: {answer}")
    return passed(", ".join(dict.fromkeys(map(what_is, requests))))
