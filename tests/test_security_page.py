"""The page of threats names no answer without a test, and no test that is not there."""

import ast
import re
from pathlib import Path

import pytest

from tests.localpubsub.test_features_page import TEST, names_of_tests

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("|") and not re.match(r"\|(-|[^|]*\| answer \|)", line)
]
SOURCES = sorted(file for folder in ("app", "localpubsub") for file in (ROOT / folder).rglob("*.py"))
READERS_THAT_RUN = {"pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle", "xmlrpc", "xml"}
SECRET = re.compile(r"signature|password|secret|digest|token|code|key|expected", re.IGNORECASE)
GIVEN = re.compile(r"^(given|presented|received|their_)", re.IGNORECASE)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_an_answer_has_its_test(row: list[str]) -> None:
    attack, answer, proof = row
    named = TEST.findall(proof)

    assert attack
    assert answer
    assert named
    assert TEST.sub("", proof).strip(", ") == ""
    assert [f"{path}::{name}" for path, name in named if name not in names_of_tests(ROOT / path)] == []


def test_no_attack_stands_there_twice() -> None:
    attacks = [row[0] for row in ROWS]

    assert len(attacks) > 40
    assert len(set(attacks)) == len(attacks)


def test_every_section_has_rows_or_is_the_last() -> None:
    *sections, last = PAGE.split("\n## ")[1:]

    assert all("\n| " in one for one in sections)
    assert last.startswith("What is left open")


def imported(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


def test_nothing_is_read_that_could_run() -> None:
    calls = {
        (file.name, node.func.id)
        for file in SOURCES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec")
    }

    assert {file.name: found for file in SOURCES if (found := imported(file) & READERS_THAT_RUN)} == {}
    assert calls == set()


def comparisons_of_secrets(source: str) -> list[str]:
    """`==` and `!=` between two names of which one says it is a secret and the other that somebody gave it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In)):
            sides = [ast.unparse(side) for side in (node.left, node.comparators[0])]
            if any(map(SECRET.search, sides)) and any(map(GIVEN.search, sides)):
                found.append(ast.unparse(node))
    return found


def test_secrets_are_compared_in_constant_time() -> None:
    for place, count in (
        ("app/upstream/signature.py", 1),
        ("app/upstream/gate.py", 1),
        ("localpubsub/edge/console_access.py", 1),
        ("localpubsub/protocol/reconnection.py", 1),
    ):
        assert (ROOT / place).read_text(encoding="utf-8").count("compare_digest(") == count, place
    assert {file.name: found for file in SOURCES if (found := comparisons_of_secrets(file.read_text()))} == {}


@pytest.mark.parametrize("source", ["given == self._code", "if given_password != password: pass", "given in keys"])
def test_a_comparison_that_tells_the_time_is_found(source: str) -> None:
    assert comparisons_of_secrets(source) != []
