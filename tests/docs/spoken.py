"""What the programs say when something is wrong, read from their source: docs/errors.md has to know all of it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("info", "warning", "error", "exception", "critical")
HOLE = "…"


class Line(NamedTuple):
    level: str
    text: str


class CallOf(NamedTuple):
    """`texts` are the arguments that are texts or numbers."""

    name: str
    texts: list[str]


def log_lines(package: str, *, but: tuple[str, ...] = ()) -> list[Line]:
    """Every line above debug that the package logs. What is filled in at run time is `…`."""
    found = []
    for call in _calls(package, but):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in LEVELS
            and isinstance(function.value, ast.Name)
            and function.value.id == "log"
            and call.args
        ):
            found += [Line(function.attr, text) for text in _texts(call.args[0])]
    return found


def arguments_of(package: str, *names: str, but: tuple[str, ...] = ()) -> list[CallOf]:
    """Every call of one of `names`."""
    found = []
    for call in _calls(package, but):
        function = call.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name in names:
            found.append(CallOf(name, [text for argument in call.args for text in _texts(argument)]))
    return found


def _calls(package: str, but: tuple[str, ...]) -> Iterator[ast.Call]:
    for path in sorted((ROOT / package).rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        if not module.startswith(but or ("/",)):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield node


def _texts(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str() | int() as value):
            return [str(value)]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in parts)]
        case ast.IfExp(body=first, orelse=second):
            return _texts(first) + _texts(second)
    return []
