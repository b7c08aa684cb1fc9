"""Clients name users, events and hubs; the log of the command stays a log."""

import io
import logging
from collections.abc import Iterator

import pytest

from localpubsub.log_lines import LineFormatter

EVIL = "mia\x1b[2J\x9b31m\x85\u2028\u202e\n2026-01-01 00:00:00,000 ERROR   forged"


@pytest.fixture
def written() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log(written: io.StringIO) -> Iterator[logging.Logger]:
    logger = logging.Logger("test")  # noqa: LOG001 - one of its own, that nothing else writes to
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter())
    logger.addHandler(handler)
    yield logger
    handler.close()


def test_a_name_cannot_forge_a_line(log: logging.Logger, written: io.StringIO) -> None:
    log.warning("the user %s came", EVIL)

    (line,) = written.getvalue().splitlines()
    assert line.isprintable()
    assert "WARNING the user mia\\x1b[2J\\x9b31m" in line


def complain(text: str) -> None:
    raise ValueError(text)


def test_nor_can_the_text_of_an_exception(log: logging.Logger, written: io.StringIO) -> None:
    try:
        complain(EVIL)
    except ValueError:
        log.exception("it failed")

    first, *others = written.getvalue().rstrip().split("\n")
    assert "  2026-01-01 00:00:00,000 ERROR   forged" in others
    assert first.endswith("ERROR   it failed")
    assert all(line.startswith("  ") and line.isprintable() for line in others)


def test_words_of_any_language_are_as_they_were(log: logging.Logger, written: io.StringIO) -> None:
    log.info("Zoë 李")

    assert "Zoë 李" in written.getvalue()
