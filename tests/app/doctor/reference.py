"""The second half of docs/doctor.md, from the registry. `python -m tests.app.doctor.reference` writes it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.doctor.client.common import COMMON as OF_A_CONVERSATION
from app.doctor.client.groups import GROUPS as OF_A_SERVICE
from app.doctor.registry import Check, Group
from app.doctor.upstream.common import COMMON as OF_AN_EVENT
from app.doctor.upstream.groups import GROUPS as OF_AN_UPSTREAM
from app.doctor.verdicts import Problem

PAGE = Path(__file__).resolve().parents[3] / "docs" / "doctor.md"
BEGINNING = "## What it looks at in an upstream\n"


def reference() -> str:
    lines = [
        BEGINNING,
        "Any check that delivers an event may find:",
        "",
        *_problems(OF_AN_EVENT, {}),
        "",
        *_groups(OF_AN_UPSTREAM, OF_AN_EVENT),
        "## What it looks at in a service",
        "",
        "Any check that talks to the service may find:",
        "",
        *_problems(OF_A_CONVERSATION, {}),
        "",
        *_groups(OF_A_SERVICE, OF_A_CONVERSATION),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _groups(groups: Sequence[Group[Any]], common: Iterable[Problem]) -> Iterator[str]:
    known: dict[Problem, str] = dict.fromkeys(common, "any event")
    for group in groups:
        yield from (f"### {group.title} (`{group.name}`)", "")
        for check in group.checks:
            yield from _check(check, known)


def _check(check: Check[Any], known: dict[Problem, str]) -> Iterator[str]:
    yield from (f"**`{check.id}`** {check.title}.", "")
    yield from _problems(check.problems, known)
    known.update((problem, f"`{check.id}`") for problem in check.problems if problem not in known)
    if check.problems:
        yield ""


def _problems(problems: Iterable[Problem], known: dict[Problem, str]) -> Iterator[str]:
    for problem in problems:
        if problem in known:
            yield f"- `{problem.name}`: as for {known[problem]}."
        else:
            yield f"- `{problem.name}` ({problem.grade}): {problem.cause} *Mend:* {problem.mend}"


def page(text: str) -> str:
    """The page with a reference that is up to date."""
    return text.partition(BEGINNING)[0] + reference()


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
