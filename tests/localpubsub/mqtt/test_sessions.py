"""Sessions that outlive their client (spec/service.md 7.5)."""

import json
from dataclasses import replace
from typing import Any

import pytest

from localpubsub.engine.hub import Hub
from localpubsub.engine.mqtt_sessions import FULL
from localpubsub.engine.outbound import CONTROL_LIMIT, TOO_SLOW, Close
from localpubsub.protocol.messages import DataType, Message, Payload
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V3, V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import ConnectReturn, Reason
from tests.localpubsub.mqtt.stage import COMING_BACK, HANDLER, Client, Stage, come_back, payloads, refuse

LASTING: dict[str, Any] = {"properties": Properties(session_expiry=20)}
WILL = p.Will("wills", b"gone", 1)


def send(stage: Stage, group: str, data: str) -> None:
    message = Message(Payload(DataType.BINARY, data.encode()), group)
    Hub.deliver(stage.hub.group(group), message)


def farewell(stage: Stage, number: int = -1) -> dict[str, Any]:
    events = [event for event in stage.upstream.events if event.name == "disconnected"]
    body: dict[str, Any] = json.loads(events[number].body)
    return body


async def test_a_session_keeps_groups_messages_and_what_was_half_done() -> None:
    stage = Stage()
    client = await stage.connected(**LASTING)
    await client.send(p.Subscribe(1, (p.Subscription("g", 2),)), p.Publish("x", b"", 2, 9))
    send(stage, "g", "unacknowledged")
    client.drop()
    for qos in (0, 1):
        sender = await stage.connected("other")
        await sender.send(p.Publish("g", b"while away", qos, qos))

    client, present, missed = await come_back(stage)

    assert present
    assert payloads(missed) == [b"unacknowledged", b"while away"]
    assert [one.dup for one in missed if isinstance(one, p.Publish)] == [True, False]
    assert await client.send(p.Publish("x", b"", 2, 9, dup=True)) == [p.PubRec(9)]
    assert await client.send(p.PubRel(9)) == [p.PubComp(9)]


async def test_who_came_back_in_time_stays() -> None:
    stage = Stage()
    client = await stage.connected(**LASTING)
    client.drop()
    stage.time.advance(19)

    client, _, _ = await come_back(stage)
    stage.time.advance(60)

    assert stage.session() is not None
    assert await client.send(p.PingReq()) == [p.PingResp()]


async def test_a_session_of_3_1_1_lasts_half_a_minute() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(version=V3, clean_start=False)
    await client.send(p.Subscribe(1, (p.Subscription("g", 1),)), p.Disconnect())
    send(stage, "g", "hi")
    stage.time.advance(29)
    again = p.Connect("buoy7", V3, False, 60)

    client, present, missed = await come_back(stage, again)
    client.drop()
    stage.time.advance(30)
    _, still, _ = await come_back(stage, again)

    await stage.settle()
    assert (present, missed) == (True, [p.Publish("g", b"hi", 1, 1)])
    assert not still
    assert stage.upstream.names.count("connected") == 2
    assert stage.upstream.names.count("disconnected") == 1


async def test_a_clean_session_ends_with_its_transport() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(version=V3)
    client.drop()

    assert stage.session() is None
    await stage.settle()
    assert stage.upstream.names == ["connect", "connected", "disconnected"]


async def test_user_roles_and_groups_are_those_of_the_first_connect() -> None:
    stage = Stage()
    client = await stage.connected(user="ivy", roles=(), groups=("g",), **LASTING)
    client.drop()

    client, present, _ = await come_back(stage, user="mia", groups=("other",))

    session = stage.session()
    assert present
    assert session is not None
    assert (session.user_id, set(session.groups)) == ("ivy", {"g"})
    assert await client.send(p.Publish("g", b"", 1, 1)) == [p.PubAck(1, Reason.NOT_AUTHORIZED)]
    assert not stage.hub.user("mia")


async def test_a_session_may_be_resumed_with_another_version() -> None:
    stage = Stage()
    client = await stage.connected(groups=("g",), **LASTING)
    client.drop()
    send(stage, "g", "hi")

    _, present, missed = await come_back(stage, p.Connect("buoy7", V3, False, 60))

    assert present
    assert missed == [p.Publish("g", b"hi", 1, 1)]


