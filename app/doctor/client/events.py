"""User events: do they reach the upstream, and does its answer come back (spec/service.md 3.5, 6)?"""

from app.doctor.client.visit import ClientVisit, Closed, Frame
from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.verdicts import Found, Verdict, failure, passed

group: Group[ClientVisit] = Group("events", "User events", needs=["handshake.greeting"])

FAILED = failure(
    "failed",
    cause="The event found no handler, or the upstream did not answer with 2xx; the client is told an error.",
    mend=(
        "See whether an event handler of the hub has a user event pattern that takes the event (`*` takes all), and "
        "examine its URL with `webpubsub doctor URL --only messages`."
    ),
)
BAD_ANSWER = failure(
    "bad-answer",
    cause="What the upstream answered came in a frame that clients cannot read.",
    mend="Check what stands between client and service; frames of the service have dataType and data.",
)


@group.check("handled", "User events are handled, and answers arrive", FAILED, BAD_ANSWER)
async def handled(visit: ClientVisit) -> Verdict:
    told: list[str] = []
    for event in visit.service.events:
        client = await visit.client()
        ack = await client.ask(type="event", event=event, dataType="text", data="How do you do?")
        if ack.get("success") is not True:
            error = ack.get("error")
            name = error.get("name") if isinstance(error, dict) else "no success"
            return FAILED.found(f"{event}: {str(name)[:40]}")
        answers = [frame for frame in client.waiting if frame.get("from") == "server"]
        if not all(map(_is_readable, answers)):
            return BAD_ANSWER.found(f"{event}: a message without dataType or data")
        told.append(f"{event}: {len(answers) or 'no'} answer{'' if len(answers) == 1 else 's'}")
    return passed(", ".join(told))


def _is_readable(frame: Frame) -> bool:
    return frame.get("dataType") in ("text", "json", "binary", "protobuf") and "data" in frame


DISCONNECTED = failure(
    "disconnected",
    cause="A plain WebSocket client is disconnected after its first message, which is the event `message`.",
    mend=(
        "The hub needs an event handler whose user event pattern takes `message`, and the upstream has to answer 2xx: "
        "1011 means that it did not."
    ),
)
RAW_PATIENCE = 2.0


@group.check("raw", "A message of a plain WebSocket client is handled", DISCONNECTED, needs=["events.handled"])
async def raw(visit: ClientVisit) -> Verdict:
    """There is no ack: what does not close soon lives."""
    client = await visit.dial(visit.token())
    if isinstance(client, Answer):
        raise Found(DISCONNECTED.found(f"{client}"))
    await client.socket.say("How do you do?")
    heard = await client.socket.hear(min(RAW_PATIENCE, visit.patience_seconds))
    if isinstance(heard, Closed):
        return DISCONNECTED.found(f"closed with {heard.code} {heard.reason}".rstrip())
    return passed("the connection stays" if heard is None else "something came back")
