"""What MQTT clients may do, and what they are told (spec/service.md 7.2, 7.6)."""

import pytest

from localpubsub.engine.hub import Hub
from localpubsub.protocol.messages import DataType, Message, Payload
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V3, V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.roles import Permission
from tests.localpubsub.mqtt.stage import Stage

TEXT = Properties(payload_format=1, content_type="text/plain")
LITTLE = ("webpubsub.sendToGroup.out", "webpubsub.joinLeaveGroup.in")


def text(data: str, group: str | None = None) -> Message:
    return Message(Payload(DataType.TEXT, data.encode()), group)


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
