"""The page of features promises nothing without a test."""

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "features.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
WORD = re.compile(r"yes|partly \(.+\)|no")


class Row(NamedTuple):
    feature: str
    word: str
    proof: str


def rows(page: str) -> list[Row]:
    """Those of its tables, without the heads."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [Row(*row) for row in cells if row[0] != "feature" and set(row[0]) != {"-"}]


def problems(row: Row) -> list[str]:
    """What is wrong with a promise."""
    found = []
    named = TEST.findall(row.proof)
    if not WORD.fullmatch(row.word):
        found.append(f"{row.word!r} is not yes, no, or partly and what")
    if row.word != "no" and not named:
        found.append("no test is named")
    if row.word != "no" and TEST.sub("", row.proof).strip(", "):
        found.append("the proof is not a list of tests")
    found += [f"{path}::{name} does not exist" for path, name in named if name not in names_of_tests(ROOT / path)]
    return found


def names_of_tests(file: Path) -> set[str]:
    if not file.exists():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in ast.walk(tree) if isinstance(one, kinds) and one.name.startswith("test_")}


PROMISES = rows(PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", PROMISES, ids=[row.feature for row in PROMISES])
def test_a_promise_has_its_proof(row: Row) -> None:
    assert problems(row) == []


def test_no_feature_stands_there_twice() -> None:
    features = [row.feature for row in PROMISES]
    assert len(features) > 50
    assert sorted(set(features)) == sorted(features)


OWN = "tests/localpubsub/test_features_page.py"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("| a | yes | |", "no test is named"),
        ("| a | partly (b) | |", "no test is named"),
        ("| a | partly | `tests/x.py::test_x` |", "'partly' is not"),
        ("| a | mostly | |", "'mostly' is not"),
        ("| a | yes | believe me |", "not a list"),
        (f"| a | yes | `{OWN}::test_nobody_wrote` |", "does not exist"),
        ("| a | yes | `tests/nowhere.py::test_x` |", "does not exist"),
    ],
)
def test_an_empty_promise_is_found(line: str, problem: str) -> None:
    (row,) = rows(line)
    assert any(problem in one for one in problems(row))
