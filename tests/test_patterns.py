"""No regular expression of ours takes more than its time, whatever it is given.

Each is fed with what it almost matches, longer and longer. Time is this process's own, and only its growth counts.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from time import process_time
from typing import Any

import pytest

import app
import localpubsub

SHORT, LONG = 5_000, 20_000
GROWTH = 10.0
"""Four times the length takes four times as long, or sixteen times where the time is its square."""
WORTH_A_LOOK_SECONDS = 0.05
EXPLOSIVE_LENGTH = 24
PAIRED = 10
"""Signs that are tried in pairs; more would take minutes."""
ENDS = ("", "\0", "!")

BOUNDED = {
    "app.storage.redis_connection._CODE": "the beginning of an error of Redis",
}
"""Those that take the square of the length, and what bounds the length."""


def patterns() -> Iterator[tuple[str, "re.Pattern[Any]"]]:
    """Every compiled one that a module holds, by its place."""
    for package in (app, localpubsub):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(("__main__", "pytest_plugin")):
                continue
            module = importlib.import_module(found.name)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern):
                    yield f"{found.name}.{name}", value


EVERY = dict(patterns())


def pumps(pattern: "re.Pattern[Any]") -> set[str]:
    """Pieces that are worth repeating: one or two of the characters the expression speaks of."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    letters = {*text, " ", "a", "A", "0", "\n"}
    signs = sorted(one for one in letters if not one.isalnum())[:PAIRED] + ["a", "0"]
    return {*letters, *(one + other for one in signs for other in signs if one != other)}


def seconds(pattern: "re.Pattern[Any]", text: str) -> float:
    """The best of two: of the way that takes longest."""
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    best = float("inf")
    for _ in range(2):
        started = process_time()
        pattern.fullmatch(subject)
        pattern.search(subject)
        best = min(best, process_time() - started)
    return best


def slowness(pattern: "re.Pattern[Any]") -> str:
    """What it takes too long for; empty where there is nothing."""
    for pump in sorted(pumps(pattern)):
        for end in ENDS:
            if seconds(pattern, pump * EXPLOSIVE_LENGTH + end) > WORTH_A_LOOK_SECONDS:
                return f"{pump!r} * {EXPLOSIVE_LENGTH}"
        long = seconds(pattern, pump * (LONG // len(pump)) + "\0")
        if long > WORTH_A_LOOK_SECONDS and long > GROWTH * seconds(pattern, pump * (SHORT // len(pump)) + "\0"):
            return f"{pump!r} * {LONG // len(pump)}"
    return ""


@pytest.mark.parametrize("name", sorted(EVERY.keys() - BOUNDED))
def test_a_pattern_takes_time_as_its_input_is_long(name: str) -> None:
    assert slowness(EVERY[name]) == ""


def test_every_pattern_is_looked_at() -> None:
    assert len(EVERY) > 30
    assert EVERY.keys() >= BOUNDED.keys()


@pytest.mark.parametrize("slow", [r"(a+)+b", r"(a|a)*b", r"(\s*,?)*x", r"a*a*a*b", r"\s*\s*x"])
def test_a_slow_pattern_is_found(slow: str) -> None:
    assert slowness(re.compile(slow)) != ""
