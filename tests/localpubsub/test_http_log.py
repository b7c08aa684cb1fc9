"""What the log says of a client that does not speak HTTP."""

import asyncio
import logging

import pytest

from localpubsub.server import LocalPubSub


@pytest.mark.parametrize(
    "garbage", [b"GET /secret HTTP/9.9 x\r\n\r\n", b"SECRET\r\n\r\n", b"\x16\x03\x01secret\r\n\r\n"]
)
async def test_one_line_without_its_bytes_or_our_stack(
    service: LocalPubSub, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    caplog.set_level(logging.INFO)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(garbage)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()

    assert answer.startswith((b"HTTP/1.0 400", b"HTTP/1.1 400"))
    lines = [record for record in caplog.records if record.name == "localpubsub.http"]
    assert all(record.levelname in ("DEBUG", "INFO") and record.exc_info is None for record in lines)
    assert "secret" not in caplog.text.lower()
