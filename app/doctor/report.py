"""What the doctor found, as data. `--json` prints it; `rendering` tells it to people."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, computed_field

from app.doctor.verdicts import Grade, Verdict

MAX_LINES = 8


class Outcome(StrEnum):
    """Whoever was not examined for want of a key is not healthy."""

    HEALTHY = "healthy"
    SICK = "not healthy"
    NOT_EXAMINED = "not examined"


class ReportModel(BaseModel):
    model_config = ConfigDict(frozen=True)


class Line(ReportModel):
    """One exchange, in words that hold no secret."""

    sent: str
    came: str


class Finding(ReportModel):
    check: str = Field(description="group.name")
    title: str = Field(description="what is the case where it passes")
    grade: Grade
    found: str
    problem: str | None = Field(default=None, description="the name of what is wrong; docs/doctor.md explains it")
    cause: str | None = None
    mend: str | None = None
    exchanges: tuple[Line, ...] = Field(default=(), description=f"the last {MAX_LINES} at most")

    @property
    def group(self) -> str:
        return self.check.partition(".")[0]

    @classmethod
    def of(cls, check: str, title: str, verdict: Verdict, exchanges: Iterable[Line] = ()) -> "Finding":
        problem = verdict.problem
        told = tuple(exchanges)[-MAX_LINES:] if problem else ()
        return cls(
            check=check,
            title=title,
            grade=verdict.grade,
            found=verdict.found,
            problem=problem.name if problem else None,
            cause=problem.cause if problem else None,
            mend=problem.mend if problem else None,
            exchanges=told,
        )


class Report(ReportModel):
    visited: str = Field(description="the URL or the endpoint, without a query or a key")
    hub: str
    plan: tuple[str, ...] = Field(description="what the doctor did, in sentences")
    findings: tuple[Finding, ...]
    exchanges: int = Field(description="requests, or frames and handshakes")
    seconds: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def counts(self) -> dict[Grade, int]:
        found = Counter(finding.grade for finding in self.findings)
        return {grade: found[grade] for grade in Grade}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def outcome(self) -> Outcome:
        if self.counts[Grade.FAIL]:
            return Outcome.SICK
        lacks_something = any(one.grade is Grade.SKIPPED and one.problem for one in self.findings)
        return Outcome.NOT_EXAMINED if lacks_something else Outcome.HEALTHY
