"""Frames of the tunnel protocol (spec/service.md 10.2, 10.3)."""

import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localpubsub.protocol import msgpack
from localpubsub.protocol.tunnel_frames import (
    CHUNK,
    Connected,
    Frame,
    FrameError,
    FrameType,
    HttpRequest,
    HttpResponse,
    Notice,
    decode,
    encode,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
integers = st.integers(-(2**63), 2**64 - 1)
headers = st.dictionaries(texts, st.lists(texts, max_size=3), max_size=3)
contents = st.none() | st.binary(max_size=300)
moves = st.sampled_from([FrameType.CONNECTION_RECONNECT, FrameType.CONNECTION_REBALANCE])
statements = st.sampled_from([FrameType.SERVICE_STATUS, FrameType.CONNECTION_CLOSE])
frames = st.one_of(
    st.builds(HttpRequest, integers, texts, texts, headers, contents, texts, st.booleans()),
    st.builds(HttpResponse, integers, integers, headers, contents, st.booleans(), texts, st.booleans()),
    st.builds(Connected, texts, st.none() | texts),
    st.builds(Notice, moves, texts, st.none() | texts, st.none() | texts),
    st.builds(Notice, statements, texts),
)


def packed(kind: int, members: object, content: bytes | None = None) -> bytes:
    """A frame of any JSON."""
    return framed(
        msgpack.array_head(3)
        + msgpack.small_integer(kind)
        + msgpack.text(json.dumps(members))
        + (msgpack.NIL if content is None else msgpack.binary(content))
    )


def framed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


@given(frames)
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


def test_the_greeting_has_the_bytes_that_clients_were_seen_to_take() -> None:
    data = encode(Connected("tun-1", "u1"))
    text = b'{"Type":10,"ConnectionId":"tun-1","UserId":"u1","ReconnectionToken":null,"TracingId":null}'

    assert data == bytes.fromhex("5f000000 930ad95a") + text + b"\xc0"


def test_a_request_with_a_body_has_its_bytes_behind_the_json() -> None:
    data = encode(HttpRequest(41, "POST", "tunnel:///hooks/den", {"ce-id": ["3"]}, b"hey"))
    members = json.loads(data[8:-5])

    assert (data[4:6], data[-5:]) == (b"\x93\x01", b"\xc4\x03hey")
    assert members == {
        "Type": 1, "AckId": 41, "LocalRouting": False, "ChannelName": "", "HttpMethod": "POST",
        "Url": "tunnel:///hooks/den", "Headers": {"ce-id": ["3"]}, "TracingId": None,
    }  # fmt: skip


@given(st.binary(), st.booleans())
@example(b"\xdd\xff\xff\xff\xff", True)
@example(b"\x93\x01\xdb\xff\xff\xff\xff", True)
def test_garbage_raises_nothing_but_the_error_of_frames(data: bytes, length: bool) -> None:
    with suppress(FrameError):
        decode(framed(data) if length else data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
names = st.sampled_from(
    ["AckId", "HttpMethod", "Url", "Headers", "StatusCode", "ChannelName", "NotCompleted", "LocalRouting", "Message",
     "ConnectionId", "UserId"]
)  # fmt: skip


@given(st.integers(0, 127), json_values | st.dictionaries(names, json_values), contents)
def test_any_members_raise_nothing_but_the_error_of_frames(kind: int, members: object, content: bytes | None) -> None:
    with suppress(FrameError, UnicodeEncodeError):
        decode(packed(kind, members, content))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x00",
        encode(Connected("a")) + b"x",
        encode(Connected("a"))[:-1],
        framed(encode(Connected("a"))[4:] + b"x"),
        framed(b"\x92" + encode(Connected("a"))[5:]),
        packed(1, []),
        packed(1, {"AckId": True, "HttpMethod": "GET", "Url": "x"}),
        packed(1, {"AckId": 1, "HttpMethod": None, "Url": "x"}),
        packed(1, {"AckId": 1, "HttpMethod": "GET", "Url": "x", "Headers": ["a"]}),
        packed(1, {"AckId": 1, "HttpMethod": "GET", "Url": "x", "Headers": {"a": [1]}}),
        packed(2, {"AckId": 1, "StatusCode": "200"}),
        packed(2, {"AckId": 1, "StatusCode": 200, "NotCompleted": "no"}),
        packed(2, {"AckId": 1.0, "StatusCode": 200}),
        framed(b"\x93\x01" + msgpack.text("[" * 100_000) + b"\xc0"),
        framed(b"\x93\x01" + b"\xd9\x01\xff" + b"\xc0"),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


def test_what_a_client_leaves_out_or_writes_as_null_is_one() -> None:
    expected = HttpResponse(7, 204)
    nulls = dict.fromkeys(("LocalRouting", "ChannelName", "NotCompleted", "Headers", "TracingId"))

    assert decode(packed(2, {"AckId": 7, "StatusCode": 204})) == expected
    assert decode(packed(2, {"AckId": 7, "StatusCode": 204} | nulls)) == expected
    single = decode(packed(2, {"AckId": 7, "StatusCode": 204, "Headers": {"a": "b"}}))
    assert single == HttpResponse(7, 204, {"a": ["b"]})


@pytest.mark.parametrize("kind", [0, 3, 4, 9, 11, 127])
def test_a_type_nobody_knows_is_nothing(kind: int) -> None:
    assert decode(packed(kind, {})) is None


@pytest.mark.parametrize(
    ("size", "sizes"),
    [(None, [None]), (0, [0]), (1, [1]), (CHUNK, [CHUNK]), (CHUNK + 1, [CHUNK, 1]), (2 * CHUNK, [CHUNK, CHUNK])],
)
def test_a_long_answer_goes_in_parts(size: int | None, sizes: list[int | None]) -> None:
    answer = HttpResponse(1, 200, {"a": ["b"]}, None if size is None else b"x" * size, channel="c", local_routing=True)
    parts = list(answer.parts())

    assert [None if part.content is None else len(part.content) for part in parts] == sizes
    assert [part.not_completed for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {(part.ack_id, part.status, part.channel, part.local_routing) for part in parts} == {(1, 200, "c", True)}


@given(st.binary() | st.sampled_from([255, 256, 65535, 65536]).map(bytes), texts | st.just("é" * 40_000))
def test_bytes_and_text_of_any_length_come_back(data: bytes, text: str) -> None:
    reader = msgpack.Reader(msgpack.binary(data) + msgpack.text(text) + msgpack.NIL)

    assert (reader.binary_or_nil(), reader.text(), reader.binary_or_nil()) == (data, text, None)
    reader.end()


@pytest.mark.parametrize(
    ("data", "number"),
    [
        ("00", 0), ("7f", 127), ("ff", -1), ("e0", -32), ("ccff", 255), ("cdffff", 65535), ("ce00010000", 65536),
        ("cfffffffffffffffff", 2**64 - 1), ("d080", -128), ("d18000", -32768), ("d280000000", -(2**31)),
        ("d3ffffffffffffffff", -1),
    ],
)  # fmt: skip
def test_numbers_of_every_size_are_read(data: str, number: int) -> None:
    assert msgpack.Reader(bytes.fromhex(data)).integer() == number
