"""What `webpubsub client` refuses to begin with. What it does is in tests/e2e/test_cli_client.py."""

import os
import re

import pytest
from typer.testing import CliRunner

from app.cli import cli

KNOWN = "Endpoint=http://localhost:8081;AccessKey=0123456789012345678901234567890123456789;"


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    for name in os.environ:
        if re.match("webpubsub|hubs", name, re.IGNORECASE):
            monkeypatch.delenv(name)
    monkeypatch.chdir(str(tmp_path))


def refusal(*arguments: str) -> str:
    """One sentence, status 2, and nothing of a secret."""
    result = CliRunner().invoke(cli, ["client", *arguments])
    assert result.exit_code == 2, result.output
    (sentence,) = result.stderr.splitlines()
    assert "secret" not in sentence
    return sentence.removeprefix("webpubsub: ")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--url", "ws://h?access_token=secret", "--negotiate", "http://u"), "is enough"),
        (("--negotiate", "http://u", "--connection-string", KNOWN), "is enough"),
        (("--url", "ws://h", "--hub", "den"), "--hub and --user-id do not go with --url"),
        (("--url", "ws://h", "--user-id", "mia"), "--hub and --user-id do not go with --url"),
        (("--url", "ws://h", "--role", "r"), "--role and --group are for a configured service"),
        (("--negotiate", "http://u", "--group", "g"), "--role and --group are for a configured service"),
        (("--url", "secret"), "--url: a URL starts with ws:// or wss:// and names a host"),
        (("--url", "ws://"), "--url: a URL starts with ws:// or wss:// and names a host"),
        (("--url", "ws://[secret"), "--url: this is not a URL"),
        (("--bearer-file", "f", "--connection-string", KNOWN), "--bearer-file goes with --negotiate"),
        (("--negotiate", "ws://u"), "--negotiate: a URL starts with http:// or https:// and names a host"),
        (("--send-to-group", "g", "--connection-string", KNOWN), "--send-to-group is for --protocol raw"),
        (("--exec", "dance", "--connection-string", KNOWN), "--exec 'dance': there is no command dance"),
        (("--connection-string", "AccessKey=secret"), "the connection string needs Endpoint="),
        ((), "no service is configured: give --connection-string, or set WEBPUBSUB_CONNECTION_STRING"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_tried(arguments: tuple[str, ...], why: str) -> None:
    assert why in refusal(*arguments)


@pytest.mark.parametrize("arguments", [("--protocol", "mqtt"), ("--count", "0"), ("--for", "-1"), ("--dance",), ("x",)])
def test_what_is_no_option_is_explained(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, ["client", *arguments])

    assert result.exit_code == 2
    assert "Usage: " in result.stderr
