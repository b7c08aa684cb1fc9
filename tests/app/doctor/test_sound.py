"""An upstream with nothing wrong is healthy, whoever wrote it."""

from app.doctor.examination import examine
from app.doctor.upstream.groups import GROUPS
from app.doctor.verdicts import Grade
from tests.app.doctor.sound_upstream import SoundUpstream, serving, visiting


async def test_all_checks_pass() -> None:
    async with serving(SoundUpstream()) as url, visiting(url) as visit:
        findings = await examine(GROUPS, visit, visit)

    assert [(one.check, one.found) for one in findings if one.grade is not Grade.PASS] == []
    assert len(findings) == sum(len(group.checks) for group in GROUPS)
