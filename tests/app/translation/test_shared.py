"""Asked once, never waited for too long, and nothing it raises reaches a hub."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest
from structlog.testing import capture_logs

from app.translation.backend import TranslationFailed, Unavailable
from app.translation.cache import Cache
from app.translation.circuit import Circuit
from app.translation.shared import Shared
from app.upstream.translation import Note, Translation
from tests.app.translation.backends import Scripted

PATIENCE = 5


def failing(*errors: Exception | None) -> Callable[[], Awaitable[None]]:
    """Raises one after the other; `None` is a success, and so is every call after the last."""
    left = list(errors)

    async def before() -> None:
        if left and (error := left.pop(0)) is not None:
            raise error

    return before


class Gate:
    """Calls wait here until the test lets them go on."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0
        self.cancelled = 0
        self.arrived = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        self.arrived.set()
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1

    def open(self) -> None:
        self._open.set()


def notes(found: Mapping[str, Translation]) -> dict[str, Note]:
    return {one: translation.note for one, translation in found.items()}


async def test_a_text_is_asked_for_once_in_each_language() -> None:
    backend = Scripted()
    shared = Shared(backend)

    first = await shared.translate("hi", "en", ["de"])
    second = await shared.translate("hi", "en", ["de", "fr", "es"])

    assert first == {"de": Translation("de: hi", "de", is_translated=True)}
    assert {one: found.text for one, found in second.items()} == {"de": "de: hi", "fr": "fr: hi", "es": "es: hi"}
    assert backend.asked == [("hi", "en", ("de",)), ("hi", "en", ("fr", "es"))]


async def test_twins_share_a_call() -> None:
    gate = Gate()
    backend = Scripted(before=gate)
    shared = Shared(backend, seconds=PATIENCE)
    one = asyncio.create_task(shared.translate("hi", "en", ["de", "fr"]))
    await gate.arrived.wait()
    two = asyncio.create_task(shared.translate("hi", "en", ["fr", "es"]))

    gate.open()

    assert (await one)["fr"] == (await two)["fr"]
    assert backend.asked == [("hi", "en", ("de", "fr")), ("hi", "en", ("es",))]


async def test_who_goes_away_leaves_the_call_to_the_others() -> None:
    gate = Gate()
    backend = Scripted(before=gate)
    shared = Shared(backend, seconds=PATIENCE)
    one = asyncio.create_task(shared.translate("hi", "en", ["de"]))
    await gate.arrived.wait()
    two = asyncio.create_task(shared.translate("hi", "en", ["de"]))

    one.cancel()
    await asyncio.wait([one])
    gate.open()

    assert (await two)["de"].text == "de: hi"
    assert len(backend.asked) == 1


async def test_only_so_many_calls_go_on_at_one_time() -> None:
    gate = Gate()
    shared = Shared(Scripted(before=gate), seconds=PATIENCE, concurrency=2)
    calls = [asyncio.create_task(shared.translate(f"hi {number}", "en", ["de"])) for number in range(5)]
    await gate.arrived.wait()

    gate.open()
    await asyncio.gather(*calls)

    assert gate.most == 2


async def test_after_the_deadline_the_original_goes_out_and_the_call_ends() -> None:
    gate = Gate()
    shared = Shared(Scripted(before=gate), seconds=0.01)

    with capture_logs() as logs:
        found = await shared.translate("hi Mia", "en", ["de", "fr"])
        await shared.close()

    late = Translation("hi Mia", "en", is_translated=False, note=Note.TOOK_TOO_LONG)
    assert found == {"de": late, "fr": late}
    assert gate.cancelled == 1
    assert "Mia" not in str(logs)


async def test_waiting_for_ones_turn_counts() -> None:
    gate = Gate()
    shared = Shared(Scripted(before=gate), seconds=0.01, concurrency=1)

    found = await asyncio.gather(*(shared.translate(text, "en", ["de"]) for text in ("a", "b")))

    assert [notes(one) for one in found] == [{"de": Note.TOOK_TOO_LONG}] * 2


@pytest.mark.parametrize(
    ("error", "note"),
    [
        (Unavailable("down"), Note.UNAVAILABLE),
        (TranslationFailed("odd"), Note.UNAVAILABLE),
        (ValueError("hi Mia"), Note.UNAVAILABLE),
    ],
)
async def test_what_a_backend_raises_is_a_note(error: Exception, note: Note) -> None:
    shared = Shared(Scripted(before=failing(error)))

    with capture_logs() as logs:
        failed = await shared.translate("hi Mia", None, ["de"])

    assert failed == {"de": Translation("hi Mia", "", is_translated=False, note=note)}
    assert "Mia" not in str(logs)


async def test_failures_are_not_kept() -> None:
    shared = Shared(Scripted(before=failing(TranslationFailed("odd"))))

    await shared.translate("hi", "en", ["de"])

    assert (await shared.translate("hi", "en", ["de"]))["de"].is_translated


async def test_an_outage_is_not_waited_for_each_time() -> None:
    backend = Scripted(before=failing(*[Unavailable("down")] * 3))
    shared = Shared(backend, circuit=Circuit(failures=3, seconds=1_000))

    found = [await shared.translate(f"hi {number}", "en", ["de"]) for number in range(10)]

    assert {one["de"].note for one in found} == {Note.UNAVAILABLE}
    assert len(backend.asked) == 3


async def test_a_text_the_backend_cannot_do_is_no_outage() -> None:
    backend = Scripted(before=failing(*[TranslationFailed("odd")] * 5))
    shared = Shared(backend, circuit=Circuit(failures=3, seconds=1_000))

    for number in range(6):
        found = await shared.translate(f"hi {number}", "en", ["de"])

    assert found["de"].is_translated


async def test_a_language_the_backend_left_out_is_the_original() -> None:
    class Forgetful(Scripted):
        async def translate(self, *arguments: object) -> Mapping[str, Translation]:
            return {}

    found = await Shared(Forgetful()).translate("hi", "en", ["de"])

    assert notes(found) == {"de": Note.UNAVAILABLE}


async def test_closing_ends_what_goes_on() -> None:
    gate = Gate()
    backend = Scripted(before=gate)
    shared = Shared(backend, seconds=PATIENCE)
    await shared.open()
    call = asyncio.create_task(shared.translate("hi", "en", ["de"]))
    await gate.arrived.wait()

    await shared.close()

    assert notes(await call) == {"de": Note.TOOK_TOO_LONG}
    assert gate.cancelled == 1
    assert not backend.is_open


async def test_the_cache_is_bounded() -> None:
    backend = Scripted()
    shared = Shared(backend, cache=Cache(max_entries=1))

    for text in ("a", "b", "a"):
        await shared.translate(text, "en", ["de"])

    assert [text for text, _, _ in backend.asked] == ["a", "b", "a"]
