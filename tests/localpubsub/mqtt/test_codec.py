"""Bytes to packets and back, for every packet (spec/service.md 7.1)."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.errors import MqttError
from localpubsub.protocol.mqtt.packets import V3, V5, Packet
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.protocol.mqtt.stream import PACKET_LIMIT, PacketStream
from tests.localpubsub.mqtt.samples import connects, packets

VERSIONS = st.sampled_from([V3, V5])


@st.composite
def conversations(draw: st.DrawFn) -> tuple[int, list[Packet]]:
    version = draw(VERSIONS)
    return version, [draw(connects(version)), *draw(st.lists(packets(version), max_size=5))]


@given(conversations(), st.data())
def test_what_was_encoded_is_decoded_however_it_was_cut(
    conversation: tuple[int, list[Packet]], data: st.DataObject
) -> None:
    version, sent = conversation
    encoded = b"".join(encode(packet, version) for packet in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(encoded)), max_size=8)))
    stream = PacketStream()

    received: list[Packet] = []
    for start, end in zip([0, *cuts], [*cuts, len(encoded)], strict=True):
        received += stream.feed(encoded[start:end])

    assert received == sent
    assert stream.version == version


@given(conversations())
def test_a_byte_at_a_time_is_enough(conversation: tuple[int, list[Packet]]) -> None:
    version, sent = conversation
    stream = PacketStream()

    received = [
        packet
        for one in sent
        for byte in encode(one, version)
        for packet in stream.feed(bytes([byte]))
    ]  # fmt: skip

    assert received == sent


def read_all(stream: PacketStream, chunks: Iterable[bytes]) -> None:
    try:
        for chunk in chunks:
            for packet in stream.feed(chunk):
                assert isinstance(packet, Packet)
    except MqttError:
        pass


@given(st.lists(st.binary(max_size=60)), st.sampled_from([None, V3, V5]))
def test_garbage_raises_nothing_but_the_protocol_error(chunks: list[bytes], version: int | None) -> None:
    read_all(PacketStream(version), chunks)


@given(conversations(), st.data())
def test_a_damaged_packet_raises_nothing_but_the_protocol_error(
    conversation: tuple[int, list[Packet]], data: st.DataObject
) -> None:
    version, sent = conversation
    encoded = bytearray(b"".join(encode(packet, version) for packet in sent))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))

    read_all(PacketStream(), [bytes(encoded)])


@given(connects(V5) | connects(V3), st.data())
def test_what_is_cut_off_inside_says_so(packet: p.Connect, data: st.DataObject) -> None:
    encoded = encode(packet, packet.version)
    body = encoded[2:] if encoded[1] < 0x80 else encoded[3:]
    short = body[: data.draw(st.integers(0, len(body) - 1))]
    damaged = bytes([0x10]) + (
        bytes([len(short)]) if len(short) < 0x80 else bytes([len(short) & 0x7F | 0x80, len(short) >> 7])
    )

    with pytest.raises(MqttError) as caught:
        list(PacketStream().feed(damaged + short))
    assert caught.value.reason in {Reason.MALFORMED_PACKET, Reason.PROTOCOL_ERROR}


CONNECT_3 = "10 0d 0004 4d515454 04 02 003c 0001 61"
CONNECT_5 = "10 0e 0004 4d515454 05 02 003c 00 0001 61"


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        (CONNECT_3, p.Connect("a", V3, True, 60)),
        (CONNECT_5, p.Connect("a", V5, True, 60)),
        ("c0 00", p.PingReq()),
        ("40 02 0007", p.PubAck(7)),
        ("40 03 0007 10", p.PubAck(7, Reason.NO_MATCHING_SUBSCRIBERS)),
        ("40 04 0007 87 00", p.PubAck(7, Reason.NOT_AUTHORIZED)),
        ("62 02 0007", p.PubRel(7)),
        ("e0 00", p.Disconnect()),
        ("e0 01 04", p.Disconnect(Reason.DISCONNECT_WITH_WILL)),
        ("e0 07 00 05 11 0000000a", p.Disconnect(properties=Properties(session_expiry=10))),
        ("f0 00", p.Auth()),
        ("3b 09 0001 74 0002 02 0101 41", p.Publish("t", b"A", 1, 2, True, True, Properties(payload_format=1))),
        ("82 09 0001 02 0b05 0001 74 2d", p.Subscribe(
            1, (p.Subscription("t", 1, True, True, 2),), Properties(subscription_identifiers=(5,))
        )),
    ],
)  # fmt: skip
def test_the_bytes_of_the_standard(text: str, packet: Packet) -> None:
    stream = PacketStream(None if isinstance(packet, p.Connect) else V5)

    assert list(stream.feed(bytes.fromhex(text))) == [packet]


MALFORMED, VIOLATION = Reason.MALFORMED_PACKET, Reason.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00 00", MALFORMED),  # packet type 0
        ("c1 00", MALFORMED),  # flags where there are none
        ("60 02 0001", MALFORMED),  # PUBREL without its flag
        ("80 06 0001 00 0000 00", MALFORMED),  # SUBSCRIBE without its flag
        ("c0 ffffffff", MALFORMED),  # a length of five bytes
        ("c0 01 00", MALFORMED),  # PINGREQ with a body
        ("36 05 0001 74 0001", MALFORMED),  # QoS 3
        ("38 04 0001 74 00", MALFORMED),  # a repeat with QoS 0
        ("32 06 0001 74 0000 00", VIOLATION),  # packet identifier 0
        ("30 03 0000 00", VIOLATION),  # neither topic nor alias
        ("30 04 0001 23 00", Reason.TOPIC_NAME_INVALID),
        ("30 04 0001 2b 00", Reason.TOPIC_NAME_INVALID),
        ("30 04 0001 00 00", MALFORMED),  # the null character
        ("30 04 0001 ff 00", MALFORMED),  # not UTF-8
        ("30 06 0003 eda080 00", MALFORMED),  # a surrogate
        ("30 05 0001 74 01 01", MALFORMED),  # a property that ends early
        ("30 06 0001 74 02 0102", VIOLATION),  # a flag of 2
        ("30 08 0001 74 04 01000100", VIOLATION),  # a property twice
        ("30 06 0001 74 02 7f00", VIOLATION),  # a property nobody knows
        ("30 09 0001 74 05 1100000000", VIOLATION),  # a property of other packets
        ("30 06 0001 74 02 0b00", VIOLATION),  # subscription identifier 0
        ("30 07 0001 74 03 0b8100", MALFORMED),  # an integer longer than it needs
        ("30 08 0001 74 04 080001 2b", VIOLATION),  # a response topic with a wildcard
        ("82 03 0001 00", VIOLATION),  # nothing to subscribe to
        ("a2 03 0001 00", VIOLATION),  # nothing to unsubscribe from
        ("82 07 0001 00 0001 74 40", MALFORMED),  # a reserved bit
        ("82 07 0001 00 0001 74 03", MALFORMED),  # QoS 3
        ("82 07 0001 00 0001 74 30", MALFORMED),  # retain handling 3
        ("82 0e 0001 00 0008 2473686172652f61 04", VIOLATION),  # shared, and not local
        ("82 0b 0001 04 0b010b02 0001 74 00", VIOLATION),  # two subscription identifiers
        ("40 03 0001 01", VIOLATION),  # a reason code of another packet
        ("40 03 0001 ff", VIOLATION),  # a reason code nobody knows
        ("e0 02 00 7f", MALFORMED),
        ("f0 05 18 03 160000", VIOLATION),  # authentication data without a method
        ("20 03 0100 00 00", MALFORMED),  # one byte too many: read as the next packet
        ("10 0e 0004 4d515454 05 02 003c 00 0001 61", VIOLATION),  # a second CONNECT
    ],
)
def test_what_is_not_right_says_what_it_is(text: str, reason: Reason) -> None:
    with pytest.raises(MqttError) as caught:
        list(PacketStream(V5).feed(bytes.fromhex(text)))
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("10 0d 0004 4d515454 03 02 003c 0001 61", Reason.UNSUPPORTED_PROTOCOL_VERSION),
        ("10 0d 0004 4d515454 06 02 003c 0001 61", Reason.UNSUPPORTED_PROTOCOL_VERSION),
        ("10 0f 0006 4d5149736470 03 02 003c 0001 61", Reason.UNSUPPORTED_PROTOCOL_VERSION),
        ("10 0d 0004 4d515458 04 02 003c 0001 61", MALFORMED),  # not MQTT
        ("10 0d 0004 4d515454 04 03 003c 0001 61", MALFORMED),  # the reserved flag
        ("10 0d 0004 4d515454 04 42 003c 0001 61", MALFORMED),  # a password and no user name
        ("10 0d 0004 4d515454 04 12 003c 0001 61", MALFORMED),  # QoS of a will that is not there
        ("10 0d 0004 4d515454 04 22 003c 0001 61", MALFORMED),  # retain of a will that is not there
        ("10 12 0004 4d515454 04 1e 003c 0001 61 0001 74 0000", MALFORMED),  # a will of QoS 3
        ("10 11 0004 4d515454 05 02 003c 03 210000 0001 61", VIOLATION),  # receive maximum 0
        ("10 13 0004 4d515454 05 02 003c 05 2700000000 0001 61", VIOLATION),  # packets of no size
        ("c0 00", VIOLATION),  # something before CONNECT
    ],
)
def test_a_connect_that_is_not_right_says_what_it_is(text: str, reason: Reason) -> None:
    with pytest.raises(MqttError) as caught:
        list(PacketStream().feed(bytes.fromhex(text)))
    assert caught.value.reason is reason


def test_a_packet_too_large_is_refused_before_it_is_there() -> None:
    stream = PacketStream(V5)
    largest = encode(p.Publish("t", bytes(PACKET_LIMIT - 8)), V5)
    assert len(largest) == PACKET_LIMIT

    assert len(list(stream.feed(largest))) == 1
    with pytest.raises(MqttError) as caught:
        list(stream.feed(encode(p.Publish("t", bytes(PACKET_LIMIT - 7)), V5)[:5]))
    assert caught.value.reason is Reason.PACKET_TOO_LARGE


def test_behind_an_error_there_is_nothing_more_to_read() -> None:
    stream = PacketStream(V5)
    right, wrong = encode(p.PingReq(), V5), b"\0\0"
    packets = stream.feed(right + wrong + right)

    assert next(packets) == p.PingReq()
    with pytest.raises(MqttError):
        next(packets)
    with pytest.raises(MqttError):
        list(stream.feed(right))


def test_3_1_1_knows_no_auth_no_codes_and_no_properties() -> None:
    with pytest.raises(MqttError):
        list(PacketStream(V3).feed(b"\xf0\0"))
    with pytest.raises(MqttError):
        list(PacketStream(V3).feed(encode(p.Disconnect(Reason.KEEP_ALIVE_TIMEOUT), V5)))
    assert encode(p.Disconnect(Reason.KEEP_ALIVE_TIMEOUT), V3) == b"\xe0\0"
    assert encode(p.UnsubAck(1, (Reason.NOT_AUTHORIZED,)), V3) == b"\xb0\2\0\1"
    assert encode(p.PubAck(1, Reason.NOT_AUTHORIZED), V3) == b"\x40\2\0\1"
