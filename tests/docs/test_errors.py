"""docs/errors.md knows every refusal, log line, close code and error there is, and none that there is not."""

import re
from collections.abc import Iterator

import pytest

from app.routers.negotiate import TooMany
from app.upstream import errors
from tests.docs.spoken import HOLE, ROOT, arguments_of, log_lines

PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
SHOWN = {text.replace("%s", HOLE).replace("%r", HOLE).replace("%d", HOLE) for text in re.findall(r"`([^`\n]+)`", PAGE)}
SAMPLES = ("app/hubs", "app/simulation")
PROGRAMS = ("app/client/", "app/doctor", *SAMPLES)


def _below(base: type[errors.Refused]) -> Iterator[type[errors.Refused]]:
    for cls in base.__subclasses__():
        if cls.__module__ == errors.__name__:
            yield cls
            yield from _below(cls)


ERRORS = {cls.__name__: str(cls.status) for cls in _below(errors.Refused)} | {"TooMany": str(TooMany.status)}
REFUSALS = arguments_of("app", *ERRORS, "HandlerError", "invalid", but=PROGRAMS)
LOGGED = [*log_lines("app", but=SAMPLES), *log_lines("localpubsub")]
SERVICE = arguments_of("localpubsub", "Disconnect", "Close", "CommandError", "RestError", "Refused")


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def first_cells(title: str) -> Iterator[str]:
    for row in section(title).splitlines():
        if row.startswith("| `"):
            yield from re.findall(r"`([^`]+)`", row.split("|")[1])


def known(text: str) -> str:
    return text.replace("%s", HOLE).replace("%r", HOLE).replace("%d", HOLE)


@pytest.mark.parametrize("text", sorted({call.texts[-1] for call in REFUSALS if call.texts}))
def test_every_refusal_is_explained(text: str) -> None:
    assert text in SHOWN


@pytest.mark.parametrize("text", sorted({line.text for line in LOGGED}))
def test_every_line_of_a_log_is_explained(text: str) -> None:
    assert known(text) in SHOWN


@pytest.mark.parametrize("text", sorted({text for call in SERVICE for text in call.texts if not text.isdigit()} - {""}))
def test_every_error_of_the_local_service_is_explained(text: str) -> None:
    assert text in SHOWN or f"Error.{text}" in SHOWN


def test_every_close_code_is_in_the_table() -> None:
    used = {call.texts[0] for call in SERVICE if call.name in ("Close", "Disconnect") and call.texts}

    shown = set(re.findall(r"^\| (1\d{3}) \|", section("Close codes"), re.MULTILINE))

    assert used <= shown
    assert {"1000", "1006", "1007", "1008", "1009", "1011"} <= shown


def test_the_statuses_of_the_table_are_those_of_the_errors() -> None:
    shown = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", section("What a status says to the service"), re.MULTILINE))

    assert shown == ERRORS


@pytest.mark.parametrize(
    "title", ["An event is refused", "Other lines of the upstream's log", "Lines of the local service's log"]
)
def test_nothing_is_explained_that_nobody_says(title: str) -> None:
    said = {text for call in REFUSALS for text in call.texts} | {known(line.text) for line in LOGGED}

    assert {known(text) for text in first_cells(title)} - said == set()