async def test_a_clean_start_forgets() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(groups=("g",), **LASTING)
    client.drop()
    send(stage, "g", "hi")

    _, present, missed = await come_back(stage, replace(COMING_BACK, clean_start=True))

    await stage.settle()
    session = stage.session()
    assert (present, missed) == (False, [])
    assert session is not None
    assert not session.groups
    sessions = {event.mqtt.session_id for event in stage.upstream.events if event.mqtt and event.name == "connected"}
    assert len(sessions) == 2
    assert stage.upstream.names.count("disconnected") == 1


async def test_a_second_client_with_the_id_takes_over() -> None:
    stage = Stage(handlers=(HANDLER,))
    first = await stage.connected(groups=("g",), **LASTING)
    send(stage, "g", "hi")
    first.received()

    second, present, missed = await come_back(stage)
    first.engine.silent()
    first.drop()

    assert first.received() == [p.Disconnect(Reason.SESSION_TAKEN_OVER)]
    assert first.closed == Close(1000)
    assert present
    assert payloads(missed) == [b"hi"]
    assert second.received() == []
    send(stage, "g", "live")
    assert payloads(second.received()) == [b"live"]
    await stage.settle()
    assert "disconnected" not in stage.upstream.names


async def test_a_clean_start_takes_the_id_and_ends_the_session() -> None:
    stage = Stage(handlers=(HANDLER,))
    first = await stage.connected()
    second = await stage.connected()
    first.drop()

    assert first.received() == [p.Disconnect(Reason.SESSION_TAKEN_OVER)]
    assert await second.send(p.PingReq()) == [p.PingResp()]
    await stage.settle()
    assert stage.upstream.names.count("disconnected") == 1
    packet = {"code": 0x8E, "userProperties": None}
    assert farewell(stage) == {"reason": None, "mqtt": {"initiatedByClient": False, "disconnectPacket": packet}}


async def test_3_1_1_is_taken_over_without_a_word() -> None:
    stage = Stage()
    first = await stage.connected(version=V3)
    await stage.connected()

    assert first.received() == []
    assert first.closed == Close(1000)


async def test_the_id_of_a_client_that_does_not_speak_mqtt_is_taken() -> None:
    stage = Stage()
    connection = await stage.service.connect("den", stage.knock("abc123"), Client(stage, stage.knock(), "den").outbound)
    stage.service.open(connection)
    for version, code in ((V5, Reason.CLIENT_IDENTIFIER_NOT_VALID), (V3, ConnectReturn.IDENTIFIER_REJECTED)):
        client = stage.client()
        (answer,) = await client.send(p.Connect("abc123", version, keep_alive=60))
        assert isinstance(answer, p.ConnAck)
        assert answer.code == code
        assert client.closed == Close(1000)
    assert stage.hub.connections["abc123"] is connection


async def test_a_disconnect_may_shorten_the_session_or_end_it() -> None:
    stage = Stage()
    for expiry, is_there in ((0, False), (10, True)):
        client = await stage.connected(**LASTING)
        await client.send(p.Disconnect(properties=Properties(session_expiry=expiry)))
        assert (stage.session() is not None) is is_there
    stage.time.advance(9)
    assert stage.session() is not None
    stage.time.advance(1)
    assert stage.session() is None


async def test_an_expired_session_is_over_and_says_so() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(groups=("g",), **LASTING)
    client.drop()
    stage.time.advance(20)
    await stage.settle()

    assert not stage.hub.group("g")
    assert farewell(stage) == {
        "reason": "The session expired.", "mqtt": {"initiatedByClient": False, "disconnectPacket": None}
    }  # fmt: skip


@pytest.mark.parametrize(
    ("version", "packet", "expected"),
    [
        (V3, p.Disconnect(), {"code": 0, "userProperties": None}),
        (V5, p.Disconnect(), {"code": 0, "userProperties": None}),
        (
            V5,
            p.Disconnect(Reason.DISCONNECT_WITH_WILL, Properties(user_properties=(("a", "b"), ("a", "c")))),
            {"code": 4, "userProperties": [{"name": "a", "value": "b"}, {"name": "a", "value": "c"}]},
        ),
    ],
)
async def test_the_upstream_hears_how_the_client_left(
    version: int, packet: p.Disconnect, expected: dict[str, Any]
) -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(version=version)
    assert await client.send(packet) == []
    await stage.settle()

    assert client.closed == Close(1000)
    assert farewell(stage) == {"reason": None, "mqtt": {"initiatedByClient": True, "disconnectPacket": expected}}


