"""`webpubsub simulate`: its options."""

import pytest
from typer.testing import CliRunner

from app.cli import cli


@pytest.fixture(autouse=True)
def log_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets up the log of its process, and this one is not its own."""
    monkeypatch.setattr("app.commands.simulate.configure_logging", lambda _: None)


def test_a_connection_string_that_is_none_ends_it_with_a_sentence() -> None:
    done = CliRunner().invoke(cli, ["simulate", "tower", "--connection-string", "Endpoint=here;AccessKey=secret"])

    assert done.exit_code == 2
    assert "needs Endpoint=" in done.stderr
    assert "secret" not in done.output


@pytest.mark.parametrize("option", [["--vehicles", "0"], ["--rate", "0"], ["--mqtt-share", "2"], ["--minutes", "-1"]])
def test_numbers_that_make_no_sense_are_refused(option: list[str]) -> None:
    done = CliRunner().invoke(cli, ["simulate", "tower", *option])

    assert done.exit_code == 2
    assert option[0] in done.stderr
