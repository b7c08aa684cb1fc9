"""What clients of json.webpubsub.azure.v1 say, and what they are told (spec/service.md 3)."""

import base64
from typing import Any

from app.doctor.client.visit import Client, ClientVisit, Frame
from app.doctor.registry import Group
from app.doctor.verdicts import Found, Problem, Verdict, failure, passed, warning

group: Group[ClientVisit] = Group("frames", "Groups and messages", needs=["handshake.greeting"])

NOT_ALLOWED = warning(
    "not-allowed",
    cause="A command was refused although the token has every role, so what it does cannot be looked at.",
    mend=(
        "A `connect` handler that answers `roles` replaces those of the token. If it does not mean to, let it leave "
        "`roles` out."
    ),
)
WRONG_MESSAGE = failure(
    "wrong-message",
    cause="A message came back changed.",
    mend="Nothing in an application touches messages of a group: look for what stands between client and service.",
)


@group.check("ping", "A ping is answered")
async def ping(visit: ClientVisit) -> Verdict:
    client = await visit.client()
    await client.say(type="ping")
    await client.expect(type="pong")
    return passed("pong")


@group.check("publish", "A member hears what it publishes, as it was", NOT_ALLOWED, WRONG_MESSAGE)
async def publish(visit: ClientVisit) -> Verdict:
    client, name = await _member(visit)
    contents: tuple[tuple[str, Any], ...] = (
        ("text", "How do you do? 博士"),
        ("json", {"n": 1, "list": [None, True, "🩺"]}),
        ("binary", base64.b64encode(bytes(range(256))).decode()),
    )
    for kind, data in contents:
        await _succeed(client, type="sendToGroup", group=name, dataType=kind, data=data)
        frame = await client.expect(type="message", group=name)
        came = (frame.get("from"), frame.get("dataType"), frame.get("data"))
        if came != ("group", kind, data):
            return WRONG_MESSAGE.found(f"{kind} came back otherwise")
    return passed("text, json and binary")


SENDER_UNKNOWN = warning(
    "sender-unknown",
    cause="A message does not tell who sent it, so applications cannot show it.",
    mend="See what the upstream answers to connect as `userId`.",
)


@group.check("between", "A member hears what another publishes, and who it was", SENDER_UNKNOWN, NOT_ALLOWED)
async def between(visit: ClientVisit) -> Verdict:
    reader, name = await _member(visit)
    writer = await visit.client()
    await _succeed(writer, type="sendToGroup", group=name, dataType="text", data="How do you do?")
    frame = await reader.expect(type="message", group=name)
    if frame.get("fromUserId") != writer.connected.get("userId"):
        return SENDER_UNKNOWN.found(f"fromUserId {str(frame.get('fromUserId'))[:40]}")
    return passed("with the sender's user id")


ECHOED = failure(
    "echoed",
    cause="A message that was sent with noEcho came back to its sender, who shows it twice.",
    mend="Nothing in an application can cause this: report it to the service.",
)


@group.check("no-echo", "With noEcho the sender does not hear itself", ECHOED, NOT_ALLOWED)
async def no_echo(visit: ClientVisit) -> Verdict:
    client, name = await _member(visit)
    await _succeed(client, type="sendToGroup", group=name, dataType="text", data="quiet", noEcho=True)
    await _succeed(client, type="sendToGroup", group=name, dataType="text", data="loud")
    frame = await client.expect(type="message", group=name)
    return ECHOED.found("it came back") if frame.get("data") == "quiet" else passed("the next message came, not this")


STILL_MEMBER = failure(
    "still-member",
    cause="A client that has left a group still hears it.",
    mend="Nothing in an application can cause this: report it to the service.",
)


@group.check("leave", "Who has left a group does not hear it", STILL_MEMBER, NOT_ALLOWED)
async def leave(visit: ClientVisit) -> Verdict:
    client, name = await _member(visit)
    await _succeed(client, type="leaveGroup", group=name)
    await _succeed(client, type="sendToGroup", group=name, dataType="text", data="How do you do?")
    await client.say(type="ping")
    await client.expect(type="pong")
    if any(frame.get("group") == name for frame in client.waiting):
        return STILL_MEMBER.found("a message of the group came")
    return passed("nothing came")


RAN_TWICE = failure(
    "ran-twice",
    cause="A command that came twice with one ackId was done twice. Clients repeat when they did not hear the ack.",
    mend="Nothing in an application can cause this: report it to the service.",
)


@group.check("duplicate", "A command with an ackId that was used is answered Duplicate", RAN_TWICE, NOT_ALLOWED)
async def duplicate(visit: ClientVisit) -> Verdict:
    client, name = await _member(visit)
    message: Frame = {"type": "sendToGroup", "group": name, "dataType": "text", "data": "once", "ackId": 4711}
    await _succeed(client, **message)
    ack = await client.ask(**message)
    error = _error_of(ack)
    return passed("Duplicate") if error == "Duplicate" else RAN_TWICE.found(f"{error or 'success'}")


UNPROTECTED = failure(
    "unprotected",
    cause="A client without any role joined a group: every client can read every group.",
    mend="A `connect` handler may have given it the role: see what it answers as `roles`. Else report it.",
)


@group.check("forbidden", "Without a role nobody joins a group, and the connection lives on", UNPROTECTED)
async def forbidden(visit: ClientVisit) -> Verdict:
    client = await visit.client(role=[])
    ack = await client.ask(type="joinGroup", group=visit.group())
    if ack.get("success"):
        return UNPROTECTED.found("the join succeeded")
    await client.say(type="ping")
    await client.expect(type="pong")
    return passed(_error_of(ack))


TOLERATED = warning(
    "tolerated",
    cause="A frame that is no JSON does not end the connection; mistakes of a client stay hidden.",
    mend="Azure closes with 1007; test your clients against that too.",
)


@group.check("malformed", "A frame that is no JSON ends the connection with 1007", TOLERATED)
async def malformed(visit: ClientVisit) -> Verdict:
    client = await visit.client()
    await client.socket.say("{doctor")
    closed = await client.hear_end()
    if closed is None:
        return TOLERATED.found("nothing happened")
    return passed("1007") if closed.code == 1007 else TOLERATED.found(f"closed with {closed.code}")


async def _member(visit: ClientVisit) -> tuple[Client, str]:
    client, name = await visit.client(), visit.group()
    await _succeed(client, type="joinGroup", group=name)
    return client, name


async def _succeed(client: Client, **frame: Any) -> None:
    ack = await client.ask(**frame)
    if ack.get("success") is not True:
        raise Found(_refusal(NOT_ALLOWED, frame, ack))


def _refusal(problem: Problem, frame: Frame, ack: Frame) -> Verdict:
    return problem.found(f"{frame['type']}: {_error_of(ack)}")


def _error_of(ack: Frame) -> str:
    """The name of the error; empty where there is none."""
    error = ack.get("error")
    return str(error.get("name"))[:40] if isinstance(error, dict) else ""