async def test_the_upstream_hears_why_the_client_was_hung_up_on() -> None:
    stage = Stage(handlers=(HANDLER,))
    five, three = await stage.connected("five"), await stage.connected("three", version=V3)
    for client in (five, three):
        await client.send(p.PingResp())
        client.drop()
        await stage.settle()

    text, packet = "a client does not send PingResp", {"code": 0x82, "userProperties": None}
    assert farewell(stage, 0) == {"reason": text, "mqtt": {"initiatedByClient": False, "disconnectPacket": packet}}
    assert farewell(stage, 1) == {"reason": text, "mqtt": {"initiatedByClient": False, "disconnectPacket": None}}


async def test_a_client_closed_by_rest_is_told_and_gone() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(**LASTING)
    session = stage.session()
    assert session is not None
    stage.hub.close(session, "go away", Close(1000))
    assert client.received() == [p.Disconnect(Reason.ADMINISTRATIVE_ACTION, Properties(reason_string="go away"))]
    client.drop()
    await stage.settle()

    packet = {"code": 0x98, "userProperties": None}
    assert farewell(stage) == {"reason": "go away", "mqtt": {"initiatedByClient": False, "disconnectPacket": packet}}
    assert not (await come_back(stage))[1]


async def test_a_session_closed_while_its_client_is_away_ends_at_once() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(will=WILL, **LASTING)
    client.drop()
    session = stage.session()
    assert session is not None
    stage.hub.close(session, "go away", Close(1000))
    await stage.settle()

    assert stage.time.pending == 0
    assert farewell(stage)["reason"] == "go away"
    assert stage.upstream.names.count("disconnected") == 1


async def test_too_much_for_a_client_that_is_away_ends_its_session() -> None:
    stage = Stage(handlers=(HANDLER,))
    client = await stage.connected(groups=("g",), **LASTING)
    client.drop()
    for number in range(1001):
        send(stage, "g", str(number))
    await stage.settle()

    assert stage.session() is None
    assert farewell(stage)["reason"] == "The message buffer of the session is full."


async def test_too_much_for_a_client_that_does_not_acknowledge_ends_it_too() -> None:
    stage = Stage()
    client = await stage.connected(groups=("g",), properties=Properties(receive_maximum=1, session_expiry=20))
    for number in range(1001):
        send(stage, "g", str(number))

    assert client.received()[-1] == p.Disconnect(Reason.QUOTA_EXCEEDED)
    assert client.closed is not None
    assert client.closed.code == 1008
    assert stage.session() is None


async def test_a_full_session_is_answered_and_told_when_there_is_too_much() -> None:
    stage = Stage()
    client = await stage.connected(groups=("g",))
    for _ in range(16):
        send(stage, "g", "x" * 1024 * 1024)
    await client.engine.receive(encode(p.PingReq(), V5))
    assert client.closed is None

    send(stage, "g", "x")

    assert client.closed == Close(1008, FULL)
    unread = [frame.data for frame in iter(client.outbound.take, None)]
    last = (p.PingResp(), p.Disconnect(Reason.QUOTA_EXCEEDED))
    assert unread[16:] == [encode(packet, V5) for packet in last]


async def test_acks_of_what_was_never_read_do_not_make_room_without_end() -> None:
    stage = Stage()
    client = await stage.connected(groups=("g",))
    for number in range(CONTROL_LIMIT):
        send(stage, "g", "x")
        await client.engine.receive(encode(p.PubAck(number + 1), V5))
    assert client.closed is None

    send(stage, "g", "x")

    assert client.closed == TOO_SLOW


async def test_a_stop_says_goodbye_to_all_and_ends_all() -> None:
    stage = Stage(handlers=(HANDLER,))
    away, here = await stage.connected("away", **LASTING), await stage.connected("here", **LASTING)
    away.drop()
    stage.mqtt.sessions.close_all("service reload")
    assert here.received() == [p.Disconnect(Reason.SERVER_SHUTTING_DOWN)]
    assert here.closed == Close(1001, "service reload")
    here.drop()
    await stage.settle()

    assert not stage.hub.connections
    assert stage.upstream.names.count("disconnected") == 2
    assert farewell(stage)["reason"] == "service reload"


async def test_a_refused_connect_leaves_the_session_alone() -> None:
    stage = Stage(handlers=(HANDLER,))
    first = await stage.connected(**LASTING)
    await stage.settle()
    stage.upstream.answer = refuse(401)
    second = stage.client()

    (answer,) = await second.send(COMING_BACK)

    assert isinstance(answer, p.ConnAck)
    assert answer.code == Reason.NOT_AUTHORIZED
    second.drop()
    assert await first.send(p.PingReq()) == [p.PingResp()]
    await stage.settle()
    assert stage.upstream.names == ["connect", "connected", "connect"]
