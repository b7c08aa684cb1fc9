"""Lines for people and for programs."""

import io
import json

import pytest
from hypothesis import given
from rich.console import Console

from app.client.comeback import Again
from app.client.connection import Lost, Opened, Told
from app.client.endings import Closed, Refused, Unreachable
from app.client.frames import (
    Ack,
    Connected,
    Data,
    Disconnected,
    Failure,
    Frame,
    JoinGroup,
    LeaveGroup,
    Message,
    Pong,
    SendEvent,
    SendToGroup,
    Unknown,
)
from app.client.session import Outcome
from app.client.transcript import ForPeople, ForPrograms
from app.models.payloads import BinaryData, JsonData, Payload, ProtobufData, TextData
from tests.app.client.spoken import received

HELLO = TextData(text="hello")
CUT_OFF = "the connection was cut off; the network or the service may be down"
FORBIDDEN = Failure("Forbidden", "you may not")
CASES: list[tuple[Told, str, str]] = [
    (Opened(), "connected", '{"type":"opened"}'),
    (
        Connected("c-1", "mia", "secret"),
        "connected as mia, connection c-1",
        '{"type":"system","event":"connected","userId":"mia","connectionId":"c-1"}',
    ),
    (
        Connected("c-1"),
        "connected as anonymous, connection c-1",
        '{"type":"system","event":"connected","userId":null,"connectionId":"c-1"}',
    ),
    (
        Disconnected("bye"),
        "the service says good-bye: bye",
        '{"type":"system","event":"disconnected","message":"bye"}',
    ),
    (
        Message(HELLO, "lobby", "bob"),
        "[lobby] bob: hello",
        '{"type":"message","from":"group","group":"lobby","fromUserId":"bob","dataType":"text","data":"hello"}',
    ),
    (
        Message(JsonData(value={"n": 1.1}, raw=b'{"n":\n 1.10}')),
        r'server: {"n":\n 1.10}',
        '{"type":"message","from":"server","dataType":"json","data":{"n":  1.10}}',
    ),
    (
        Message(HELLO, "g", None, 7, {"k": "v"}),
        "[g] hello",
        '{"type":"message","from":"group","group":"g","sequenceId":7,"metadata":{"k":"v"},"dataType":"text","data":"hello"}',
    ),
    (
        Data(BinaryData(data=bytes(range(40)))),
        f"(40 bytes) {bytes(range(32)).hex(' ')} ...",
        '{"type":"message","dataType":"binary","data":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJw=="}',
    ),
    (
        Data(ProtobufData(data=b"\x0a\x00")),
        "(2 bytes of protobuf) 0a 00",
        '{"type":"message","dataType":"protobuf","data":"CgA="}',
    ),
    (Ack(9), "ack 9, which nothing waited for: ok", '{"type":"ack","ackId":9,"success":true}'),
    (
        Ack(9, FORBIDDEN),
        "ack 9, which nothing waited for: Forbidden",
        '{"type":"ack","ackId":9,"success":false,"error":{"name":"Forbidden","message":"you may not"}}',
    ),
    (
        Outcome(1, JoinGroup("lobby")),
        "ok      joingroup lobby",
        '{"type":"ack","ackId":1,"command":"joingroup","target":"lobby","success":true}',
    ),
    (
        Outcome(2, LeaveGroup("lobby"), None, was_done=True),
        "ok      leavegroup lobby, done before",
        '{"type":"ack","ackId":2,"command":"leavegroup","target":"lobby","success":true,"duplicate":true}',
    ),
    (
        Outcome(3, SendToGroup("g", HELLO), Failure("No", "")),
        "failed  sendtogroup g: No",
        '{"type":"ack","ackId":3,"command":"sendtogroup","target":"g","success":false,"error":{"name":"No","message":""}}',
    ),
    (
        Outcome(4, SendEvent("roll", HELLO)),
        "ok      event roll",
        '{"type":"ack","ackId":4,"command":"event","target":"roll","success":true}',
    ),
    (Pong(), "pong", '{"type":"pong"}'),
    (
        Unknown(Frame(b'{"a":1}', is_text=True)),
        'a frame this client does not know: {"a":1}',
        '{"type":"unknown","text":"{\\"a\\":1}"}',
    ),
    (
        Unknown(Frame(b"\xff\x00", is_text=False)),
        "a frame this client does not know: ff 00",
        '{"type":"unknown","base64":"/wA="}',
    ),
    (
        Lost(Closed(1006), Again(0, recover=True)),
        f"closed with 1006: {CUT_OFF}; getting the connection back",
        f'{{"type":"closed","code":1006,"message":"closed with 1006: {CUT_OFF}","then":"recover"}}',
    ),
    (
        Lost(Unreachable("nobody answered in time"), Again(4, recover=False)),
        "nobody answered in time; connecting anew in 4 s",
        '{"type":"closed","message":"nobody answered in time","then":"reconnect"}',
    ),
    (
        Lost(Closed(1000), None),
        "closed with 1000: the service ended the connection",
        '{"type":"closed","code":1000,"message":"closed with 1000: the service ended the connection","then":"end"}',
    ),
]


