"""Commands, options, settings and rules that the pages name are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from app.cli import cli
from app.settings import Settings
from localpubsub.__main__ import cli as local_cli
from localpubsub.engine.chaos_rules import parse_rule
from tests.docs.spoken import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
SETTINGS = {name.upper() for name in Settings.model_fields} | {"WebPubSubConnectionString"}
COMMAND = re.compile(r"(?<!az )(?<![\w-])webpubsub ((?:[a-z]|-)[^`\n#|]*)")


def commands(page: Path) -> Iterator[list[str]]:
    """The words behind `webpubsub` in code blocks and in code of a line."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    shell = re.findall(r"```(?:sh|console)\n(.*?)```", text, re.DOTALL)
    code = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for piece in [line for block in shell for line in block.splitlines()] + code:
        if found := COMMAND.search(piece):
            words = found[1].replace("...", "").replace("…", "")
            yield shlex.split(words) if words.count("'") % 2 == 0 and words.count('"') % 2 == 0 else words.split()


def unknown(words: list[str]) -> list[str]:
    """What of it does not exist."""
    command: Any = get_command(cli)
    for position, word in enumerate(words):
        if word.startswith("-") or not hasattr(command, "commands"):
            break
        if word not in command.commands:
            return [word] if position < 2 and word.isalpha() else []
        command = get_command(local_cli) if word == "local" else command.commands[word]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return [word for word in words if re.match(r"--[a-z]", word) and word.partition("=")[0] not in {*options, "--help"}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_and_option_is_there(page: Path) -> None:
    assert [(words, wrong) for words in commands(page) if (wrong := unknown(words))] == []


def test_commands_were_found() -> None:
    found = [words[0] for page in PAGES for words in commands(page)]

    assert {"local", "doctor", "check", "policy", "outbox", "token", "client", "service", "simulate"} <= set(found)
    assert unknown(["doctor", "--no-such-option"]) == ["--no-such-option"]
    assert unknown(["conquer"]) == ["conquer"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_setting_that_is_exported_is_one(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    exported = re.findall(r"^export (\w+)=", text, re.MULTILINE)

    assert set(exported) - SETTINGS == set()


def test_the_faults_of_the_how_to_page_can_be_read() -> None:
    text = (ROOT / "docs" / "howto" / "local-development.md").read_text(encoding="utf-8")

    rules = re.findall(r"--chaos '([^']+)'", text)

    assert len(rules) == 2
    assert all(parse_rule(rule) for rule in rules)
