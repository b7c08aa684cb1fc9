"""No regular expression of ours takes more than its time, whatever it is given: `python -m bench.patterns`.

Each is fed with what it almost matches, longer and longer. Time is this process's own, and only its growth counts.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from time import process_time
from typing import Any, NamedTuple

import app
import localpubsub
from app.translation import protection

SHORT, LONG = 2_500, 10_000
GROWTH = 10.0
"""Four times the length takes four times as long, or sixteen times where the time is its square."""
WORTH_A_LOOK_SECONDS = 0.05
LADDER = (22, 440, 1_500)
"""Before the real lengths, so that what grows faster is found in time."""
SURELY_SLOW = (r"(a+)+b", r"(a|a)*b", r"(\s*,?)*x", r"a*a*a*b", r"\s*\s*x")
PAIRED = 10
"""Signs that are tried in pairs; more would take minutes."""


class Used(NamedTuple):
    """A pattern, and whether it is looked for anywhere in a text, or has to fit from its beginning."""

    pattern: "re.Pattern[Any]"
    is_sought: bool


def patterns() -> Iterator[tuple[str, "Used"]]:
    """Every compiled one that a module holds, by its place."""
    for package in (app, localpubsub):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith(("__main__", "pytest_plugin")):
                continue
            module = importlib.import_module(found.name)
            source = inspect.getsource(module)
            for name, value in vars(module).items():
                if isinstance(value, re.Pattern) and f"{name} = " in source:
                    is_sought = re.search(rf"\b{name}\.(search|findall|finditer|subn?|split)\(", source) is not None
                    yield f"{found.name}.{name}", Used(value, is_sought)


EVERY = dict(patterns()) | {
    "app.translation.protection._addresses()": Used(protection._addresses(), is_sought=True),
    "app.translation.protection._numbers()": Used(protection._numbers(), is_sought=True),
}


def pumps(pattern: "re.Pattern[Any]") -> set[str]:
    """Pieces that are worth repeating: one or two of the characters the expression speaks of."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    letters = {*text, " ", "a", "A", "0", "\n"}
    signs = [*sorted(one for one in letters if not one.isalnum())[:PAIRED], "a", "0"]
    return {*letters, *(one + other for one in signs for other in signs if one != other)}


def seconds(used: Used, text: str) -> float:
    """The better of two."""
    pattern = used.pattern
    subject: Any = text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")
    best = float("inf")
    for _ in range(2):
        started = process_time()
        (pattern.search if used.is_sought else pattern.fullmatch)(subject)
        best = min(best, process_time() - started)
    return best


def slowness(used: Used) -> str:
    """What it takes too long for; empty where there is nothing."""
    for pump in sorted(pumps(used.pattern)):
        for length in LADDER:
            if seconds(used, pump * length + "\0") > WORTH_A_LOOK_SECONDS:
                return f"{pump!r} * {length}"
        long = seconds(used, pump * (LONG // len(pump)) + "\0")
        if long > WORTH_A_LOOK_SECONDS and long > GROWTH * seconds(used, pump * (SHORT // len(pump)) + "\0"):
            return f"{pump!r} * {LONG // len(pump)}"
    return ""


def main() -> None:
    """Ends with 1 where one of ours is slow, or where the measure does not see what is slow for sure."""
    blind = [slow for slow in SURELY_SLOW if not slowness(Used(re.compile(slow), is_sought=True))]
    found = {name: said for name, used in sorted(EVERY.items()) if (said := slowness(used))}
    for name, said in found.items():
        print(f"{name} takes too long for {said}")
    seen = len(SURELY_SLOW) - len(blind)
    print(f"{len(EVERY)} patterns, {len(found)} slow; {seen} of {len(SURELY_SLOW)} slow ones seen")
    sys.exit(1 if blind or found else 0)


if __name__ == "__main__":
    main()
