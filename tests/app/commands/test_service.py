"""What `webpubsub service` refuses to begin with. What it does is in tests/e2e/test_cli_service.py."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli

KNOWN = "Endpoint=http://localhost:8081;AccessKey=0123456789012345678901234567890123456789;"
COMMANDS = {
    (): {"broadcast", "group", "user", "connection", "permission"},
    ("group",): {
        "send", "add-user", "remove-user", "add-connection", "remove-connection", "exists", "list", "close",
    },
    ("user",): {"send", "exists", "close", "remove-from-all"},
    ("connection",): {"send", "exists", "close"},
    ("permission",): {"grant", "revoke", "check"},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if re.match("webpubsub|hubs", name, re.IGNORECASE):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("broadcast",), "give --payload, or --payload-file for the bytes of a file"),
        (("broadcast", "--payload", "x", "--payload-file", "y"), "give --payload, or --payload-file"),
        (("broadcast", "--payload", "{x"), "--as text sends it as text"),
        (("broadcast", "--payload", "x", "--as", "json"), "this is not JSON"),
        (("broadcast", "--payload-file", "nowhere"), "there is no file nowhere"),
        (("broadcast", "--payload", "x"), "no service is configured: give --connection-string"),
        (("broadcast", "--payload", "x", "--connection-string", "x"), "key=value pairs joined by ;"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_tried(arguments: tuple[str, ...], why: str) -> None:
    result = CliRunner().invoke(cli, ["service", *arguments])

    assert result.exit_code == 2
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("webpubsub: ")
    assert why in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ("broadcast", "--payload", "x", "--ttl", "301"),
        ("broadcast", "--payload", "x", "--as", "xml"),
        ("group", "send", "--payload", "x"),
        ("permission", "check", "--permission", "fly", "--connection-id", "c", "--group", "g"),
        ("user", "exists"),
        ("dance",),
    ],
)
def test_what_is_no_option_is_explained(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, ["service", *arguments, "--connection-string", KNOWN])

    assert result.exit_code == 2
    assert "Usage: " in result.stderr


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_is_there_and_takes_what_they_all_take(path: tuple[str, ...]) -> None:
    overview = CliRunner().invoke(cli, ["service", *path, "--help"], env={"COLUMNS": "200"}).stdout
    listed = set(re.findall(r"^│ ([a-z][a-z-]*) ", overview, re.MULTILINE))
    assert listed == COMMANDS[path]

    for name in listed - {"group", "user", "connection", "permission"}:
        text = CliRunner().invoke(cli, ["service", *path, name, "--help"], env={"COLUMNS": "200"}).stdout
        options = set(re.findall(r"--[a-z-]+", text))
        assert {"--hub", "--connection-string", "--json"} <= options
        assert ("--payload" in options) == (name in ("send", "broadcast"))
