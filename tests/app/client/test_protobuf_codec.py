"""Protobuf frames of the published vectors, and of a later protocol version (spec/service.md 5)."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client import frames
from app.client.frames import Ack, Connected, Disconnected, Failure, Frame, Heard, Message, Pong, Unknown
from app.client.protobuf_codec import decode, encode
from app.client.protobuf_wire import Fields, Malformed, delimited, number, varint
from app.models.payloads import TextData

VECTORS = json.loads((Path(__file__).parents[2] / "wire" / "protobuf-frames.json").read_text())


def binary(vector: dict[str, Any]) -> Frame:
    data = bytes.fromhex(vector["hex"]) if "hex" in vector else base64.b64decode(vector["base64"])
    return Frame(data, is_text=False)


@pytest.mark.parametrize("vector", VECTORS["upstream"], ids=lambda vector: str(vector["what"]))
def test_commands_are_the_published_bytes(vector: dict[str, Any]) -> None:
    kind, group, ack_id = vector["command"]

    assert encode(getattr(frames, kind)(group), ack_id) == binary(vector)


@pytest.mark.parametrize("vector", VECTORS["downstream"], ids=lambda vector: str(vector["what"]))
def test_published_bytes_are_read(vector: dict[str, Any]) -> None:
    expected: Heard
    match vector:
        case {"ack": [ack_id, error]}:
            expected = Ack(ack_id, Failure(*error) if error else None)
        case {"disconnected": reason}:
            expected = Disconnected(reason)
        case {"connected": parts}:
            expected = Connected(*parts)
        case {"message": [group, text]}:
            expected = Message(TextData(text=text), group)

    assert decode(binary(vector)) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a",  # a length without its bytes
        b"\x0a\xff",
        b"\x00\x00",  # there is no field 0
        b"\x0b\x0c",  # a group
        b"\x80" * 11,
        b"\x0d\x00",  # four bytes, of which three are missing
        delimited(99, b"new"),
        delimited(6, b""),  # the ack of a stream this client never opened
        delimited(2, delimited(1, b"server")),
        delimited(2, delimited(1, b"moon") + delimited(3, delimited(1, b"hi"))),
        delimited(2, delimited(1, b"server") + delimited(3, delimited(9, b"hi"))),
        delimited(2, delimited(1, b"server") + delimited(3, delimited(1, b"\xff"))),
        delimited(2, delimited(1, b"server") + delimited(3, delimited(4, b"{"))),
        delimited(3, b""),
        delimited(3, delimited(3, b"")),
        delimited(1, delimited(3, delimited(1, b"\xff"))),
    ],
)
def test_what_is_new_or_broken_is_kept_as_it_came(data: bytes) -> None:
    frame = Frame(data, is_text=False)

    assert decode(frame) == Unknown(frame)


def test_fields_of_a_later_version_are_skipped() -> None:
    later = number(70, 5) + delimited(71, b"x") + b"\xfd\x04\x01\x02\x03\x04" + b"\xf9\x04" + bytes(8)

    assert decode(Frame(later + delimited(4, later), is_text=False)) == Pong()
    assert decode(Frame(delimited(1, later + number(1, 7) + number(2, 1)), is_text=False)) == Ack(7)


def test_a_text_is_no_frame_of_this_protocol() -> None:
    frame = Frame(delimited(4, b""), is_text=True)

    assert decode(frame) == Unknown(frame)


@given(st.integers(0, 2**64 - 1))
def test_numbers_go_there_and_back(value: int) -> None:
    assert Fields(number(3, value)).number(3) == value
    assert len(varint(value)) == max(1, -(-value.bit_length() // 7))


def test_of_a_repeated_field_the_last_counts_and_another_type_is_not_there() -> None:
    fields = Fields(number(1, 1) + delimited(1, b"a") + number(1, 2) + delimited(2, b"b"))

    assert (fields.number(1), fields.text(1), fields.number(2), fields.text(3)) == (2, "a", None, None)
    with pytest.raises(Malformed):
        Fields(b"\x08")
