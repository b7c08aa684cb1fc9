"""What Tab offers, and where the history is."""

import os
import pty
import termios
from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, InMemoryHistory

from app.client.frames import JoinGroup, Message, Pong, SendEvent
from app.client.prompt import Names, WordCompleter, kept_history, silent_input
from app.models.payloads import TextData


def offered(text: str, names: Names | None = None) -> list[str]:
    completer = WordCompleter(names or Names())
    return [one.text for one in completer.get_completions(Document(text), CompleteEvent())]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", ["joingroup ", "leavegroup ", "sendtogroup ", "event ", "ping ", "help ", "quit "]),
        ("JOI", ["joingroup "]),
        ("x", []),
        ("joingroup ", ["lobby ", '"room 1" ']),
        ("leavegroup lo", ["lobby "]),
        ("sendtogroup ", ["lobby ", '"room 1" ']),
        ("sendtogroup --no-echo l", ["lobby "]),
        ("sendtogroup lobby --t", ["--text "]),
        ("event ", ["message "]),
        ("event message --", ["--text ", "--json ", "--file "]),
        ("event message lob", []),
        ("event message some words", []),
        ("ping ", []),
    ],
)
def test_what_fits_is_offered(typed: str, words: list[str]) -> None:
    assert offered(typed, Names(["lobby", "room 1"])) == words


def test_names_are_those_that_came_up() -> None:
    names = Names()
    for one in (
        JoinGroup("a"),
        Message(TextData(text="x"), "b"),
        Message(TextData(text="x")),
        SendEvent("c", TextData(text="")),
        Pong(),
    ):
        names.note(one)

    assert list(names.groups) == ["a", "b"]
    assert offered("event ", names) == ["message ", "c "]


def test_keys_pressed_while_something_is_printed_are_not_echoed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()

    def echoes() -> bool:
        return bool(termios.tcgetattr(theirs)[3] & termios.ECHO)

    with os.fdopen(theirs, "r") as keyboard:
        monkeypatch.setattr("sys.stdin", keyboard)
        terminal = silent_input()
        assert echoes()
        with terminal.raw_mode():
            with terminal.cooked_mode():  # as it is entered to print above the prompt
                assert not echoes()
            assert not echoes()
        assert echoes()
    os.close(ours)


def test_the_history_is_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    history = kept_history()

    assert isinstance(history, FileHistory)
    assert Path(str(history.filename)) == tmp_path / "state" / "webpubsub" / "client-history"
    assert Path(str(history.filename)).stat().st_mode & 0o777 == 0o600


def test_without_a_folder_the_history_lasts_as_long_as_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    assert isinstance(kept_history(), InMemoryHistory)
