"""What a check may come to."""

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    PASS = "pass"  # noqa: S105 - the other kind of pass
    WARNING = "warning"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Problem:
    """One thing that can be wrong. `cause` says what follows from it, `mend` what to do about it."""

    name: str
    grade: Grade
    cause: str
    mend: str

    def found(self, what: str) -> "Verdict":
        """`what` is one line about this case, without anything secret."""
        return Verdict(self.grade, what, self)


@dataclass(frozen=True)
class Verdict:
    grade: Grade
    found: str
    problem: Problem | None = None


def failure(name: str, *, cause: str, mend: str) -> Problem:
    return Problem(name, Grade.FAIL, cause, mend)


def warning(name: str, *, cause: str, mend: str) -> Problem:
    return Problem(name, Grade.WARNING, cause, mend)


def not_examined(name: str, *, cause: str, mend: str) -> Problem:
    """For what the doctor was not given, though it needs it."""
    return Problem(name, Grade.SKIPPED, cause, mend)


def passed(found: str) -> Verdict:
    return Verdict(Grade.PASS, found)


def skipped(reason: str) -> Verdict:
    return Verdict(Grade.SKIPPED, reason)


class Found(Exception):
    """Ends a check from within: what it came to is known already."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.found)
        self.verdict = verdict
