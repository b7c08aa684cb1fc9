"""When a URL is asked whether events may go there."""

import asyncio
from collections.abc import Sequence

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from localpubsub.edge.cloudevents import Response
from localpubsub.edge.validation import Validations, pause_after
from localpubsub.engine.upstream import DeliveryFailed

URL = "http://h/validate?code=s3cr3t"


class Upstream:
    """Answers the questions in order, and holds time still: each pause lasts until `pass_time`."""

    def __init__(self, *statuses: int | Exception) -> None:
        self.statuses: Sequence[int | Exception] = statuses
        self.asked: list[tuple[str, str]] = []
        self.pauses: list[float] = []
        self._paused = asyncio.Event()
        self._go_on = asyncio.Event()

    async def ask(self, method: str, url: str, headers: dict[str, str]) -> Response:
        self.asked.append((method, url))
        assert headers == {"WebHook-Request-Origin": "localhost:81", "ce-awpsversion": "1.0"}
        answer = self.statuses[min(len(self.asked), len(self.statuses)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return Response(answer, CIMultiDictProxy(CIMultiDict({"WebHook-Allowed-Origin": "*"})), b"")

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._paused.set()
        await self._go_on.wait()
        self._go_on.clear()

    async def pass_time(self) -> None:
        """Until the next pause."""
        async with asyncio.timeout(5):
            await self._paused.wait()
            self._paused.clear()
            self._go_on.set()
            await self._paused.wait()

    def validations(self) -> Validations:
        return Validations(self.ask, lambda: "localhost:81", self.sleep)


async def test_a_success_is_looked_at_again_after_a_minute() -> None:
    upstream = Upstream(200)
    validations = upstream.validations()

    assert [await validations.allows(URL) for _ in range(3)] == [True] * 3
    assert len(upstream.asked) == 1
    await upstream.pass_time()
    assert len(upstream.asked) == 2
    assert upstream.pauses == [60, 60]
    await validations.close()


@pytest.mark.parametrize(
    ("origin", "allowed", "expected"),
    [
        ("localhost:81", ["x.net, LOCALHOST:81"], True),
        ("localhost:81", ["x.net", "localhost"], True),
        ("localhost:81", ["localhost:82"], False),
        ("localhost", ["localhost"], True),
        ("localhost", ["*"], True),
        ("localhost", [""], False),
        ("localhost", [], False),
    ],
)
async def test_a_url_has_to_name_this_service(origin: str, allowed: list[str], expected: bool) -> None:
    async def ask(_method: str, _url: str, _headers: dict[str, str]) -> Response:
        headers = CIMultiDict([("WebHook-Allowed-Origin", value) for value in allowed])
        return Response(200, CIMultiDictProxy(headers), b"")

    validations = Validations(ask, lambda: origin)

    assert await validations.allows(URL) is expected
    await validations.close()


async def test_a_refusal_is_looked_at_again_sooner_and_ever_later() -> None:
    upstream = Upstream(*([400] * 8), 200)
    validations = upstream.validations()

    assert not await validations.allows(URL)
    for _ in range(7):
        await upstream.pass_time()
    assert not await validations.allows(URL)
    await upstream.pass_time()

    assert await validations.allows(URL)
    assert upstream.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    await validations.close()


async def test_an_event_waits_for_the_question_that_may_end_a_refusal() -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def ask(method: str, url: str, headers: dict[str, str]) -> Response:
        if upstream.pauses:
            asked.set()
            await answer.wait()
        return await upstream.ask(method, url, headers)

    upstream = Upstream(400, 200)
    validations = Validations(ask, lambda: "localhost:81", upstream.sleep)
    assert not await validations.allows(URL)
    upstream._go_on.set()
    await asyncio.wait_for(asked.wait(), 5)

    waiting = asyncio.create_task(validations.allows(URL))
    answer.set()

    assert await asyncio.wait_for(waiting, 5)
    await validations.close()


async def test_a_service_that_starts_again_asks_again() -> None:
    upstream = Upstream(400, 200)
    validations = upstream.validations()
    assert not await validations.allows(URL)

    await validations.close()

    assert await asyncio.wait_for(validations.allows(URL), 5)
    await validations.close()


async def test_a_success_that_ends_stops_the_events() -> None:
    upstream = Upstream(200, 500)
    validations = upstream.validations()

    assert await validations.allows(URL)
    await upstream.pass_time()

    assert not await validations.allows(URL)
    await validations.close()


@pytest.mark.parametrize("failure", [TimeoutError(), DeliveryFailed("gone")])
async def test_no_answer_is_a_refusal(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    validations = Upstream(failure).validations()

    assert not await validations.allows(URL)
    assert "validation of h/validate failed" in caplog.text
    assert "s3cr3t" not in caplog.text
    await validations.close()


async def test_a_failure_that_lasts_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    upstream = Upstream(400, 400, 404, 401)
    validations = upstream.validations()

    await validations.allows(URL)
    for _ in range(2):
        await upstream.pass_time()

    assert upstream.asked == [("OPTIONS", URL)] * 3 + [("GET", URL)]
    assert caplog.text.count("it answered 400") == 1
    assert caplog.text.count("it answered 401") == 1
    await validations.close()


async def test_a_url_nobody_uses_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    upstream = Upstream(200)
    validations = upstream.validations()
    await validations.allows(URL)
    monkeypatch.setattr("localpubsub.edge.validation.FORGET_SECONDS", 0)

    (verdict,) = validations._verdicts.values()
    assert verdict.task is not None
    upstream._go_on.set()
    await asyncio.wait_for(verdict.task, 5)

    assert not validations._verdicts
    assert len(upstream.asked) == 1


def test_the_pauses() -> None:
    assert [pause_after(failures) for failures in range(9)] == [60, 1, 2, 4, 8, 16, 32, 60, 60]
