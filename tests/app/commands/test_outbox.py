"""`webpubsub outbox` on a file that no upstream uses. With a running one: tests/e2e/test_operations.py."""

import asyncio
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import pytest
from pydantic_core import from_json
from typer.testing import CliRunner, Result

from app.cli import cli
from app.fanout.sqlite import SqliteStore
from app.fanout.store import Batch, Entry, NewEntry
from app.models.actions import SendToAll, SendToGroup
from app.storage.sqlite_file import SqliteFile

BODY = "s3cr3t-body"
TO_ALL = SendToAll.of(BODY).to_json()
REASON = "no success in 12 attempts, the last: the service answered 503 [/] Overloaded"


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the commands look; there is no file yet."""
    for name in os.environ:
        if re.match("webpubsub|hubs|fanout|store", name, re.IGNORECASE):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STORE", "sqlite:///outbox.db")
    return tmp_path / "outbox.db"


def bury(outbox: Path, *letters: tuple[str, bytes], reason: str = REASON) -> None:
    """Dead letters (lane and action each), numbered from 1."""

    async def work() -> None:
        entries: list[Entry] = []
        store = SqliteStore(SqliteFile(outbox))
        await store.open(entries.extend, lambda _: None)
        accepted_at = time() - 400
        await store.commit(Batch(entries=[NewEntry(lane, "chat", accepted_at, action) for lane, action in letters]))
        await store.commit(Batch(dead=[(entry.id, reason) for entry in entries]))
        await store.close()

    asyncio.run(work())


def found_at_start(outbox: Path) -> list[Entry]:
    """What the next upstream on this file would send."""

    async def work() -> list[Entry]:
        entries: list[Entry] = []
        store = SqliteStore(SqliteFile(outbox))
        await store.open(entries.extend, lambda _: None)
        await store.close()
        return entries

    return asyncio.run(work())


def run(*arguments: str) -> Result:
    """A command that works."""
    result = CliRunner().invoke(cli, ["outbox", *arguments])
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result


def refusal(*arguments: str) -> str:
    """What a command that cannot do all it was told says: one sentence."""
    result = CliRunner().invoke(cli, ["outbox", *arguments])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("webpubsub: ")
    return sentence.removeprefix("webpubsub: ")


def listed(*options: str) -> list[dict[str, Any]]:
    return [from_json(line) for line in run("list", "--json", *options).stdout.splitlines()]


def ids(*options: str) -> Sequence[object]:
    return [letter["id"] for letter in listed(*options)]


def test_every_letter_is_a_line_the_newest_first_and_nothing_of_it_is_cut(outbox: Path) -> None:
    bury(outbox, ("chat/connection/one", TO_ALL), (f"chat/key/{'long' * 30}", TO_ALL))
    bury(
        outbox, ("chat/connection/three", SendToGroup.of(BODY, group="g").to_json()), reason="the service answered 413"
    )

    for width in ("40", "200"):
        lines = CliRunner().invoke(cli, ["outbox", "list"], env={"COLUMNS": width}).stdout.splitlines()

        assert re.split(r" {2,}", lines[0]) == ["Id", "Given up", "Hub", "Action", "Lane", "Reason"]
        cells = [re.split(r" {2,}", line) for line in lines[1:]]
        assert [(*one[:1], *one[2:]) for one in cells] == [
            ("3", "chat", "sendToGroup", "chat/connection/three", "the service answered 413"),
            ("2", "chat", "sendToAll", f"chat/key/{'long' * 30}", REASON),
            ("1", "chat", "sendToAll", "chat/connection/one", REASON),
        ]
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", one[1]) for one in cells)
        starts = {line.index("chat ") for line in lines[1:]}
        assert starts == {lines[0].index("Hub")}


def test_what_clients_named_is_neither_markup_nor_an_order_to_the_terminal(outbox: Path) -> None:
    bury(outbox, ("chat/key/[/red][bold]x", TO_ALL), ("chat/key/\x1b[2J\r\n\u202eevil ü", TO_ALL))

    text = run("list").stdout

    assert "chat/key/[/red][bold]x" in text
    assert r"chat/key/\x1b[2J\r\n\u202eevil ü" in text
    assert len(text.splitlines()) == 3
    assert [letter["lane"] for letter in listed()] == ["chat/key/\x1b[2J\r\n\u202eevil ü", "chat/key/[/red][bold]x"]


def test_json_is_one_object_a_line(outbox: Path) -> None:
    before = datetime.now(UTC).isoformat(timespec="seconds")
    bury(outbox, ("chat/connection/one", TO_ALL), ("chat/connection/two", b"{not an action"))

    unreadable, letter = listed()

    assert unreadable["action"] == "?"
    assert letter | {"given_up": "", "accepted": ""} == {
        "id": 1,
        "given_up": "",
        "accepted": "",
        "hub": "chat",
        "action": "sendToAll",
        "lane": "chat/connection/one",
        "reason": REASON,
    }
    assert letter["accepted"] < before <= letter["given_up"]


def test_bodies_are_not_shown(outbox: Path) -> None:
    bury(outbox, ("chat/connection/one", TO_ALL))

    for command in (("list",), ("list", "--json"), ("retry", "1"), ("drop", "--all")):
        assert BODY not in run(*command).output


def test_there_may_be_more_than_is_shown(outbox: Path) -> None:
    bury(outbox, *[(f"lane-{number}", TO_ALL) for number in range(1, 4)])

    assert run("list", "--limit", "2").stdout.splitlines()[-1] == "There are more: use --limit."
    assert "There are more" not in run("list", "--limit", "3").stdout
    assert ids("--limit", "2") == [3, 2]


def test_nothing_dead_is_said_to_people_and_is_nothing_to_programs(outbox: Path) -> None:
    bury(outbox)

    assert run("list").stdout == "There are no dead letters.\n"
    assert run("list", "--json").stdout == ""


def test_retried_letters_are_sent_by_the_next_upstream(outbox: Path) -> None:
    bury(outbox, ("lane-1", TO_ALL), ("lane-2", b"{}"), ("lane-3", TO_ALL))

    assert run("retry", "1", "3", "1").stdout == "2 dead letters will be sent again.\n"

    assert ids() == [2]
    assert [(entry.lane, entry.action) for entry in found_at_start(outbox)] == [("lane-1", TO_ALL), ("lane-3", TO_ALL)]
    assert ids() == [2]


def test_all_of_them_are_retried(outbox: Path) -> None:
    bury(outbox, ("lane-1", TO_ALL), ("lane-2", TO_ALL))

    assert run("retry", "--all").stdout == "2 dead letters will be sent again.\n"
    assert run("retry", "--all").stdout == "0 dead letters will be sent again.\n"
    assert len(found_at_start(outbox)) == 2


def test_dropped_letters_are_gone_and_the_others_stay(outbox: Path) -> None:
    bury(outbox, *[(f"lane-{number}", TO_ALL) for number in range(1, 5)])

    assert run("drop", "2").stdout == "1 dead letter dropped.\n"
    assert ids() == [4, 3, 1]
    assert run("drop", "--all").stdout == "3 dead letters dropped.\n"
    assert ids() == []
    assert found_at_start(outbox) == []


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_ids_that_name_no_letter_are_said_after_the_others_are_done(outbox: Path, command: str) -> None:
    bury(outbox, ("lane-1", TO_ALL), ("lane-2", TO_ALL))

    assert refusal(command, "1", "77") == "one id is not among the dead letters"
    assert ids() == [2]
    assert refusal(command, "1", "1-0", "x", "²", "9" * 19, "9" * 5000) == "6 ids are not among the dead letters"
    assert ids() == [2]


@pytest.mark.parametrize("command", ["retry", "drop"])
def test_one_says_which_or_all_and_not_both(outbox: Path, command: str) -> None:
    bury(outbox, ("lane-1", TO_ALL))

    assert refusal(command) == "name ids, or use --all"
    assert refusal(command, "1", "--all") == "name ids, or use --all"
    assert ids() == [1]


@pytest.mark.parametrize("command", [("list",), ("retry", "--all"), ("drop", "1")])
def test_a_store_that_is_not_there_is_said_and_not_made(
    outbox: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    assert refusal(*command) == "STORE: there is no file outbox.db"
    assert list(outbox.parent.iterdir()) == []

    outbox.write_text("no database, " * 100)
    assert refusal(*command) == "STORE: the file outbox.db cannot be used: file is not a database"

    monkeypatch.setenv("STORE", "memory://")
    assert refusal(*command) == "STORE: memory:// keeps nothing that another process could look at"

    monkeypatch.setenv("STORE", "postgres://h")
    assert refusal(*command).startswith("STORE: must be sqlite:///relative/path")
