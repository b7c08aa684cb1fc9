"""What a session sends, with every QoS and in spite of every loss (spec/service.md 7.5; MQTT 5.0, 4.3 to 4.9)."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.errors import MqttError
from localpubsub.protocol.mqtt.incoming import RECEIVE_MAXIMUM, Incoming
from localpubsub.protocol.mqtt.outgoing import MESSAGE_LIMIT, BufferFull, Delivery, Outgoing
from localpubsub.protocol.mqtt.packets import V3, V5, Packet
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason

NOW = 100.0


def attached(window: int | None = None, size_limit: int | None = None) -> Outgoing:
    outgoing = Outgoing()
    assert outgoing.attach(NOW, V5, window, size_limit) == []
    return outgoing


def delivery(qos: int, payload: bytes = b"x", expires_at: float | None = None) -> Delivery:
    return Delivery("t", payload, qos, expires_at=expires_at)


def test_qos_0_is_written_and_forgotten() -> None:
    outgoing = attached()

    assert outgoing.offer(delivery(0), NOW) == [p.Publish("t", b"x")]
    assert len(outgoing) == 0


def test_qos_1_waits_for_its_puback() -> None:
    outgoing = attached()

    assert outgoing.offer(delivery(1), NOW) == [p.Publish("t", b"x", 1, 1)]
    assert outgoing.offer(delivery(1), NOW) == [p.Publish("t", b"x", 1, 2)]
    assert outgoing.acknowledge(p.PubAck(1), NOW) == []
    assert len(outgoing) == 1


def test_qos_2_takes_four_packets() -> None:
    outgoing = attached()

    assert outgoing.offer(delivery(2), NOW) == [p.Publish("t", b"x", 2, 1)]
    assert outgoing.acknowledge(p.PubRec(1), NOW) == [p.PubRel(1)]
    assert outgoing.acknowledge(p.PubRec(1), NOW) == [p.PubRel(1)]
    assert outgoing.acknowledge(p.PubComp(1), NOW) == []
    assert len(outgoing) == 0


def test_a_refusal_ends_qos_2_at_once() -> None:
    outgoing = attached()
    outgoing.offer(delivery(2), NOW)

    assert outgoing.acknowledge(p.PubRec(1, Reason.QUOTA_EXCEEDED), NOW) == []
    assert len(outgoing) == 0


def test_an_acknowledgement_of_nothing_is_answered_where_one_waits_for_it() -> None:
    outgoing = attached()

    assert outgoing.acknowledge(p.PubAck(9), NOW) == []
    assert outgoing.acknowledge(p.PubComp(9), NOW) == []
    assert outgoing.acknowledge(p.PubRec(9), NOW) == [p.PubRel(9, Reason.PACKET_IDENTIFIER_NOT_FOUND)]


@pytest.mark.parametrize(("qos", "wrong"), [(1, p.PubRec(1)), (1, p.PubComp(1)), (2, p.PubAck(1)), (2, p.PubComp(1))])
def test_an_acknowledgement_of_another_qos_breaks_the_protocol(qos: int, wrong: p.Acknowledgement) -> None:
    outgoing = attached()
    outgoing.offer(delivery(qos), NOW)

    with pytest.raises(MqttError) as caught:
        outgoing.acknowledge(wrong, NOW)
    assert caught.value.reason is Reason.PROTOCOL_ERROR


def test_no_more_is_on_its_way_than_the_receiver_takes() -> None:
    outgoing = attached(window=2)
    written = [packet for qos in (1, 2, 1, 2) for packet in outgoing.offer(delivery(qos), NOW)]

    assert written == [p.Publish("t", b"x", 1, 1), p.Publish("t", b"x", 2, 2)]
    assert outgoing.offer(delivery(0), NOW) == [p.Publish("t", b"x")]
    assert outgoing.acknowledge(p.PubAck(1), NOW) == [p.Publish("t", b"x", 1, 3)]
    assert outgoing.acknowledge(p.PubRec(2), NOW) == [p.PubRel(2)]
    assert outgoing.acknowledge(p.PubComp(2), NOW) == [p.Publish("t", b"x", 2, 4)]


def test_a_packet_id_is_used_again_when_it_is_free_and_not_before() -> None:
    outgoing = attached()
    outgoing.offer(delivery(1), NOW)
    ids = []
    for _ in range(0x10000):
        (packet,) = outgoing.offer(delivery(1), NOW)
        assert isinstance(packet, p.Publish)
        ids.append(packet.packet_id)
        outgoing.acknowledge(p.PubAck(packet.packet_id), NOW)

    assert ids[:2] == [2, 3]
    assert ids[-3:] == [0xFFFF, 2, 3]


def test_who_is_away_misses_qos_0_and_nothing_else() -> None:
    outgoing = attached()
    outgoing.offer(delivery(1, b"sent"), NOW)
    outgoing.offer(delivery(2, b"half"), NOW)
    outgoing.acknowledge(p.PubRec(2), NOW)
    outgoing.detach()
    for qos in (0, 1, 2):
        assert outgoing.offer(delivery(qos, b"later"), NOW) == []

    assert outgoing.attach(NOW, V5) == [
        p.Publish("t", b"sent", 1, 1, dup=True),
        p.PubRel(2),
        p.Publish("t", b"later", 1, 3),
        p.Publish("t", b"later", 2, 4),
    ]


def test_what_is_too_old_is_not_sent_and_the_rest_says_how_long_it_lasts() -> None:
    outgoing = Outgoing()
    outgoing.offer(delivery(1, b"old", NOW + 10), NOW)
    outgoing.offer(delivery(1, b"young", NOW + 30), NOW)

    young = p.Publish("t", b"young", 1, 1, properties=Properties(message_expiry=20))

    assert outgoing.attach(NOW + 10, V5) == [young]
    assert len(outgoing) == 1


def test_what_the_receiver_calls_too_large_is_as_good_as_sent() -> None:
    outgoing = attached(window=1, size_limit=50)

    assert outgoing.offer(delivery(0, bytes(50)), NOW) == []
    assert outgoing.offer(delivery(1, bytes(50)), NOW) == []
    assert len(outgoing.offer(delivery(1, bytes(20)), NOW)) == 1
    assert not outgoing.takes(51)


def test_a_receiver_that_got_smaller_does_not_get_the_rest_again() -> None:
    outgoing = attached()
    outgoing.offer(delivery(1, bytes(50)), NOW)
    outgoing.detach()

    assert outgoing.attach(NOW, V5, None, 30) == []
    assert len(outgoing) == 0


def test_a_thousand_wait_and_no_more() -> None:
    outgoing = Outgoing()
    for _ in range(MESSAGE_LIMIT):
        outgoing.offer(delivery(1), NOW)

    with pytest.raises(BufferFull):
        outgoing.offer(delivery(1), NOW)


def test_sixteen_megabytes_wait_and_no_more_and_are_given_back() -> None:
    outgoing = attached(window=1)
    for _ in range(16):
        outgoing.offer(delivery(2, bytes(1024 * 1024)), NOW)
    with pytest.raises(BufferFull):
        outgoing.offer(delivery(1), NOW)

    outgoing.acknowledge(p.PubRec(1), NOW)

    assert outgoing.offer(delivery(1), NOW) == []


def test_what_was_acknowledged_makes_room() -> None:
    outgoing = attached()
    for number in range(1, 21):
        assert len(outgoing.offer(delivery(1, bytes(1024 * 1024)), NOW)) == 1
        outgoing.acknowledge(p.PubAck(number), NOW)


def test_what_is_past_its_time_makes_room() -> None:
    outgoing = Outgoing()
    for _ in range(MESSAGE_LIMIT):
        outgoing.offer(delivery(1, expires_at=NOW + 1), NOW)

    assert outgoing.offer(delivery(1, b"new"), NOW + 2) == []
    assert len(outgoing) == 1


class Receiver:
    """The other end, as the standard wants it; it loses nothing but transports."""

    def __init__(self) -> None:
        self.incoming = Incoming()
        self.got: list[bytes] = []

    def take(self, packet: Packet) -> Packet | None:
        match packet:
            case p.Publish(payload=payload, qos=qos, packet_id=packet_id):
                if not self.incoming.is_repeat(packet, V3):
                    self.incoming.hold(packet)
                    self.got.append(payload)
                return p.PubAck(packet_id) if qos == 1 else p.PubRec(packet_id)
            case p.PubRel():
                return replace(self.incoming.release(packet), reason=Reason.SUCCESS)
        return None


@given(
    st.lists(st.sampled_from([1, 2]), min_size=1, max_size=8),
    st.lists(st.integers(0, 3), max_size=40),
    st.integers(1, 4),
)
def test_whatever_is_lost_everything_arrives_and_qos_2_exactly_once(
    qos: list[int], fates: list[int], window: int
) -> None:
    """A fate of 0 loses the transport with all that is on it, 1 after the receiver got it."""
    outgoing, receiver = attached(window), Receiver()
    wire = [packet for number, one in enumerate(qos) for packet in outgoing.offer(delivery(one, bytes([number])), NOW)]
    remaining = iter(fates)
    while wire:
        packet, fate = wire.pop(0), next(remaining, 3)
        answer = receiver.take(packet) if fate else None
        if fate <= 1 or answer is None:
            outgoing.detach()
            wire = outgoing.attach(NOW, V5, window)
        else:
            assert isinstance(answer, p.Acknowledgement)
            wire += outgoing.acknowledge(answer, NOW)

    assert len(outgoing) == 0
    assert set(receiver.got) == {bytes([number]) for number in range(len(qos))}
    twice = [number for number, one in enumerate(qos) if one == 2]
    assert [one for one in receiver.got if one[0] in twice] == [bytes([number]) for number in twice]


def test_a_repeat_is_known_until_it_is_released() -> None:
    incoming = Incoming()
    publish = p.Publish("t", b"x", 2, 7)

    assert not incoming.is_repeat(publish, V5)
    incoming.hold(publish)
    assert incoming.is_repeat(publish, V5)
    assert incoming.release(p.PubRel(7)) == p.PubComp(7)
    assert not incoming.is_repeat(publish, V5)
    assert incoming.release(p.PubRel(7)) == p.PubComp(7, Reason.PACKET_IDENTIFIER_NOT_FOUND)


def test_more_than_the_receive_maximum_is_too_much_for_5_0() -> None:
    incoming = Incoming()
    for packet_id in range(1, RECEIVE_MAXIMUM + 1):
        incoming.hold(p.Publish("t", b"", 2, packet_id))
    one_more = p.Publish("t", b"", 2, RECEIVE_MAXIMUM + 1)

    assert not incoming.is_repeat(one_more, V3)
    assert not incoming.is_repeat(p.Publish("t", b"", 1, 9999), V5)
    with pytest.raises(MqttError) as caught:
        incoming.is_repeat(one_more, V5)
    assert caught.value.reason is Reason.RECEIVE_MAXIMUM_EXCEEDED
