"""The order of checks, their bounds, and what no answer may do to the doctor."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.doctor.examination import examine
from app.doctor.exchange import Answer, Request, Trouble
from app.doctor.registry import Group, chosen
from app.doctor.report import Finding, Line, Outcome, Report
from app.doctor.upstream.groups import GROUPS
from app.doctor.upstream.visit import MAX_REQUESTS, Visit
from app.doctor.verdicts import Found, Grade, Verdict, failure, not_examined, passed, skipped, warning
from tests.app.doctor.sound_upstream import FixedWire, target

URL = "http://localhost/eventhandler"
WRONG = failure("wrong", cause="it is wrong", mend="put it right")


class Nothing:
    """Records nothing."""

    def lines(self, since: int) -> Sequence[Line]:
        return ()

    def count(self) -> int:
        return 0


def group_of(made: list[str]) -> Group[Nothing]:
    """b needs a, c needs b; a is what `made` holds first, and each notes that it was made."""
    group: Group[Nothing] = Group("g", "Group")

    @group.check("c", "C", needs=["g.b"])
    async def c(_: Nothing) -> Verdict:
        made.append("c")
        return passed("c")

    @group.check("a", "A", WRONG)
    async def a(_: Nothing) -> Verdict:
        made.append("a")
        if "sick" in made:
            raise Found(WRONG.found("a"))
        return passed("a")

    @group.check("b", "B", needs=["g.a"])
    async def b(_: Nothing) -> Verdict:
        made.append("b")
        return passed("b")

    return group


async def test_what_a_check_needs_is_made_before_and_once() -> None:
    made: list[str] = []

    findings = await examine([group_of(made)], Nothing(), Nothing(), only=["g.c", "g.b"])

    assert made == ["a", "b", "c"]
    assert [finding.check for finding in findings] == ["g.a", "g.b", "g.c"]


async def test_what_needs_a_check_that_did_not_pass_is_skipped_and_says_so() -> None:
    made = ["sick"]
    told: list[Finding] = []

    findings = await examine([group_of(made)], Nothing(), Nothing(), tell=told.append)

    assert made == ["sick", "a"]
    assert told == findings
    assert [(one.grade, one.found) for one in findings] == [
        (Grade.FAIL, "a"),
        (Grade.SKIPPED, "needs g.a"),
        (Grade.SKIPPED, "needs g.b"),
    ]


async def test_a_name_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'?nonsense'?; the groups are reach, validation, signature"):
        chosen(GROUPS, ["reach", "nonsense"])


def test_ids_are_unique_and_needs_exist() -> None:
    ids = [check.id for group in GROUPS for check in group.checks]

    assert len(ids) == len(set(ids))
    assert {needed for group in GROUPS for check in group.checks for needed in check.needs} <= set(ids)


async def test_it_ends_in_time_whatever_the_upstream_does() -> None:
    class Stalls(FixedWire):
        async def ask(self, request: Request) -> Answer:
            if request.method == "POST":
                await asyncio.Event().wait()
            return self.answer

    visit = Visit(target(URL), Stalls(Answer(200, (("WebHook-Allowed-Origin", "*"),))))

    findings = {one.check: one for one in await examine(GROUPS, visit, visit, seconds=0.5)}

    assert findings["validation.allowed"].grade is Grade.PASS
    assert findings["reach.redirects"].found == "the doctor's time is up"
    assert findings["messages.text"].grade is Grade.SKIPPED


async def test_it_asks_no_more_than_it_said() -> None:
    visit = Visit(target(URL), FixedWire(Answer(204)))
    request = visit.probe()

    for _ in range(MAX_REQUESTS):
        await visit.ask(request)

    with pytest.raises(Found) as found:
        await visit.ask(request)
    assert found.value.verdict.grade is Grade.SKIPPED


def report(*verdicts: Verdict) -> Report:
    findings = tuple(Finding.of("g.c", "C", verdict) for verdict in verdicts)
    return Report(visited=URL, hub="chat", plan=(), findings=findings, exchanges=0, seconds=0)


WELL = passed("")
SKIPPED = skipped("needs g.a")


@pytest.mark.parametrize(
    ("verdicts", "outcome"),
    [
        ((WELL, SKIPPED), Outcome.HEALTHY),
        ((warning("w", cause="c", mend="m").found(""),), Outcome.HEALTHY),
        ((WELL, WRONG.found("")), Outcome.SICK),
        ((WELL, not_examined("n", cause="c", mend="m").found(""), SKIPPED), Outcome.NOT_EXAMINED),
        ((not_examined("n", cause="c", mend="m").found(""), WRONG.found("")), Outcome.SICK),
    ],
)
def test_nobody_is_healthy_who_failed_or_could_not_be_examined(verdicts: tuple[Verdict, ...], outcome: Outcome) -> None:
    assert report(*verdicts).outcome is outcome


MEDIA = st.sampled_from(["text/plain", "application/json", "", "text/html", "application/json; charset=latin-1"])
JSON = st.sampled_from([
    b"", b"{}", b"null", b"[", b'{"userId":[]}', b'{"groups":{},"roles":[1]}', b'{"mqtt":{"code":true}}',
    b'{"mqtt":{"userProperties":[{}]}}', b"[" * 9000, b'{"mqtt":[]}', b"1e999", b'{"":""}',
])  # fmt: skip
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just("ce-connectionState"), st.text(max_size=40)),
        st.tuples(st.just("Set-Cookie"), st.text(max_size=40)),
        st.tuples(st.just("Content-Type"), MEDIA),
        st.tuples(st.just("WebHook-Allowed-Origin"), st.sampled_from(["*", "contoso.webpubsub.azure.com", "a,b"])),
        st.tuples(st.just("Location"), st.text(max_size=40)),
        st.tuples(st.text(max_size=20), st.text(max_size=20)),
    ),
    max_size=4,
).map(tuple)
STATUSES = st.one_of(st.sampled_from([200, 204, 400, 401, 404]), st.integers(100, 599))
ANSWERS = st.one_of(
    st.builds(Answer, STATUSES, HEADERS, st.one_of(JSON, st.binary(max_size=60))),
    st.builds(Answer, trouble=st.sampled_from(list(Trouble)), detail=st.text(max_size=20)),
)
EVERY = [check for group in GROUPS for check in group.checks]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ANSWERS, min_size=1, max_size=12))
async def test_no_answer_can_upset_the_doctor(answers: list[Answer]) -> None:
    """Each check on its own, since most are not made where the first ones do not pass."""

    class Odd(FixedWire):
        count = 0

        async def ask(self, request: Request) -> Answer:
            self.count += 1
            return answers[self.count % len(answers)]

    for check in EVERY:
        visit = Visit(target(URL), Odd(Answer(204)))
        try:
            verdict = await check.run(visit)
        except Found as found:
            verdict = found.verdict
        finding = Finding.of(check.id, check.title, verdict, visit.lines(0))
        assert "\x1b" not in "".join(line.sent + line.came for line in finding.exchanges)
