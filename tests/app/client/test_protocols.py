"""Raw clients: what they can say, and what they hear."""

import pytest

from app.client.frames import Data, Frame, JoinGroup, Ping, SendEvent, SendToGroup
from app.client.protocols import PUBSUB, NotCarried, ProtocolName, raw
from app.models.payloads import BinaryData, JsonData, TextData

HELLO = TextData(text="hello")


@pytest.mark.parametrize(
    ("payload", "frame"),
    [
        (HELLO, Frame(b"hello", is_text=True)),
        (JsonData(value=1.5, raw=b"1.50"), Frame(b"1.50", is_text=True)),
        (BinaryData(data=b"\x00"), Frame(b"\x00", is_text=False)),
    ],
)
def test_a_frame_of_a_raw_client_is_its_data(payload: TextData | JsonData | BinaryData, frame: Frame) -> None:
    assert raw().encode(SendEvent("message", payload), None) == frame
    assert raw("g").encode(SendToGroup("g", payload), None) == frame


def test_a_raw_client_hears_data() -> None:
    assert raw().decode(Frame(b"hello", is_text=True)) == Data(HELLO)
    assert raw().decode(Frame(b"\x00", is_text=False)) == Data(BinaryData(data=b"\x00"))


@pytest.mark.parametrize("command", [SendEvent("roll", HELLO), JoinGroup("g"), SendToGroup("g", HELLO), Ping()])
def test_a_raw_client_sends_one_event_only(command: SendEvent | JoinGroup | SendToGroup | Ping) -> None:
    with pytest.raises(NotCarried, match="can only send the event `message`"):
        raw().encode(command, None)


@pytest.mark.parametrize(
    "command", [SendEvent("message", HELLO), SendToGroup("h", HELLO), SendToGroup("g", HELLO, True)]
)
def test_or_to_one_group_only(command: SendEvent | SendToGroup) -> None:
    with pytest.raises(NotCarried, match="can only send to the group g"):
        raw("g").encode(command, None)


def test_every_name_but_raw_is_a_subprotocol() -> None:
    assert set(ProtocolName) - set(PUBSUB) == {ProtocolName.RAW}
    assert {name for name, one in PUBSUB.items() if one.is_reliable} == {
        ProtocolName.RELIABLE,
        ProtocolName.PROTOBUF_RELIABLE,
    }
    assert raw().is_raw
    assert not any(one.is_raw for one in PUBSUB.values())
