"""Frames of clients that end the connection, as data in tests/wire (spec/service.md 3.6, 5.3)."""

import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from localpubsub.protocol.errors import Disconnect
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.subprotocols import WELL_KNOWN
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import client_url

SAMPLES = json.loads((Path(__file__).parents[1] / "wire" / "client-frames.json").read_text())
REASONS = {
    ("json", 1003): "The JSON subprotocol requires text messages.",
    ("json", 1007): "The client message is not a valid JSON protocol message.",
    ("protobuf", 1003): "The protobuf subprotocol requires binary messages.",
    ("protobuf", 1007): "The client message is not a valid protobuf protocol message.",
}


def frame_of(sample: dict[str, Any]) -> Frame:
    if "text" in sample:
        return Frame(sample["text"].encode(), is_text=True)
    return Frame(bytes.fromhex(sample["hex"]), is_text=False)


@pytest.mark.parametrize(
    ("name", "sample"), [(name, one) for name in ("json", "protobuf") for one in SAMPLES[name]], ids=str
)
def test_a_frame_that_is_not_allowed_has_its_close_code_and_reason(name: str, sample: dict[str, Any]) -> None:
    with pytest.raises(Disconnect) as caught:
        WELL_KNOWN[f"{name}.webpubsub.azure.v1"].decode(frame_of(sample))

    assert caught.value.code == sample["code"]
    assert caught.value.reason == REASONS[name, sample["code"]]


@pytest.mark.parametrize("reliable", ["", ".reliable"])
@pytest.mark.parametrize(
    ("name", "sample"),
    [("json", {"hex": "00"}), ("json", {"text": "{}"}), ("protobuf", {"text": ""}), ("protobuf", {"hex": "00"})],
)
async def test_the_close_frame_says_it(
    session: aiohttp.ClientSession, service: LocalPubSub, name: str, reliable: str, sample: dict[str, Any]
) -> None:
    protocol = f"{name}{reliable}.webpubsub.azure.v1"
    async with session.ws_connect(client_url(service, "open"), protocols=[protocol], autoclose=False) as socket:
        await socket.receive(timeout=5)
        frame = frame_of(sample)
        await (socket.send_str(frame.data.decode()) if frame.is_text else socket.send_bytes(frame.data))
        closing = await socket.receive(timeout=5)

        assert closing.type is aiohttp.WSMsgType.CLOSE
        assert (name, closing.data) in REASONS
        assert closing.extra == REASONS[name, closing.data]


async def test_a_message_that_is_too_large_is_told_so(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(client_url(service, "open"), autoclose=False) as socket:
        await socket.send_bytes(b"x" * (1024 * 1024 + 1))
        closing = await socket.receive(timeout=5)

        assert (closing.data, closing.extra) == (1009, "The client message is too large.")


async def test_a_broken_websocket_frame_is_a_protocol_error(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with session.ws_connect(client_url(service, "open"), autoclose=False) as socket:
        transport = socket._response.connection.transport  # type: ignore[union-attr]
        transport.write(bytes.fromhex("83 80 00000000"))  # type: ignore[union-attr]  # opcode 3 is reserved
        closing = await socket.receive(timeout=5)

        assert closing.data == 1002
