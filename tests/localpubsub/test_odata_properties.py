"""Filters against the plain way of computing them, and against garbage (spec/service.md 8.5)."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localpubsub.protocol.odata import NESTING_LIMIT, FilterError, Subject, parse
from tests.localpubsub.odata_trees import Tree, WrongType, anything, computed, subjects, well_typed, written

SOMEBODY = Subject("ivy", "c1", frozenset({"a"}), "mqtt")
PIECES = ["'", "''", "(", ")", ",", "not", "and", "or", "in", "eq", "userId", "groups", "length(", "1", "-", " ", "é"]


def outcome(tree: Tree, subject: Subject) -> object:
    """What the service should make of it: a verdict, or 400 before or while it asks the connection."""
    try:
        dry = computed(tree, Subject(), dry=True)
        verdict = computed(tree, subject) if type(dry) is bool else None
    except WrongType:
        return FilterError
    return verdict if type(verdict) is bool else FilterError


def answered(text: str, subject: Subject) -> object:
    try:
        return parse(text).matches(subject)
    except FilterError:
        return FilterError


@given(anything | well_typed, subjects)
def test_any_expression_means_what_its_tree_means(tree: Tree, subject: Subject) -> None:
    assert answered(written(tree), subject) == outcome(tree, subject)


@given(well_typed, subjects)
def test_expressions_whose_types_fit_are_never_refused(tree: Tree, subject: Subject) -> None:
    assert isinstance(answered(written(tree), subject), bool)


@given(well_typed.map(written).filter(lambda text: "'" not in text), subjects)
def test_white_space_and_the_case_of_identifiers_mean_nothing(text: str, subject: Subject) -> None:
    other = text.replace(" ", "\r\n\t ").replace("userId", "USERID").replace("connectionId", "connectionid")

    assert answered(f" {other}\n", subject) == answered(text, subject)


@given(st.text() | st.lists(st.sampled_from(PIECES)).map(" ".join) | st.lists(st.sampled_from(PIECES)).map("".join))
@example("\ud800")
@example("1" * 5000)
@example("'x' in (groups, groups)")
@example("٣ eq 3")
def test_garbage_raises_nothing_but_the_error_of_filters(text: str) -> None:
    with suppress(FilterError):
        parse(text).matches(SOMEBODY)


@pytest.mark.parametrize(
    ("piece", "tail"),
    [
        ("(", ""), (")", ""), ("not ", "true"), ("'", ""), ("''", ""), ("true and ", "true"), ("true or ", "true"),
        ("length(", "userId"), ("concat(userId,", ""), (" ", "true"), ("1", ""), ("-", ""), ("x", ""), ("é", ""),
        ("'a' in groups or ", "true"), (",", ""), ("eq ", ""), ("'a' in ('b',", ""), ("\ud800", ""),
    ],
)  # fmt: skip
def test_a_long_filter_costs_neither_the_stack_nor_the_afternoon(piece: str, tail: str) -> None:
    """Anything quadratic would take hours here, and anything recursive would overflow."""
    with suppress(FilterError):
        parse(piece * (200_000 // len(piece)) + tail).matches(SOMEBODY)


@pytest.mark.parametrize(
    "nest",
    [
        lambda depth: "(" * depth + "true" + ")" * depth,
        lambda depth: "not " * depth + "true",
        lambda depth: "tolower(" * depth + "'a'" + ")" * depth + " eq 'a'",
        lambda depth: "not (" * (depth // 2) + "not " * (depth % 2) + "true" + ")" * (depth // 2),
        lambda depth: "'a' in ((" + "(" * (depth - 1) + "groups" + ")" * (depth + 1),
    ],
)
def test_a_hundred_levels_are_the_limit(nest: Callable[[int], str]) -> None:
    assert isinstance(parse(nest(NESTING_LIMIT)).matches(SOMEBODY), bool)
    with pytest.raises(FilterError, match="nested"):
        parse(nest(NESTING_LIMIT + 1))
