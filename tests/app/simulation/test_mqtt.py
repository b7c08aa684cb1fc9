"""The vehicle's MQTT, against the samples of the standard and against itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation import mqtt


def test_a_connect_is_as_the_standard_has_it() -> None:
    """MQTT 3.1.1, 3.1: protocol name and level, clean session, keep alive, client id."""
    assert mqtt.connect("V1") == b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02V1"


def test_a_publish_is_as_the_standard_has_it() -> None:
    assert mqtt.publish("a/b", b"hi") == b"\x30\x07\x00\x03a/bhi"
    assert mqtt.publish("a", b"x" * 125)[:3] == b"\x30\x80\x01"
    assert mqtt.acknowledge(258) == b"\x40\x02\x01\x02"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.binary(max_size=20_000)), max_size=5), st.data())
def test_packets_are_read_however_frames_cut_them(packets: list[tuple[str, bytes]], data: st.DataObject) -> None:
    stream = b"".join(mqtt.publish(topic, payload) for topic, payload in packets)
    reader, heard, at = mqtt.Reader(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        heard += reader.feed(stream[at : at + size])
        at += size

    assert [mqtt.read_publication(one) for one in heard] == [(topic, None, payload) for topic, payload in packets]


def test_a_publication_that_wants_an_acknowledgement_has_an_id() -> None:
    (packet,) = mqtt.Reader().feed(b"\x32\x07\x00\x01a\x00\x09hi")

    assert mqtt.read_publication(packet) == ("a", 9, b"hi")


@pytest.mark.parametrize("body", [b"\x00\x05ab", b"\x00", b"\x00\x01a\x00"])
def test_a_publication_that_is_cut_short_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        mqtt.read_publication(mqtt.Packet(mqtt.PUBLISH, 2, body))


def test_a_length_that_never_ends_is_refused() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        mqtt.Reader().feed(b"\x30\xff\xff\xff\xff\x01")
