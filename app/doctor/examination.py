"""Makes the checks one after the other: each once, after those it needs, within a time that is bounded."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from app.doctor.registry import Check, Group, Visiting, chosen
from app.doctor.report import Finding, Line
from app.doctor.verdicts import Found, Grade, Verdict, skipped

TOTAL_SECONDS = 180.0


class Recorder(Protocol):
    """What was sent and what came, counted from the beginning of a visit."""

    def lines(self, since: int) -> Sequence[Line]: ...

    def count(self) -> int: ...


async def examine(
    groups: Iterable[Group[Visiting]],
    visit: Visiting,
    recorder: Recorder,
    *,
    only: Sequence[str] = (),
    seconds: float = TOTAL_SECONDS,
    tell: Callable[[Finding], None] = lambda _: None,
) -> list[Finding]:
    """Findings in the order they were made; `tell` hears each at once. Checks that chosen ones need are made too.

    What is not done after `seconds` is skipped. Raises `ValueError` for an unknown name in `only`.
    """
    groups = list(groups)
    known = {check.id: check for check in chosen(groups, ())}
    findings: dict[str, Finding] = {}
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds

    async def settle(check: Check[Visiting]) -> None:
        for needed in check.needs:
            if needed not in findings:
                await settle(known[needed])
        missing = [needed for needed in check.needs if findings[needed].grade is not Grade.PASS]
        before = recorder.count()
        verdict = skipped(f"needs {missing[0]}") if missing else await _made(check, visit, deadline)
        findings[check.id] = Finding.of(check.id, check.title, verdict, recorder.lines(before))
        tell(findings[check.id])

    for check in chosen(groups, only):
        if check.id not in findings:
            await settle(check)
    return list(findings.values())


async def _made(check: Check[Visiting], visit: Visiting, deadline: float) -> Verdict:
    try:
        async with asyncio.timeout_at(deadline):
            return await check.run(visit)
    except Found as found:
        return found.verdict
    except TimeoutError:
        return skipped("the doctor's time is up")
