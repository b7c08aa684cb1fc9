"""What an upstream hears of MQTT clients, and what its answers do (spec/service.md 7.4, 7.7)."""

import asyncio
import json
from typing import Any

import pytest

from localpubsub.engine.mqtt_publishing import EVENT_LIMIT
from localpubsub.engine.outbound import Close
from localpubsub.engine.upstream import UpstreamAnswer
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.packets import V3, V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import ConnectReturn, Reason
from tests.localpubsub.mqtt.stage import HANDLER, Client, Stage, refuse

ROLL = "$webpubsub/server/events/roll"


def staged() -> Stage:
    return Stage(handlers=(HANDLER,))


def answering(**answers: UpstreamAnswer) -> Any:
    return lambda event: answers.get(event.name, UpstreamAnswer(status=204))


async def answers_to(stage: Stage, client: Client, *packets: p.Packet) -> list[p.Packet]:
    """Those that the upstream's answers become are among them."""
    at_once = await client.send(*packets)
    await stage.settle()
    return at_once + client.received()


@pytest.mark.parametrize("version", [V3, V5])
async def test_connect_says_what_the_packet_said(version: int) -> None:
    stage = staged()
    own = Properties(user_properties=(("zone", "a"), ("zone", "b"))) if version == V5 else Properties()
    await stage.connected(version=version, username="u", password=b"\xff", clean_start=False, properties=own)

    connect = stage.upstream.events[0]
    assert (connect.name, connect.event_id, connect.connection_id) == ("connect", 0, "buoy7")
    assert connect.subprotocol == "mqtt"
    assert connect.mqtt is not None
    assert connect.mqtt.session_id is None
    body = json.loads(connect.body)
    assert body["subprotocols"] == ["mqtt"]
    pairs = [{"name": "zone", "value": "a"}, {"name": "zone", "value": "b"}]
    assert body["mqtt"] == {
        "protocolVersion": version,
        "cleanStart": False,
        "username": "u",
        "password": "/w==",
        "userProperties": pairs if version == V5 else None,
    }


async def test_what_a_connect_left_out_is_null() -> None:
    stage = staged()
    await stage.connected()

    mqtt = json.loads(stage.upstream.events[0].body)["mqtt"]
    assert (mqtt["username"], mqtt["password"], mqtt["userProperties"]) == (None, None, None)


async def test_the_events_of_a_session_belong_together() -> None:
    stage = staged()
    client = await stage.connected(properties=Properties(session_expiry=20))
    await client.send(p.Publish(ROLL, b""))
    await stage.settle()
    client.drop()
    again = stage.client()
    await again.send(p.Connect("buoy7", V5, False, 60))
    await again.send(p.Publish(ROLL, b""), p.Disconnect())
    await stage.settle()

    assert stage.upstream.names == ["connect", "connected", "roll", "connect", "roll", "disconnected"]
    contexts = [event.mqtt for event in stage.upstream.events if event.mqtt is not None]
    assert len({context.session_id for context in contexts} - {None}) == 1
    assert len({context.physical_connection_id for context in contexts}) == 2
    assert [event.event_id for event in stage.upstream.events] == [0, 1, 2, 0, 3, 4]
    assert all(event.subprotocol == "mqtt" for event in stage.upstream.events)


