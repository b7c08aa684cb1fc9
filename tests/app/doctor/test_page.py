"""docs/doctor.md says what the registry says, and shows commands that there are."""

import re

from typer.main import get_command

from app.cli import cli
from tests.app.doctor.reference import PAGE, page


def test_the_page_is_up_to_date() -> None:
    """Where it is not: python -m tests.app.doctor.reference."""
    text = PAGE.read_text(encoding="utf-8")

    assert text == page(text)


def test_the_options_it_names_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    command = get_command(cli).commands["doctor"]  # type: ignore[attr-defined]
    known = {name for parameter in command.params for name in parameter.opts}

    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text.partition("## What it looks at")[0]))

    assert named - known == set()
    assert {"--client", "--json", "--only", "--connection-string", "--timeout", "--event", "--origin"} <= named
