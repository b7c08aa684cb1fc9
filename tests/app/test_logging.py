"""One line per event, words an operator can act on, and nothing that should not be there."""

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from app.jsonlog import LineSink, json_logger
from tests.app.conftest import KEY, MakeClient, event

SECRETS = ("s3cr3t-body", "s3cr3t-token", "s3cr3t-state", "sha256=", KEY, "access_token=")


class Log:
    """What was written, as lines and as fields."""

    def __init__(self, stream: io.BytesIO, sink: LineSink) -> None:
        self._stream = stream
        self._sink = sink

    @property
    def text(self) -> str:
        self._sink.flush()
        return self._stream.getvalue().decode()

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, self.text.splitlines()) if line["event"] == name]


def logged(*silent: str) -> Iterator[Log]:
    stream = io.BytesIO()
    sink = LineSink(stream)
    before = structlog.get_config()
    structlog.configure(wrapper_class=json_logger(list(silent)), logger_factory=lambda *_: sink)
    yield Log(stream, sink)
    structlog.configure(**before)


@pytest.fixture
def log() -> Iterator[Log]:
    yield from logged()


@pytest.fixture
def quiet_log() -> Iterator[Log]:
    yield from logged("debug")


async def test_every_event_is_one_line_with_its_fields(log: Log, client: httpx.AsyncClient) -> None:
    forged = 'x"}\u0085\u2028{"event":"forged"'
    headers = [(name.encode(), value.encode()) for name, value in event("user", "echo", ce_userId=forged).items()]
    await client.post("/eventhandler", headers=headers, content=b"x")

    assert log.text.count("\n") == 1
    assert json.loads(log.text)["user_id"] == forged


async def test_a_failing_hub_leaves_its_trace_in_the_log_and_not_in_the_answer(
    log: Log, client: httpx.AsyncClient
) -> None:
    response = await client.post("/eventhandler", headers=event("user", "boom"), content=b"x")

    assert response.text == "the event handler failed"
    (line,) = log.lines("handler failed")
    assert "RuntimeError: boom" in line["exception"]
    assert (line["hub"], line["event_name"], line["connection_id"]) == ("chat", "boom", "conn-7f3a")


def test_errors_are_written_at_once_and_take_along_what_waits(connect_to: MakeClient) -> None:
    stream = io.BytesIO()
    logger = json_logger([])(LineSink(stream))

    logger.bind(hub="chat").error("broken", status=500)

    line = json.loads(stream.getvalue())
    assert (line["level"], line["hub"], line["status"]) == ("error", "chat", 500)


async def test_lines_are_written_in_order_and_in_time(log: Log) -> None:
    logger = structlog.get_logger("x")
    for number in range(600):
        logger.info("tick", number=number)

    assert [line["number"] for line in log.lines("tick")] == list(range(600))
