"""One line per event, words an operator can act on, and nothing that should not be there."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import structlog

from app.jsonlog import LineSink, json_logger
from app.logging import configure_logging
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


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream, before, root = io.StringIO(), structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("app.logging.CHATTY", ())
    configure_logging(output="console")
    yield stream
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_every_event_is_one_line_with_its_fields(log: Log, client: httpx.AsyncClient) -> None:
    headers = event("user", "echo", ce_userId="mia", ce_id="4")
    await client.post("/eventhandler", headers=headers, content=b"s3cr3t-body")

    (line,) = log.lines("event")
    assert line.pop("timestamp").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "level": "info", "event": "event", "type": "azure.webpubsub.user.echo", "hub": "chat",
        "connection_id": "conn-7f3a", "user_id": "mia", "outcome": "handled", "status": 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name", "outcome"),
    [
        ("user", "echo", "handled"),
        ("user", "deny401", "rejected"),
        ("user", "boom", "failed"),
        ("sys", "connected", "handled"),
    ],
)
async def test_the_outcome_is_told(log: Log, client: httpx.AsyncClient, kind: str, name: str, outcome: str) -> None:
    await client.post("/eventhandler", headers=event(kind, name), content=b"{}")

    assert [line["outcome"] for line in log.lines("event")] == [outcome]


async def test_a_redelivery_is_told(log: Log, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        await client.post("/eventhandler", headers=event("user", "echo", ce_id="4"), content=b"x")

    assert [line["outcome"] for line in log.lines("event")] == ["handled", "repeated"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ce-signature": "sha256=00"}, "after a key rotation configure both keys"),
        ({"WebHook-Request-Origin": "evil.example"}, "WEBPUBSUB_ALLOWED_ORIGINS"),
        ({"ce-hub": "other"}, "not in HUBS"),
        ({"ce-awpsversion": ""}, "ce-awpsversion is required"),
    ],
)
async def test_a_refusal_says_what_to_do(
    log: Log, client: httpx.AsyncClient, changes: dict[str, str], reason: str
) -> None:
    await client.post("/eventhandler", headers=event("user", "echo") | changes, content=b"x")

    (line,) = log.lines("event refused")
    assert reason in line["reason"]
    assert line["outcome"] == "refused"
    assert not log.lines("event")


async def test_a_refused_validation_is_told(log: Log, client: httpx.AsyncClient) -> None:
    await client.options("/eventhandler", headers={"WebHook-Request-Origin": "evil.example"})

    assert log.lines("validation refused")[0]["origin"] == "evil.example"


async def test_nothing_secret_is_written(log: Log, client: httpx.AsyncClient) -> None:
    state = "InMzY3IzdC1zdGF0ZSI="
    secret = {"ce_connectionState": state, "Authorization": "Bearer s3cr3t-token", "Cookie": "a=s3cr3t-token"}
    for name in ("echo", "boom", "deny401"):
        await client.post("/eventhandler", headers=event("user", name, **secret), content=b"s3cr3t-body")
    query = {"query": {"access_token": ["s3cr3t-token"], "room": ["s3cr3t-body"]}}
    await client.post("/eventhandler", headers=event("sys", "connect", **secret), json=query)
    await client.post("/eventhandler", headers=event("sys", "connect", **secret), content=b"s3cr3t-body")
    forged = event("user", "echo", **secret) | {"ce-signature": "sha256=ab"}
    await client.post("/eventhandler", headers=forged, content=b"x")
    await client.get("/negotiate?id=mia")

    assert len(log.text.splitlines()) > 6
    for text in (*SECRETS, state):
        assert text not in log.text


async def test_the_names_of_a_clients_query_are_for_debugging(log: Log, client: httpx.AsyncClient) -> None:
    await client.post("/eventhandler", headers=event("sys", "connect"), json={"query": {"room": ["x"], "id": ["y"]}})

    assert log.lines("connect query")[0]["names"] == ["id", "room"]


async def test_a_level_below_the_threshold_is_silent(quiet_log: Log, client: httpx.AsyncClient) -> None:
    await client.post("/eventhandler", headers=event("sys", "connect"), json={"query": {"room": ["x"]}})

    assert not quiet_log.lines("connect query")
    assert quiet_log.lines("event")


async def test_no_value_can_forge_a_second_line(log: Log, client: httpx.AsyncClient) -> None:
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


@pytest.mark.parametrize("logger_of", [structlog.get_logger, logging.getLogger])
def test_a_traceback_in_a_terminal_shows_no_local_variables(
    console: io.StringIO, logger_of: Callable[[str], Any]
) -> None:
    def fail(body: str) -> None:
        raise RuntimeError("boom")

    try:
        fail(SECRETS[0])
    except RuntimeError:
        logger_of("x").exception("handler failed")

    assert "RuntimeError: boom" in console.getvalue()
    assert SECRETS[0] not in console.getvalue()


EVIL = "mia\x1b[2J\x9b31m\x85\u2028\u202e\nlevel=error forged"
"""A name that clears the terminal, colours it, turns it around and begins another line."""


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("logger_of", [structlog.get_logger, logging.getLogger])
def test_what_a_client_chose_is_written_out_in_a_terminal(
    console: io.StringIO, logger_of: Callable[[str], Any]
) -> None:
    logger_of("x").warning(f"hello {EVIL}")
    structlog.get_logger().info("event", user_id=EVIL, names=[EVIL], state={EVIL: EVIL})

    assert harmless(console.getvalue())
    assert len(console.getvalue().splitlines()) == 2
    assert console.getvalue().count("\\x1b[2J") == 5


def complain(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("logger_of", [structlog.get_logger, logging.getLogger])
def test_no_line_of_a_traceback_passes_for_one_of_the_log(
    console: io.StringIO, logger_of: Callable[[str], Any]
) -> None:
    try:
        complain(EVIL)
    except ValueError:
        logger_of("x").exception("handler failed")

    first, *others = console.getvalue().rstrip().split("\n")
    assert "handler failed" in first
    assert harmless(console.getvalue())
    assert "  level=error forged" in others
    assert all(line.startswith("  ") for line in others)


def test_what_a_client_chose_is_one_line_of_json_without_anything_a_terminal_obeys(log: Log) -> None:
    structlog.get_logger().info("event", user_id=EVIL, state={EVIL: [EVIL]})
    structlog.get_logger().info("event", user_id="Zoë 李")

    evil, decent = log.lines("event")
    assert evil["user_id"] == EVIL
    assert decent["user_id"] == "Zoë 李"
    assert harmless(log.text)
    assert len(log.text.splitlines()) == 2
    assert "Zoë 李" in log.text


def test_a_value_that_is_no_json_takes_no_other_line_along(log: Log) -> None:
    circle: dict[str, Any] = {}
    circle["self"] = circle
    structlog.get_logger().info("event", user_id="\udc80")
    structlog.get_logger().info("event", state=circle)
    structlog.get_logger().info("event", user_id="mia")

    assert len(log.text.splitlines()) == 3
    assert [line.get("user_id") for line in log.lines("event")] == ["\\udc80", None, "mia"]


async def test_an_event_of_somebody_with_an_evil_name_is_one_harmless_line(log: Log, client: httpx.AsyncClient) -> None:
    name = "mia\x9b2J\u2028"
    headers = [(header.encode(), value.encode()) for header, value in event("user", "echo", ce_userId=name).items()]
    await client.post("/eventhandler", headers=headers, content=b"x")

    (line,) = log.lines("event")
    assert line["user_id"] == name
    assert harmless(log.text)
