"""Checks as data: who they are, what they may find, what must have passed before."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.doctor.verdicts import Problem, Verdict

Visiting = TypeVar("Visiting")
"""What a check works with: `upstream.visit.Visit` or `client.visit.Visit`."""

Run = Callable[[Visiting], Awaitable[Verdict]]


@dataclass(frozen=True)
class Check(Generic[Visiting]):
    """`title` says what is the case where it passes. It is skipped unless all of `needs` passed."""

    id: str
    title: str
    problems: tuple[Problem, ...]
    needs: tuple[str, ...]
    run: Run[Visiting]

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]


class Group(Generic[Visiting]):
    def __init__(self, name: str, title: str, *, needs: Sequence[str] = ()) -> None:
        self.name = name
        self.title = title
        self.checks: list[Check[Visiting]] = []
        self._needs = tuple(needs)

    def check(
        self, name: str, title: str, *problems: Problem, needs: Sequence[str] | None = None
    ) -> Callable[[Run[Visiting]], Run[Visiting]]:
        """`needs` are ids; those of the group where they are left out."""

        def add(run: Run[Visiting]) -> Run[Visiting]:
            needed = self._needs if needs is None else tuple(needs)
            self.checks.append(Check(f"{self.name}.{name}", title, problems, needed, run))
            return run

        return add


def chosen(groups: Iterable[Group[Visiting]], only: Sequence[str]) -> list[Check[Visiting]]:
    """The checks named by `only`, which holds groups and ids; all where it is empty. Raises `ValueError`."""
    checks = [check for group in groups for check in group.checks]
    unknown = set(only) - {check.id for check in checks} - {check.group for check in checks}
    if unknown:
        known = ", ".join(dict.fromkeys(check.group for check in checks))
        raise ValueError(f"there is no group or check {', '.join(sorted(unknown))}; the groups are {known}")
    return [check for check in checks if not only or check.id in only or check.group in only]
