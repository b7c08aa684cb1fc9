"""The reliable protocol: a network that fails costs no message (spec/service.md 4)."""

from app.doctor.client.visit import RELIABLE_SUBPROTOCOL, Client, ClientVisit
from app.doctor.exchange import Answer
from app.doctor.registry import Group
from app.doctor.verdicts import Found, Verdict, failure, passed, warning

group: Group[ClientVisit] = Group("recovery", "Recovery", needs=["handshake.reliable", "frames.publish"])

BAD_SEQUENCE = failure(
    "bad-sequence",
    cause="Messages are not numbered 1, 2, 3; clients cannot tell what they have missed, and drop the rest.",
    mend="Nothing in an application can cause this: report it to the service.",
)


@group.check("sequence", "Messages are numbered one by one", BAD_SEQUENCE)
async def sequence(visit: ClientVisit) -> Verdict:
    reader, name = await _reader(visit)
    writer = await visit.client()
    for text in ("one", "two", "three"):
        await writer.ask(type="sendToGroup", group=name, dataType="text", data=text)
    numbers = [(await reader.expect(type="message")).get("sequenceId") for _ in range(3)]
    if numbers != [1, 2, 3]:
        return BAD_SEQUENCE.found(", ".join(str(number)[:20] for number in numbers))
    await reader.say(type="sequenceAck", sequenceId=3)
    return passed("1, 2, 3")


NOT_RECOVERED = failure(
    "not-recovered",
    cause="A client whose network failed for a moment is not taken back; its SDK starts a new connection instead.",
    mend="Behind a proxy or several replicas, make sure that the same service is reached again.",
)
LOST = failure(
    "lost",
    cause="A message that was published while the network was down did not come after the recovery.",
    mend="Nothing in an application can cause this: report it to the service.",
)


@group.check("resume", "After a broken connection nothing is missing", NOT_RECOVERED, LOST)
async def resume(visit: ClientVisit) -> Verdict:
    reader, name = await _reader(visit)
    writer = await visit.client()
    await writer.ask(type="sendToGroup", group=name, dataType="text", data="heard")
    heard = await reader.expect(type="message", data="heard")
    await reader.say(type="sequenceAck", sequenceId=heard.get("sequenceId"))
    await reader.socket.drop()
    await writer.ask(type="sendToGroup", group=name, dataType="text", data="missed")
    again = await _recovered(visit, reader.id, str(reader.connected.get("reconnectionToken")))
    greeting = await again.expect(type="system", event="connected")
    if greeting.get("connectionId") != reader.id:
        return NOT_RECOVERED.found("another connection id")
    await again.say(type="ping")
    await again.expect(type="pong")
    if not any(frame.get("data") == "missed" for frame in again.waiting):
        return LOST.found("it did not come")
    return passed("the same connection, and the message it missed")


async def _recovered(visit: ClientVisit, connection_id: str, token: str) -> Client:
    again = await visit.dial(visit.token(), RELIABLE_SUBPROTOCOL, connection_id=connection_id, reconnection_token=token)
    if isinstance(again, Answer):
        raise Found(NOT_RECOVERED.found(f"{again}"))
    return again


TAKEN_OVER = failure(
    "taken-over",
    cause="A connection can be taken over with a reconnection token that is not its own, and its messages be read.",
    mend="Report it: the token must be checked.",
)
ODD_REFUSAL = warning(
    "odd-refusal",
    cause="SDKs stop trying to recover on close code 1008; on anything else they go on for half a minute.",
    mend="See whether a proxy in front of the service answers in its place.",
)


@group.check("refused", "A wrong reconnection token is refused with 1008", TAKEN_OVER, ODD_REFUSAL)
async def refused(visit: ClientVisit) -> Verdict:
    reader, _ = await _reader(visit)
    came = await visit.dial(
        visit.token(), RELIABLE_SUBPROTOCOL, connection_id=reader.id, reconnection_token=visit.group()
    )
    if isinstance(came, Answer):
        return ODD_REFUSAL.found(f"{came}")
    closed = await came.hear_end()
    if closed is None:
        return TAKEN_OVER.found("the connection stays")
    return passed("1008") if closed.code == 1008 else ODD_REFUSAL.found(f"closed with {closed.code}")


async def _reader(visit: ClientVisit) -> tuple[Client, str]:
    client, name = await visit.client(RELIABLE_SUBPROTOCOL), visit.group()
    ack = await client.ask(type="joinGroup", group=name)
    if ack.get("success") is not True:
        raise Found(NOT_RECOVERED.found("a reliable client may not join a group"))
    return client, name
