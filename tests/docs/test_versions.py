"""docs/compatibility.md says which versions CI runs."""

from tests.docs.spoken import ROOT
from tests.docs.versions_page import PAGE, TRIED, page
from tests.e2e.node_programs import PACKAGES


def test_the_page_is_up_to_date() -> None:
    """Where it is not: python -m tests.docs.versions_page."""
    text = PAGE.read_text(encoding="utf-8")

    assert page(text) == text


def test_every_package_of_node_is_in_the_table() -> None:
    assert {package.rpartition("@")[0] for package in PACKAGES} <= set(TRIED)


def test_the_tests_it_names_are_there() -> None:
    assert [test for _, test in TRIED.values() if not (ROOT / test).is_file()] == []
