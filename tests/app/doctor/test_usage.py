"""What `webpubsub doctor` refuses before it visits anybody. As people type it: tests/e2e/test_doctor.py."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.app.doctor.sound_upstream import KEY, ORIGIN

CONNECTION_STRING = f"Endpoint=https://{ORIGIN};AccessKey={KEY};Version=1.0;"


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if re.match("webpubsub|hubs", name, re.IGNORECASE):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--client"),
        (("http://localhost/", "--client", CONNECTION_STRING), "--client"),
        (("ftp://localhost/",), "http://"),
        (("http://localhost:port/",), "Port"),
        (("http://ana:pass@localhost/",), "user name"),
        (("http://{hub}.example/",), "placeholder"),
        (("http://localhost/", "--only", "nonsense"), "validation"),
        (("http://localhost/", "--event", "no name"), "event name"),
        (("http://localhost/", "--access-key", "k", "--connection-string", CONNECTION_STRING), "not both"),
        (("http://localhost/", "--connection-string", "Endpoint=https://x"), "AccessKey"),
        (("--client", "AccessKey=k"), "Endpoint"),
        (("--client", CONNECTION_STRING, "--origin", "x"), "--origin"),
    ],
)
def test_wrong_usage_is_status_2_and_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    result = CliRunner().invoke(cli, ["doctor", *arguments])

    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in result.stderr
    assert KEY not in result.stderr
