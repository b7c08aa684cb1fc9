"""What ends the connection of an MQTT client (spec/service.md 7.1, 7.6)."""

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
from tests.localpubsub.mqtt.samples import connects, packets
from tests.localpubsub.mqtt.stage import HANDLER, Client, Stage


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