async def test_the_upstream_decides_who_the_client_is() -> None:
    stage = staged()
    decision = {
        "userId": "mia", "groups": ["g"], "roles": ["webpubsub.sendToGroup.g"], "subprotocol": "mqtt",
        "mqtt": {"userProperties": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}, {"name": 3}]},
    }  # fmt: skip
    stage.upstream.answer = answering(
        connect=UpstreamAnswer(json.dumps(decision).encode(), state="s", cookies={"c": "1"})
    )
    client = stage.client(groups=("token",))

    (connack,) = await client.send(p.Connect("buoy7", keep_alive=60))

    assert isinstance(connack, p.ConnAck)
    assert connack.properties.user_properties == (("a", "1"), ("a", "2"))
    session = stage.session()
    assert session is not None
    assert (session.user_id, set(session.groups)) == ("mia", {"g"})
    assert (await client.send(p.Publish("g", b"x", 1, 1)))[0] == p.PubAck(1)
    await client.send(p.Publish(ROLL, b""))
    await stage.settle()
    roll = stage.upstream.events[-1]
    assert (roll.user_id, roll.state, dict(roll.cookies)) == ("mia", "s", {"c": "1"})


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"userId":null,"groups":[]}'])
async def test_an_upstream_without_an_opinion_leaves_the_token_as_it_is(body: bytes) -> None:
    stage = staged()
    stage.upstream.answer = answering(connect=UpstreamAnswer(body))
    await stage.connected(user="ivy", groups=("g",))

    session = stage.session()
    assert session is not None
    assert (session.user_id, set(session.groups)) == ("ivy", {"g"})


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{",
        b'{"userId":1}',
        b'{"userId":"\\ud800"}',
        b'{"groups":[" "]}',
        b'{"groups":["\\ud800"]}',
        b'{"roles":"x"}',
        b'{"mqtt":1}',
    ],
)
async def test_an_answer_that_is_none_lets_nobody_in(body: bytes) -> None:
    stage = staged()
    stage.upstream.answer = answering(connect=UpstreamAnswer(body))
    for version, code in ((V5, Reason.UNSPECIFIED_ERROR), (V3, ConnectReturn.SERVER_UNAVAILABLE)):
        client = stage.client()
        assert await client.send(p.Connect("buoy7", version, keep_alive=60)) == [p.ConnAck(code)]
        assert client.closed == Close(1000)
    assert stage.session() is None


async def test_a_refusal_reaches_the_client_in_its_own_words() -> None:
    stage = staged()
    members = {"code": 138, "reason": "device retired", "userProperties": [{"name": "ticket", "value": "88"}]}
    stage.upstream.answer = refuse(403, json.dumps({"mqtt": members}).encode())

    answers = [await stage.client().send(p.Connect("buoy7", version, keep_alive=60)) for version in (V5, V3)]

    told = Properties(reason_string="device retired", user_properties=(("ticket", "88"),))
    assert answers == [[p.ConnAck(Reason.BANNED, properties=told)], [p.ConnAck(ConnectReturn.SERVER_UNAVAILABLE)]]
    assert not stage.hub.connections


@pytest.mark.parametrize("code", ["", '"code":"135"', '"code":135.0', '"code":true', '"code":null', '"code":9'])
async def test_a_code_that_is_missing_or_makes_no_sense_is_an_unspecified_error(code: str) -> None:
    stage = staged()
    stage.upstream.answer = refuse(401, f'{{"mqtt":{{{code}}}}}'.encode())

    assert await stage.client().send(p.Connect("buoy7", keep_alive=60)) == [p.ConnAck(Reason.UNSPECIFIED_ERROR)]
    assert await stage.client().send(p.Connect("buoy7", V3, keep_alive=60)) == [
        p.ConnAck(ConnectReturn.SERVER_UNAVAILABLE)
    ]


@pytest.mark.parametrize("body", [b"", b"no", b'{"mqtt":"no"}'])
async def test_a_refusal_without_a_code_goes_by_its_status(body: bytes) -> None:
    stage = staged()
    stage.upstream.answer = refuse(400, body)

    assert await stage.client().send(p.Connect("buoy7", keep_alive=60)) == [p.ConnAck(Reason.BAD_USER_NAME_OR_PASSWORD)]
    assert await stage.client().send(p.Connect("buoy7", V3, keep_alive=60)) == [
        p.ConnAck(ConnectReturn.BAD_USER_NAME_OR_PASSWORD)
    ]


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_the_answer_to_an_event_comes_back_as_it_went(qos: int) -> None:
    stage = staged()
    answer = UpstreamAnswer(b"4", "text/plain", user_properties=(("trace", "t9"),))
    stage.upstream.answer = answering(roll=answer)
    client = await stage.connected(roles=())
    request = Properties(
        content_type="image/png", correlation_data=b"\x09", user_properties=(("zone", "a"),), response_topic="ignored"
    )

    packets = await answers_to(stage, client, p.Publish(ROLL, b"d6", qos, 5 if qos else 0, properties=request))

    acknowledgements: list[list[p.Packet]] = [[], [p.PubAck(5)], [p.PubRec(5)]]
    properties = Properties(
        payload_format=1,
        content_type="text/plain",
        correlation_data=b"\x09",
        user_properties=(("trace", "t9"), ("azure-status-code", "200")),
    )
    reply = p.Publish(f"{ROLL}/succeeded", b"4", qos, 1 if qos else 0, properties=properties)
    assert packets == [*acknowledgements[qos], reply]
    event = stage.upstream.events[-1]
    assert (event.body, event.content_type, dict(event.headers)) == (b"d6", "image/png", {"mqtt-zone": "a"})


