"""docs/answers.md: thirty questions, each with an answer, a link and where it was asked."""

import re

from tests.docs.spoken import ROOT

PAGE = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
ANSWERS = [part for part in re.split(r"\n\n", PAGE) if part.startswith("**")]


def test_there_are_thirty() -> None:
    assert len(ANSWERS) == 30


def test_each_answers_and_says_where_to_read_on() -> None:
    short = [one for one in ANSWERS if not re.match(r"\*\*[^*]+[.?]\*\* \S+", one.replace("\n", " "))]
    alone = [one for one in ANSWERS if not re.search(r"\]\([\w/-]+\.md(#[\w-]+)?\)", one)]

    assert short == []
    assert alone == []
