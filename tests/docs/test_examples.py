"""The Python of the how-to pages runs, and the tests on them pass."""

import pytest

from tests.docs.examples import PAGES, blocks, module_of, run, shown_tests
from tests.docs.spoken import ROOT

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
WITH_PYTHON = [name for name in NAMES if blocks(name) and name != "docs/migrate/flask.md"]
SHOWN = [(name, test) for name in WITH_PYTHON for test in shown_tests(name)]


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_the_python_of_the_page_runs(page: str) -> None:
    module_of(page)


@pytest.mark.parametrize(("page", "test"), SHOWN)
async def test_the_test_it_shows_passes(page: str, test: str) -> None:
    await run(getattr(module_of(page), test))


def test_no_page_was_missed() -> None:
    assert len(SHOWN) >= 8
    assert {name for name, _ in SHOWN} >= {f"docs/howto/{one}.md" for one in ("history", "identities", "replicas")}
