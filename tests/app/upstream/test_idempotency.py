"""A redelivered event runs once."""

import asyncio

import pytest

from app.models.events import ConnectionContext
from app.upstream.idempotency import IdempotencyWindow, Key, key_of
from app.upstream.reply import Reply

KEY: Key = ("chat", "conn-1", None, "1")


class Handler:
    """Counts its runs; the n-th run gives the n-th answer, or waits for `release` first."""

    def __init__(self, *answers: Reply | Exception) -> None:
        self.runs = 0
        self._answers = answers
        self.release: asyncio.Event | None = None

    async def __call__(self) -> Reply:
        self.runs += 1
        answer = self._answers[min(self.runs, len(self._answers)) - 1]
        if self.release is not None:
            await self.release.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_the_second_delivery_gets_the_first_answer() -> None:
    window, handler = IdempotencyWindow(), Handler(Reply(200, b"one"), Reply(200, b"two"))

    first = await window.once(KEY, handler)
    second = await window.once(KEY, handler)

    assert (first, second) == ((Reply(200, b"one"), False), (Reply(200, b"one"), True))
    assert handler.runs == 1


def context(**attributes: str) -> ConnectionContext:
    basics = {"origin": "o", "awps_version": "1.0", "type": "azure.webpubsub.user.a", "event_name": "a"}
    return ConnectionContext.model_validate(
        basics | {"hub": "chat", "connection_id": "conn-1", "event_id": "1"} | attributes
    )


@pytest.mark.parametrize(
    "other",
    [{"hub": "other"}, {"connection_id": "conn-2"}, {"physical_connection_id": "ph"}, {"event_id": "2"}],
)
async def test_every_part_of_the_key_tells_two_events_apart(other: dict[str, str]) -> None:
    window, handler = IdempotencyWindow(), Handler(Reply(204))

    for each in (context(), context(**other)):
        key = key_of(each)
        assert key is not None
        await window.once(key, handler)

    assert handler.runs == 2


async def test_twins_wait_for_the_first_and_get_its_answer() -> None:
    window, handler = IdempotencyWindow(), Handler(Reply(200, b"one"))
    handler.release = asyncio.Event()
    twins = [asyncio.create_task(window.once(KEY, handler)) for _ in range(5)]
    await asyncio.sleep(0)

    handler.release.set()
    answers = await asyncio.gather(*twins)

    assert handler.runs == 1
    assert sorted(repeated for _, repeated in answers) == [False, True, True, True, True]


@pytest.mark.parametrize("failure", [Reply(500), Reply(503), RuntimeError("boom")])
async def test_after_a_failure_a_waiting_twin_runs(failure: Reply | Exception) -> None:
    window, handler = IdempotencyWindow(), Handler(failure, Reply(200, b"two"))
    handler.release = asyncio.Event()
    first, second = (asyncio.create_task(window.once(KEY, handler)) for _ in range(2))
    await asyncio.sleep(0)

    handler.release.set()
    await asyncio.wait([first, second])

    assert handler.runs == 2
    assert second.result() == (Reply(200, b"two"), False)


async def test_when_the_first_is_cancelled_a_waiting_twin_runs() -> None:
    window, handler = IdempotencyWindow(), Handler(Reply(204))
    handler.release = asyncio.Event()
    first, second = (asyncio.create_task(window.once(KEY, handler)) for _ in range(2))
    await asyncio.sleep(0)

    first.cancel()
    handler.release.set()

    assert await second == (Reply(204), False)
    assert first.cancelled()


async def test_a_cancelled_twin_disturbs_nobody() -> None:
    window, handler = IdempotencyWindow(), Handler(Reply(204))
    handler.release = asyncio.Event()
    first, second, third = (asyncio.create_task(window.once(KEY, handler)) for _ in range(3))
    await asyncio.sleep(0)

    second.cancel()
    handler.release.set()

    assert await first == (Reply(204), False)
    assert await third == (Reply(204), True)


async def test_a_refusal_is_final_and_a_server_error_is_not() -> None:
    window = IdempotencyWindow()
    refused, failed = Handler(Reply(403)), Handler(Reply(500))

    for _ in range(2):
        await window.once(("h", "c", None, "1"), refused)
        await window.once(("h", "c", None, "2"), failed)

    assert (refused.runs, failed.runs) == (1, 2)


async def test_an_answer_is_forgotten_after_its_time() -> None:
    now = [0.0]
    window, handler = IdempotencyWindow(seconds=10, clock=lambda: now[0]), Handler(Reply(204))
    await window.once(KEY, handler)
    now[0] = 9.9
    await window.once(KEY, handler)
    assert handler.runs == 1

    now[0] = 10.1
    await window.once(KEY, handler)

    assert handler.runs == 2


async def test_what_is_due_does_not_stay_in_memory() -> None:
    now = [0.0]
    window, handler = IdempotencyWindow(seconds=10, clock=lambda: now[0]), Handler(Reply(204))
    for number in range(50):
        await window.once(("h", "c", None, str(number)), handler)

    now[0] = 20.0
    await window.once(KEY, handler)

    assert len(window) == 1


async def test_memory_is_bounded_by_count_and_the_oldest_go_first() -> None:
    window, handler = IdempotencyWindow(max_answers=100), Handler(Reply(204))
    for number in range(1000):
        await window.once(("h", "c", None, str(number)), handler)
        assert len(window) <= 100

    _, repeated = await window.once(("h", "c", None, "999"), handler)

    assert repeated


async def test_memory_is_bounded_by_bytes() -> None:
    window, handler = IdempotencyWindow(max_bytes=10_000), Handler(Reply(200, b"x" * 1000))
    for number in range(100):
        await window.once(("h", "c", None, str(number)), handler)
        assert len(window) <= 10


async def test_headers_count_as_bytes_too() -> None:
    reply = Reply(204, b"", ((b"ce-connectionstate", b"x" * 1000),))
    window, handler = IdempotencyWindow(max_bytes=10_000), Handler(reply)
    for number in range(100):
        await window.once(("h", "c", None, str(number)), handler)
        assert len(window) == min(number + 1, 10)