def printed(*told: Told) -> tuple[str, str]:
    """What people read on standard output and on standard error."""
    out, errors = io.StringIO(), io.StringIO()
    transcript = ForPeople(*(Console(file=file, highlight=False, soft_wrap=True) for file in (out, errors)))
    for one in told:
        transcript.show(one)
    return out.getvalue(), errors.getvalue()


def written(told: Told) -> str:
    lines: list[str] = []
    ForPrograms(lines.append).show(told)
    (line,) = lines
    return line


@pytest.mark.parametrize(("told", "line", "text"), CASES)
def test_each_thing_is_a_line(told: Told, line: str, text: str) -> None:
    assert printed(told) == (line + "\n", "")
    assert written(told) == text + "\n"


def test_a_bad_end_is_an_error() -> None:
    lost = Lost(Refused(401, "by the upstream: who are you?"), None)

    assert printed(lost) == ("", "webpubsub: refused with 401: by the upstream: who are you?\n")
    assert json.loads(written(lost)) == {
        "type": "closed",
        "status": 401,
        "message": "refused with 401: by the upstream: who are you?",
        "then": "end",
    }


def test_a_connection_that_came_back_is_told_from_a_new_one() -> None:
    out, _ = printed(Connected("c-1", "mia"), Connected("c-1", "mia"), Connected("c-2", "mia"))

    assert [line.split(" ")[0] for line in out.splitlines()] == ["connected", "recovered", "connected"]


def test_what_a_terminal_would_obey_is_written_out() -> None:
    nasty = "a\x1b[2J\r\nb\u202e"
    shown = r"a\x1b[2J\r\nb\u202e"

    out, _ = printed(
        Message(TextData(text=nasty), nasty, nasty),
        Message(JsonData(value=[nasty])),
        Connected(nasty, nasty),
        Disconnected(nasty),
        Outcome(1, JoinGroup(nasty), Failure(nasty, nasty)),
        Unknown(Frame(nasty.encode(), is_text=True)),
        Lost(Closed(1011, nasty), Again(1, recover=True)),
        Message(TextData(text="[bold]not markup[/]")),
    )

    assert len(out.splitlines()) == 8
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert f"[{shown}] {shown}: {shown}" in out
    assert "server: [bold]not markup[/]" in out


@given(received)
def test_every_message_is_one_line_of_json(message: tuple[Payload, str | None, str | None, dict[str, str]]) -> None:
    payload, group, user, metadata = message

    line = written(Message(payload, group, user, 5, metadata))

    assert line.count("\n") == 1
    read = json.loads(line)
    assert (read.get("group"), read.get("fromUserId"), read.get("metadata", {})) == (group, user, metadata)
    if isinstance(payload, JsonData):
        assert read["data"] == payload.value
