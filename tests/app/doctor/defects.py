"""What a defect is: an upstream with one thing wrong, and what the doctor has to find."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.app.doctor.sound_upstream import SoundUpstream

Upstream = TypeVar("Upstream", bound=type[SoundUpstream])


@dataclass(frozen=True)
class Defect:
    check: str
    problem: str
    upstream: type[SoundUpstream]

    @property
    def id(self) -> str:
        return f"{self.check}-{self.problem}-{self.upstream.__name__}"


DEFECTS: list[Defect] = []


def defect(check: str, problem: str) -> Callable[[Upstream], Upstream]:
    def add(upstream: Upstream) -> Upstream:
        DEFECTS.append(Defect(check, problem, upstream))
        return upstream

    return add
