"""The language of the prompt."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.frames import JoinGroup, LeaveGroup, Ping, SendEvent, SendToGroup
from app.client.words import MESSAGE_LIMIT, NotUnderstood, Quit, ShowHelp, read
from app.models.payloads import BinaryData, JsonData, TextData


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("joingroup lobby", JoinGroup("lobby")),
        ("  JoinGroup   lobby  \n", JoinGroup("lobby")),
        ('joingroup "room 1"', JoinGroup("room 1")),
        (r'joingroup "a \"b\" \\c"', JoinGroup(r'a "b" \c')),
        ("leavegroup lobby", LeaveGroup("lobby")),
        ("sendtogroup lobby hi  there ", SendToGroup("lobby", TextData(text="hi  there "))),
        ("sendtogroup --no-echo lobby hi", SendToGroup("lobby", TextData(text="hi"), no_echo=True)),
        ('sendtogroup "room 1" hi', SendToGroup("room 1", TextData(text="hi"))),
        ('sendtogroup g {"n": 1.10}', SendToGroup("g", JsonData(value={"n": 1.1}, raw=b'{"n": 1.10}'))),
        ("sendtogroup g [1, 2]", SendToGroup("g", JsonData(value=[1, 2], raw=b"[1, 2]"))),
        ('sendtogroup g "text in JSON"', SendToGroup("g", JsonData(value="text in JSON", raw=b'"text in JSON"'))),
        ("sendtogroup g --text {not JSON", SendToGroup("g", TextData(text="{not JSON"))),
        ("sendtogroup g --text", SendToGroup("g", TextData(text=""))),
        ("sendtogroup g --json 42", SendToGroup("g", JsonData(value=42, raw=b"42"))),
        ("sendtogroup g 42", SendToGroup("g", TextData(text="42"))),
        ("event roll d20", SendEvent("roll", TextData(text="d20"))),
        ("ping", Ping()),
        ("help", ShowHelp()),
        ("quit", Quit()),
        ("exit", Quit()),
        ("", None),
        ("   \t", None),
        ("# a remark", None),
    ],
)
def test_a_line_is_understood(line: str, said: object) -> None:
    assert read(line) == said


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("dance", "there is no command dance; help lists them"),
        ("joingroup", "name a group"),
        ("joingroup room 1", "a group with spaces goes in quotes"),
        ("sendtogroup", "name a group"),
        ("sendtogroup g", "there is nothing to send; --text alone is an empty text"),
        ("sendtogroup --no-echo", "name a group"),
        ("event", "name an event"),
        ("event roll", "there is nothing to send; --text alone is an empty text"),
        ("event roll --file", "name a file"),
        ("event roll --file a b", "a file with spaces goes in quotes"),
        ("event roll --file /nowhere/x.png", "there is no file /nowhere/x.png"),
        ("ping pong", "nothing may follow this command"),
        ("event roll \udcff", "this text is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: str, why: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        read(line)

    assert str(caught.value) == why


def test_broken_json_is_not_sent_as_text_unasked() -> None:
    with pytest.raises(NotUnderstood, match=r"^this is not JSON \(.*\); --text in front sends it as text$"):
        read("event roll {oops")
    with pytest.raises(NotUnderstood, match=r"^this is not JSON \(.*\)$"):
        read("event roll --json oops")


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"\x00\xff")

    assert read(f'sendtogroup g --file "{tmp_path}/a file"') == SendToGroup("g", BinaryData(data=b"\x00\xff"))


def test_a_file_the_service_would_not_take_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(MESSAGE_LIMIT + 1))
    with pytest.raises(NotUnderstood, match="larger than 1 MiB"):
        read(f"event x --file {tmp_path}/large")
    with pytest.raises(NotUnderstood, match="there is no file"):
        read(f"event x --file {tmp_path}")


@given(st.text())
def test_no_line_does_more_than_being_misunderstood(line: str) -> None:
    with suppress(NotUnderstood):
        read(line)


@given(st.text(min_size=1).filter(lambda name: not set(name) & set("\r\n")), st.text().filter(str.strip))
def test_quotes_hold_any_name(name: str, text: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')

    assert read(f'joingroup "{quoted}"') == JoinGroup(name)
