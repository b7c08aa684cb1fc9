"""Each check finds what it is there for, and none is there for nothing."""

import pytest

from app.doctor.examination import examine
from app.doctor.exchange import Answer, Trouble
from app.doctor.registry import Check
from app.doctor.upstream.common import COMMON
from app.doctor.upstream.groups import GROUPS
from app.doctor.upstream.visit import Visit
from app.doctor.verdicts import Found, Grade, Verdict
from tests.app.doctor import (
    defects_at_the_door,
    defects_of_connections,
    defects_of_messages,
    defects_of_requests,
)
from tests.app.doctor.defects import DEFECTS, Defect
from tests.app.doctor.sound_upstream import FixedWire, serving, target, visiting

EVERY = [check for group in GROUPS for check in group.checks]
DELIVERING = [check for check in EVERY if check.group not in ("reach", "validation") and check.id != "malformed.leaks"]
ELSEWHERE = {
    ("reach.answers", "unreachable"),
    ("reach.answers", "unknown-host"),
    ("reach.answers", "bad-certificate"),
    ("reach.answers", "silent"),
    ("reach.answers", "not-http"),
    ("reach.encrypted", "plain-http"),
    ("signature.checked", "maybe-unchecked"),
    ("load.time", "slow"),
    ("signature.right", "entra"),
    ("signature.right", "no-key"),
    ("signature.right", "unknown-origin"),
    ("validation.allowed", "unknown-origin"),
}


def test_the_defects_are_those_of_all_files() -> None:
    modules = {defect.upstream.__module__ for defect in DEFECTS}

    assert modules == {
        one.__name__ for one in (defects_at_the_door, defects_of_connections, defects_of_messages, defects_of_requests)
    }


def test_every_problem_has_a_defect() -> None:
    """Those of the connection have their tests below."""
    made = {(one.check, one.problem) for one in DEFECTS} | ELSEWHERE
    declared = {(check.id, problem.name) for check in EVERY for problem in check.problems}

    assert declared - made == set()
    assert made - declared <= {(check.id, problem.name) for check in DELIVERING for problem in COMMON}


@pytest.mark.parametrize("defect", DEFECTS, ids=[one.id for one in DEFECTS])
async def test_a_defect_is_found_and_named(defect: Defect) -> None:
    async with serving(defect.upstream()) as url, visiting(url) as visit:
        findings = {one.check: one for one in await examine(GROUPS, visit, visit, only=[defect.check])}

    found = findings[defect.check]
    assert (found.problem, found.grade) == (defect.problem, found.grade), found
    assert found.grade in (Grade.FAIL, Grade.WARNING)
    assert found.cause
    assert found.mend
    assert found.exchanges


async def made(check: Check[Visit], answer: Answer) -> Verdict:
    """What the check comes to where every request gets this answer."""
    try:
        return await check.run(Visit(target("http://localhost/eventhandler"), FixedWire(answer)))
    except Found as found:
        return found.verdict


@pytest.mark.parametrize("check", DELIVERING, ids=[check.id for check in DELIVERING])
@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (Answer(500), "server-error"),
        (Answer(408), "server-error"),
        (Answer(308), "redirected"),
        (Answer(trouble=Trouble.TIMEOUT), "no-answer"),
    ],
    ids=str,
)
async def test_no_event_may_end_in_a_5xx_a_redirect_or_silence(check: Check[Visit], answer: Answer, name: str) -> None:
    verdict = await made(check, answer)

    assert verdict.problem is not None
    assert verdict.problem.name == {"headers.room": "no-room", "load.parallel": "errors"}.get(check.id, name)
    assert verdict.grade is Grade.FAIL
