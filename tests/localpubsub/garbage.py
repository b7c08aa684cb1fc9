"""What no client should send: broken WebSocket frames, and broken messages in frames that are whole."""

import json
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V3, V5
from tests.localpubsub.arena import Ending
from tests.localpubsub.mqtt.samples import connects, packets
from tests.localpubsub.protobuf_commands import commands, officially_encoded

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x12\x34\x56\x78"


def frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
) -> bytes:
    """`length` is what the header says, whatever the payload has."""
    length = len(payload) if length is None else length
    head = bytes([fin << 7 | reserved << 4 | opcode])
    flag = masked << 7
    if length < 126:
        head += bytes([flag | length])
    else:
        head += struct.pack(">BH", flag | 126, length) if length < 2**16 else struct.pack(">BQ", flag | 127, length)
    if not masked:
        return head + payload
    repeated = MASK * (len(payload) // 4 + 1)
    return head + MASK + bytes(a ^ b for a, b in zip(payload, repeated, strict=False))


def message(opcode: int, payload: bytes, parts: int = 1) -> bytes:
    """In so many frames, with a ping between them."""
    size = max(1, -(-len(payload) // parts))
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
    frames = [
        frame(opcode if number == 0 else CONTINUATION, piece, fin=number == len(pieces) - 1)
        for number, piece in enumerate(pieces)
    ]
    return frame(PING, b"").join(frames)


# Mostly as it should be, so that what comes after it is looked at.
broken_frames = st.builds(
    frame,
    st.sampled_from((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 3, 7, 11, 15)),
    st.binary(max_size=150),
    fin=st.sampled_from((True, True, False)),
    reserved=st.sampled_from((0, 0, 0, 0, 1, 2, 4)),
    masked=st.sampled_from((True, True, True, False)),
    length=st.sampled_from((None, None, None, 0, 125, 126, 2**16, 2**20 + 1, 2**31, 2**63, 2**64 - 1)),
)

TYPES = (
    "joinGroup", "leaveGroup", "sendToGroup", "event", "ping", "sequenceAck", "invoke", "cancelInvocation",
    "invokeResponse", "streamData", "streamEnd", "setGroupState", "subscribeGroupState", "unsubscribeGroupState",
)  # fmt: skip
values: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(("1", "\ud800", "")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
PLAUSIBLE: dict[str, SearchStrategy[Any]] = {
    "group": st.sampled_from(("reef", "lobby", "g" * 1024)),
    "event": st.sampled_from(("echo", "fail")),
    "ackId": st.integers(0, 3) | st.just(2**64 - 1),
    "dataType": st.sampled_from(("text", "json", "binary", "protobuf")),
    "data": st.text(max_size=9) | st.sampled_from(("AQI=", "", 1.0, [])),
    "noEcho": st.booleans(),
    "ttlSeconds": st.integers(0, 300),
    "metadata": st.dictionaries(st.sampled_from(("a", "b-c")), st.sampled_from(("", "x y", "\t")), max_size=2),
    "sequenceId": st.integers(0, 2**64 - 1),
    "invocationId": st.sampled_from(("1", "2")),
    "target": st.just("event"),
    "streamId": st.sampled_from(("s", "t")),
    "streamSequenceId": st.integers(0, 3),
    "stream": st.fixed_dictionaries(
        {"streamId": st.sampled_from(("s", "t"))}, optional={"idleTimeoutMs": st.integers()}
    ),
    "error": st.none() | st.fixed_dictionaries({"message": st.text(max_size=5)}),
    "state": st.none() | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
}


@st.composite
def _json_commands(draw: st.DrawFn) -> bytes:
    odd = draw(st.sampled_from((None, None, *PLAUSIBLE)))
    needed = {"type": st.sampled_from(TYPES), "group": PLAUSIBLE["group"], "streamId": PLAUSIBLE["streamId"]}
    members = draw(st.fixed_dictionaries(needed, optional={key: PLAUSIBLE[key] for key in PLAUSIBLE.keys() - needed}))
    if odd is not None:
        members[odd] = draw(values)
    return json.dumps(members).encode()


json_messages = _json_commands() | values.map(lambda value: json.dumps(value).encode())
protobuf_messages = commands.map(officially_encoded)


def mqtt_messages(version: int) -> SearchStrategy[bytes]:
    return packets(version).map(lambda packet: encode(packet, version))


def mqtt_starts(version: int) -> SearchStrategy[bytes]:
    return connects(version).map(lambda packet: encode(packet, version))


mqtt_streams = st.sampled_from((V3, V5)).flatmap(
    lambda version: st.builds(
        lambda start, more: [start, *more], mqtt_starts(version), st.lists(mqtt_messages(version), max_size=4)
    )
)

names = st.text(max_size=6) | st.sampled_from(("AckId", "HttpMethod", "Url", "Headers"))
tunnel_members: SearchStrategy[dict[str, Any]] = st.dictionaries(names, values, max_size=3)


@st.composite
def _tunnel_messages(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from((1, 1, 1, 2, 5, 6, 7, 8, 10, 11, 127, 255)))
    members = {
        "Type": kind, "AckId": draw(st.integers(0, 2**31)), "LocalRouting": draw(st.booleans()), "ChannelName": "",
        "HttpMethod": draw(st.sampled_from(("GET", "POST", "HEAD", "\n"))),
        "Url": draw(st.sampled_from(("https://h/api/hubs/den/:send", "https://h/api/hubs/den/groups/reef/connections",
                                     "https://h/api/hubs/%64en/users/%ff", "http://[", "", "//"))),
        "Headers": draw(st.sampled_from(({}, {"Content-Type": ["text/plain"]}, {"x\n": ["\r\n"]}))),
        "StatusCode": draw(st.sampled_from((200, 0, -1, 10**9))),
    } | draw(tunnel_members)  # fmt: skip
    text = json.dumps(members).encode()
    content = draw(st.none() | st.binary(max_size=9))
    packed = b"\x93" + bytes([kind]) + b"\xda" + struct.pack(">H", len(text)) + text
    packed += b"\xc0" if content is None else b"\xc4" + bytes([len(content)]) + content
    return struct.pack("<I", len(packed)) + packed


tunnel_messages = _tunnel_messages()


@st.composite
def damaged(draw: st.DrawFn, whole: SearchStrategy[bytes]) -> bytes:
    """Mostly not damaged at all."""
    data = draw(whole)
    where = draw(st.integers(0, len(data)))
    match draw(st.sampled_from(("", "", "", "cut", "flip", "insert", "other"))):
        case "cut":
            return data[:where]
        case "flip":
            return data[:where] + bytes(one ^ 0xFF for one in data[where : where + 1]) + data[where + 1 :]
        case "insert":
            return data[:where] + draw(st.binary(max_size=4)) + data[where:]
        case "other":
            return draw(st.binary(max_size=60))
    return data


Sending = tuple[list[bytes], Ending]


@st.composite
def sendings(draw: st.DrawFn, whole: SearchStrategy[bytes], opcode: int) -> Sending:
    """Pieces for the network: messages in one frame or more, cut anywhere; perhaps a broken frame behind them."""
    opcodes = st.sampled_from((opcode,) * 8 + (TEXT, BINARY))
    good = st.builds(message, opcodes, damaged(whole), st.sampled_from((1, 1, 1, 2, 3)))
    return _ended(draw, b"".join(draw(st.lists(good, max_size=6))))


@st.composite
def mqtt_sendings(draw: st.DrawFn) -> Sending:
    """MQTT packets know no frames: they are cut into those anywhere."""
    packed = b"".join(draw(mqtt_streams))
    if draw(st.booleans()):
        packed = draw(damaged(st.just(packed)))
    return _ended(draw, b"".join(message(BINARY, piece) for piece in pieces_of(draw, packed)))


def _ended(draw: st.DrawFn, stream: bytes) -> Sending:
    """Behind a broken frame, nobody can say good-bye."""
    if draw(st.booleans()):
        goodbye = st.sampled_from((b"", b"\x03", b"\x03\xe8", b"\x03\xedx", b"\x03\xe8\xff", b"\xff\xff"))
        return pieces_of(draw, stream + frame(CLOSE, draw(goodbye))), Ending.WAIT
    broken = draw(st.lists(broken_frames, max_size=2))
    return pieces_of(draw, stream + b"".join(broken)), draw(st.sampled_from((Ending.HALF_CLOSE, Ending.CUT_OFF)))


def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts: Sequence[int] = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
