"""What MQTT clients may do, and what they are told (spec/service.md 7.2, 7.6)."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.engine.hub import Hub
from localpubsub.engine.outbound import Close
from localpubsub.engine.upstream import UpstreamAnswer
from localpubsub.protocol.messages import DataType, Message, Payload
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V3, V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.roles import Permission
from tests.localpubsub.mqtt.samples import connects, packets
from tests.localpubsub.mqtt.stage import HANDLER, Client, Stage

TEXT = Properties(payload_format=1, content_type="text/plain")
LITTLE = ("webpubsub.sendToGroup.out", "webpubsub.joinLeaveGroup.in")


def text(data: str, group: str | None = None) -> Message:
    return Message(Payload(DataType.TEXT, data.encode()), group)


def dropped_with(client: Client) -> tuple[list[p.Packet], Close | None]:
    return client.received(), client.closed


async def said(client: Client, *packets: p.Packet) -> Reason:
    """Why the service hangs up on it."""
    *_, last = await client.send(*packets)
    assert isinstance(last, p.Disconnect)
    assert client.closed == Close(1000)
    return last.reason


async def test_the_worked_example() -> None:
    client = await Stage().connected()

    assert await client.send(p.Subscribe(1, (p.Subscription("reef.1", 1),))) == [p.SubAck(1, (Reason.GRANTED_QOS_1,))]
    assert await client.send(p.Subscribe(2, (p.Subscription("reef/+"),))) == [
        p.SubAck(2, (Reason.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,))
    ]
    json = Properties(content_type="application/json")
    assert await client.send(p.Publish("reef.1", b'{"t":4}', 1, 3, properties=json)) == [
        p.PubAck(3),
        p.Publish("reef.1", b'{"t":4}', 1, 1, properties=json),
    ]


@pytest.mark.parametrize("version", [V3, V5])
@pytest.mark.parametrize("subscribed", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
async def test_a_message_arrives_with_the_lower_of_two_qualities(version: int, subscribed: int, published: int) -> None:
    client = await Stage().connected(version=version)
    granted = await client.send(p.Subscribe(1, (p.Subscription("t", subscribed),)))
    acknowledgements: list[list[p.Packet]] = [[], [p.PubAck(5)], [p.PubRec(5)]]
    qos = min(subscribed, published)

    answers = await client.send(p.Publish("t", b"x", published, 5 if published else 0))

    assert granted == [p.SubAck(1, (Reason(subscribed),))]
    assert answers == [*acknowledgements[published], p.Publish("t", b"x", qos, 1 if qos else 0)]


async def test_qos_2_is_done_once_however_often_it_is_sent() -> None:
    stage = Stage()
    sender, receiver = await stage.connected("a"), await stage.connected("b", groups=("t",))

    assert await sender.send(p.Publish("t", b"x", 2, 9)) == [p.PubRec(9)]
    assert await sender.send(p.Publish("t", b"x", 2, 9, dup=True)) == [p.PubRec(9)]
    assert receiver.received() == [p.Publish("t", b"x", 1, 1)]
    assert await sender.send(p.PubRel(9)) == [p.PubComp(9)]
    assert await sender.send(p.PubRel(9)) == [p.PubComp(9, Reason.PACKET_IDENTIFIER_NOT_FOUND)]
    assert await sender.send(p.Publish("t", b"y", 2, 9)) == [p.PubRec(9)]
    assert receiver.received() == [p.Publish("t", b"y", 1, 2)]


async def test_a_repeat_of_what_was_taken_is_not_refused() -> None:
    stage = Stage()
    client = await stage.connected()
    await client.send(p.Publish("t", b"x", 2, 9))
    session = stage.session()
    assert session is not None
    session.permissions.revoke(Permission.SEND_TO_GROUP, "t")

    assert await client.send(p.Publish("t", b"x", 2, 9, dup=True)) == [p.PubRec(9)]


async def test_who_is_not_subscribed_hears_nothing_of_its_own_and_no_local_means_it() -> None:
    stage = Stage()
    client, other = await stage.connected("a"), await stage.connected("b")
    assert await client.send(p.Publish("t", b"x")) == []

    await client.send(p.Subscribe(1, (p.Subscription("t", 0, no_local=True),)))
    await other.send(p.Publish("t", b"y"))

    assert await client.send(p.Publish("t", b"x")) == [p.Publish("t", b"y")]


async def test_a_subscription_identifier_comes_with_every_message_of_it() -> None:
    client = await Stage().connected()
    numbered = Properties(subscription_identifiers=(7,))
    await client.send(p.Subscribe(1, (p.Subscription("t"),), numbered))

    assert await client.send(p.Publish("t", b"x")) == [p.Publish("t", b"x", properties=numbered)]
    await client.send(p.Subscribe(2, (p.Subscription("t", 1),)))
    assert await client.send(p.Publish("t", b"x", 1, 1)) == [p.PubAck(1), p.Publish("t", b"x", 1, 1)]


async def test_who_leaves_a_group_forgets_how_it_wanted_to_hear_of_it() -> None:
    stage = Stage()
    client = await stage.connected()
    await client.send(p.Subscribe(1, (p.Subscription("g", 0, no_local=True),)))
    session = stage.session()
    assert session is not None
    stage.hub.leave_all(session)
    stage.hub.join(session, "g")

    assert await client.send(p.Publish("g", b"x", 1, 1)) == [p.PubAck(1), p.Publish("g", b"x", 1, 1)]


async def test_what_a_publisher_says_of_its_message_goes_on_unchanged() -> None:
    stage = Stage()
    sender, receiver = await stage.connected("a"), await stage.connected("b", groups=("t",))
    own = Properties(
        payload_format=1,
        content_type="x/y",
        response_topic="r",
        correlation_data=b"c",
        user_properties=(("a", "1"), ("a", "2")),
    )

    await sender.send(p.Publish("t", b"x", properties=own))

    assert receiver.received() == [p.Publish("t", b"x", properties=own)]


async def test_a_message_with_an_expiry_says_what_is_left_of_it() -> None:
    stage = Stage()
    sender, receiver = (
        await stage.connected("a"),
        await stage.connected("b", groups=("t",), properties=Properties(receive_maximum=1)),
    )
    for packet_id, expiry in ((1, 60), (2, 5), (3, 60)):
        await sender.send(p.Publish("t", b"x", 1, packet_id, properties=Properties(message_expiry=expiry)))
    assert receiver.received() == [p.Publish("t", b"x", 1, 1, properties=Properties(message_expiry=60))]

    stage.time.advance(10)

    assert await receiver.send(p.PubAck(1)) == [p.Publish("t", b"x", 1, 2, properties=Properties(message_expiry=50))]


async def test_what_others_send_arrives_with_what_it_is() -> None:
    stage = Stage()
    client = await stage.connected(groups=("g",))
    Hub.deliver(stage.hub.group("g"), text("hi", "g"))
    Hub.deliver(stage.hub.connections.values(), text("all"))

    assert client.received() == [
        p.Publish("g", b"hi", 1, 1, properties=TEXT),
        p.Publish("$webpubsub/server/messages", b"all", 1, 2, properties=TEXT),
    ]


async def test_3_1_1_gets_topic_and_payload() -> None:
    stage = Stage()
    client = await stage.connected(version=V3, groups=("g",))
    Hub.deliver(stage.hub.group("g"), text("hi", "g"))

    assert client.received() == [p.Publish("g", b"hi", 1, 1)]


async def test_a_group_that_is_no_topic_is_not_heard() -> None:
    stage = Stage()
    client = await stage.connected(groups=("a+b", "$x", "ok"))
    for group in ("a+b", "$x", "ok"):
        Hub.deliver(stage.hub.group(group), text("hi", group))

    assert client.received() == [p.Publish("ok", b"hi", 1, 1, properties=TEXT)]


async def test_those_with_qos_0_share_the_bytes() -> None:
    stage = Stage()
    clients = [await stage.connected(name) for name in "abc"]
    for client in clients:
        await client.send(p.Subscribe(1, (p.Subscription("g"),)))
    Hub.deliver(stage.hub.group("g"), text("hi", "g"))

    frames = [client.outbound.take() for client in clients]

    assert frames[0] is not None
    assert frames[0].data == encode(p.Publish("g", b"hi", properties=TEXT), V5)
    assert frames[0] is frames[1] is frames[2]


async def test_only_what_a_role_allows_is_done() -> None:
    stage = Stage()
    client = await stage.connected(roles=LITTLE, groups=("out", "in"))

    subscribed = await client.send(p.Subscribe(1, (p.Subscription("in"), p.Subscription("out"), p.Subscription(" "))))
    published = await client.send(
        p.Publish("in", b"", 1, 2), p.Publish("in", b"", 2, 3), p.Publish("in", b""), p.PubRel(3)
    )
    left = await client.send(p.Unsubscribe(4, ("in", "out", "in")))

    assert subscribed == [p.SubAck(1, (Reason.SUCCESS, Reason.NOT_AUTHORIZED, Reason.TOPIC_FILTER_INVALID))]
    refused = Reason.NOT_AUTHORIZED
    assert published == [
        p.PubAck(2, refused), p.PubRec(3, refused), p.PubComp(3, Reason.PACKET_IDENTIFIER_NOT_FOUND)
    ]  # fmt: skip
    assert left == [p.UnsubAck(4, (Reason.SUCCESS, refused, Reason.NO_SUBSCRIPTION_EXISTED))]
    session = stage.session()
    assert session is not None
    assert session.groups == {"out"}


async def test_3_1_1_is_told_less_of_it() -> None:
    stage = Stage()
    client = await stage.connected(version=V3, roles=LITTLE, groups=("t",))

    assert await client.send(p.Subscribe(1, (p.Subscription("in", 1), p.Subscription("out"), p.Subscription("#")))) == [
        p.SubAck(1, (Reason.GRANTED_QOS_1, Reason.UNSPECIFIED_ERROR, Reason.UNSPECIFIED_ERROR))
    ]
    assert await client.send(p.Publish("in", b"", 1, 2), p.Publish("t", b"", 2, 3), p.PubRel(3)) == [
        p.PubAck(2), p.PubRec(3), p.PubComp(3)
    ]  # fmt: skip
    assert await client.send(p.Unsubscribe(4, ("out",))) == [p.UnsubAck(4)]


@pytest.mark.parametrize(
    ("publish", "reason"),
    [
        (p.Publish("$SYS", b"", 1, 1), Reason.TOPIC_NAME_INVALID),
        (p.Publish("$webpubsub/server/events/a/b", b"", 1, 1), Reason.TOPIC_NAME_INVALID),
        (p.Publish(" ", b"", 1, 1), Reason.TOPIC_NAME_INVALID),
        (p.Publish("t", b"\xff", 1, 1, properties=Properties(payload_format=1)), Reason.PAYLOAD_FORMAT_INVALID),
    ],
)
async def test_what_cannot_be_published_is_refused(publish: p.Publish, reason: Reason) -> None:
    assert await (await Stage().connected()).send(publish) == [p.PubAck(1, reason)]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (p.Publish("t", b"", retain=True), Reason.RETAIN_NOT_SUPPORTED),
        (p.Publish("t", b"", properties=Properties(topic_alias=1)), Reason.TOPIC_ALIAS_INVALID),
        (p.Publish("t", b"", properties=Properties(subscription_identifiers=(1,))), Reason.PROTOCOL_ERROR),
        (p.Publish("t/#", b""), Reason.TOPIC_NAME_INVALID),
        (p.Publish("t", bytes(1024 * 1024)), Reason.PACKET_TOO_LARGE),
        (p.Connect("buoy7"), Reason.PROTOCOL_ERROR),
        (p.ConnAck(), Reason.PROTOCOL_ERROR),
        (p.SubAck(1, ()), Reason.PROTOCOL_ERROR),
        (p.UnsubAck(1, ()), Reason.PROTOCOL_ERROR),
        (p.PingResp(), Reason.PROTOCOL_ERROR),
        (p.Auth(), Reason.PROTOCOL_ERROR),
        (p.Disconnect(properties=Properties(session_expiry=5)), Reason.PROTOCOL_ERROR),
    ],
)
async def test_what_breaks_the_protocol_ends_the_connection(packet: p.Packet, reason: Reason) -> None:
    assert await said(await Stage().connected(), packet) is reason


async def test_too_many_unacknowledged_messages_end_it_too() -> None:
    client = await Stage().connected()

    assert (
        await said(client, *(p.Publish("t", b"", 2, number) for number in range(1, 102)))
        is Reason.RECEIVE_MAXIMUM_EXCEEDED
    )


async def test_3_1_1_is_hung_up_on_without_a_word() -> None:
    client = await Stage().connected(version=V3)

    assert await client.send(p.PingResp()) == []
    assert client.closed == Close(1002)


async def test_3_1_1_may_ask_for_retained_messages_and_gets_none() -> None:
    client = await Stage().connected(version=V3)
    await client.send(p.Subscribe(1, (p.Subscription("t"),)))

    assert await client.send(p.Publish("t", b"x", retain=True)) == [p.Publish("t", b"x")]
    assert client.closed is None


async def test_a_ping_is_answered() -> None:
    assert await (await Stage().connected()).send(p.PingReq()) == [p.PingResp()]


@pytest.mark.parametrize(
    ("data", "answer", "code"),
    [
        ("10 0d 0004 4d515454 03 02 003c 0001 61", "20 02 0001", 1000),
        ("10 0f 0006 4d5149736470 03 02 003c 0001 61", "20 02 0001", 1000),
        ("10 0d 0004 4d515454 04 03 003c 0001 61", "", 1002),
        ("10 0d 0004 4d515458 05 02 003c 0001 61", "", 1002),
        ("c0 00", "", 1002),
        ("ff ff", "", 1002),
    ],
)
async def test_what_is_no_connect_gets_nowhere(data: str, answer: str, code: int) -> None:
    client = Stage().client()

    await client.engine.receive(bytes.fromhex(data))

    frame = client.outbound.take()
    assert (b"" if frame is None else frame.data) == bytes.fromhex(answer)
    assert client.closed is not None
    assert client.closed.code == code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("10 0e 0004 4d515454 06 02 003c 00 0001 61", Reason.UNSUPPORTED_PROTOCOL_VERSION),
        ("10 0e 0004 4d515454 05 03 003c 00 0001 61", Reason.MALFORMED_PACKET),
        ("10 11 0004 4d515454 05 02 003c 03 210000 0001 61", Reason.PROTOCOL_ERROR),
    ],
)
async def test_a_connect_of_5_0_that_is_wrong_is_told_why(data: str, code: Reason) -> None:
    client = Stage().client()

    await client.engine.receive(bytes.fromhex(data))

    (answer,) = client.received()
    assert isinstance(answer, p.ConnAck)
    assert answer.code == code
    assert client.closed == Close(1000)


async def test_a_client_that_takes_little_is_told_little() -> None:
    stage = Stage(handlers=(HANDLER,))
    words = {"mqtt": {"userProperties": [{"name": "a" * 50, "value": ""}]}}
    stage.upstream.answer = lambda _: UpstreamAnswer(json.dumps(words).encode())
    client = await stage.connected(properties=Properties(maximum_packet_size=40))
    session = stage.session()
    assert session is not None
    stage.hub.close(session, "x" * 50, Close(1000))

    assert client.received() == [p.Disconnect(Reason.ADMINISTRATIVE_ACTION)]


@given(st.sampled_from([V3, V5]), st.data())
def test_whatever_a_client_sends_the_service_goes_on(version: int, data: st.DataObject) -> None:
    sent = data.draw(st.lists(packets(version) | connects(version), max_size=6))
    garbage = data.draw(st.binary(max_size=10))

    async def run() -> None:
        stage = Stage()
        client = await stage.connected(version=version, properties=Properties())
        for packet in sent:
            await client.engine.receive(encode(packet, version))
        await client.engine.receive(garbage)
        client.received()
        client.drop()
        await stage.settle()
        assert await (await stage.connected("other")).send(p.PingReq()) == [p.PingResp()]

    asyncio.run(run())


async def test_packets_behind_the_end_are_not_handled() -> None:
    client = await Stage().connected()

    await client.engine.receive(encode(p.Auth(), V5) + encode(p.PingReq(), V5))
    await client.engine.receive(encode(p.PingReq(), V5))

    (last,) = client.received()
    assert isinstance(last, p.Disconnect)


async def test_who_is_silent_too_long_is_told_so() -> None:
    client = await Stage().connected()
    assert client.engine.silence_limit == 90

    client.engine.silent()

    packets, close = dropped_with(client)
    assert isinstance(packets[0], p.Disconnect)
    assert packets[0].reason is Reason.KEEP_ALIVE_TIMEOUT
    assert close == Close(1000)
    assert client.engine.silence_limit is None


async def test_a_client_that_reads_too_slowly_is_cut_off() -> None:
    stage = Stage()
    client = await stage.connected()
    await client.send(p.Subscribe(1, (p.Subscription("g"),)))
    for _ in range(1001):
        Hub.deliver(stage.hub.group("g"), text("hi", "g"))

    assert client.closed is not None
    assert client.closed.code == 1008