async def test_3_1_1_gets_the_answer_by_its_topic() -> None:
    stage = staged()
    stage.upstream.answer = answering(roll=UpstreamAnswer(b"4", "text/plain"))
    client = await stage.connected(version=V3)

    assert await answers_to(stage, client, p.Publish(ROLL, b"d6")) == [p.Publish(f"{ROLL}/succeeded", b"4")]
    assert stage.upstream.events[-1].content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("refused", "status", "body"),
    [(refuse(403, b"no", content_type="text/plain"), "403", b"no"), (refuse(500), "500", b"")],
)
async def test_a_failure_is_an_answer_too(refused: Any, status: str, body: bytes) -> None:
    stage = staged()
    client = await stage.connected()
    stage.upstream.answer = refused

    (reply,) = await answers_to(stage, client, p.Publish(ROLL, b"d6"))

    assert isinstance(reply, p.Publish)
    assert (reply.topic, reply.payload) == (f"{ROLL}/failed", body)
    assert reply.properties.user_properties == (("azure-status-code", status),)
    assert client.closed is None


async def test_an_event_nobody_takes_has_failed() -> None:
    stage = Stage()
    client = await stage.connected()

    (reply,) = await answers_to(stage, client, p.Publish(ROLL, b"d6"))

    assert isinstance(reply, p.Publish)
    assert reply.topic == f"{ROLL}/failed"


async def test_other_packets_do_not_wait_for_an_event_but_other_events_do() -> None:
    stage = staged()
    gate = stage.upstream.hold("roll")
    client = await stage.connected()
    one, two = p.Publish(ROLL, b"1"), p.Publish(ROLL, b"2")
    assert await client.send(one, two, p.PingReq()) == [p.PingResp()]

    await stage.upstream.wait_for("roll")
    assert stage.upstream.names.count("roll") == 1
    gate.set()
    await stage.settle()
    assert [event.body for event in stage.upstream.events if event.name == "roll"] == [b"1", b"2"]


async def test_more_events_than_wait_are_not_read() -> None:
    stage = staged()
    gate = stage.upstream.hold("roll")
    client = await stage.connected()
    for _ in range(EVENT_LIMIT):
        await client.send(p.Publish(ROLL, b""))

    one_more = asyncio.create_task(client.send(p.Publish(ROLL, b"")))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not one_more.done()
    gate.set()
    await asyncio.wait_for(one_more, 5)
    await stage.settle()
    assert stage.upstream.names.count("roll") == EVENT_LIMIT + 1


async def test_the_answer_waits_for_a_client_that_is_away() -> None:
    stage = staged()
    gate = stage.upstream.hold("roll")
    client = await stage.connected(properties=Properties(session_expiry=20))
    await client.send(p.Publish(ROLL, b"", 1, 1))
    client.drop()
    gate.set()
    await stage.settle()

    _, reply = await stage.client().send(p.Connect("buoy7", V5, False, 60))

    assert isinstance(reply, p.Publish)
    assert reply.topic == f"{ROLL}/succeeded"


async def test_the_end_is_told_after_the_events() -> None:
    stage = staged()
    gate = stage.upstream.hold("roll")
    client = await stage.connected()
    await client.send(p.Publish(ROLL, b"1"), p.Publish(ROLL, b"2"), p.Disconnect())
    gate.set()
    await stage.settle()

    assert stage.upstream.names == ["connect", "connected", "roll", "roll", "disconnected"]


async def test_two_at_the_door_with_one_id_do_not_both_get_in() -> None:
    """The second is asked for while the first still waits for its answer."""
    stage = staged()
    gate = stage.upstream.hold("connect")
    clients = [stage.client(), stage.client()]
    tasks = [asyncio.create_task(client.send(p.Connect("buoy7", keep_alive=60))) for client in clients]
    await stage.upstream.wait_for("connect", 2)
    gate.set()
    results = await asyncio.gather(*tasks)

    assert [type(one) for result in results for one in result].count(p.ConnAck) == 2
    assert [client.closed for client in clients].count(Close(1000)) == 1
    assert len(stage.hub.connections) == 1
