"""The way of a message to its readers: in order, in time, once, and through crashes."""

import asyncio
from time import time

import pytest

from app.hubs.multilingual.relay import Turn
from app.upstream.memory_storage import MemoryStorage
from app.upstream.running import running
from app.upstream.storage import KEEP, Keep, Record
from app.upstream.testing import FakeTranslator
from tests.app.hubs.multilingual.room import BrokenTranslator, Person, Room, SlowTranslator, people


async def test_a_translator_that_breaks_its_promise_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(BrokenTranslator())
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        await mia.say("one")
        await mia.say("two")
        line = await room.publisher.line("lines.de", 2)

    assert (line["text"], line["note"]) == ("two", "service unavailable")
    assert "the translator failed" in caplog.text


async def test_a_writer_does_not_wait_for_the_translator() -> None:
    translator = SlowTranslator(slow=["first"])
    room = Room(translator)
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        answer = await mia.say("first", key="k1")
        assert {name: answer[name] for name in ("type", "number", "key")} == {"type": "said", "number": 1, "key": "k1"}
        assert room.publisher.lines("lines.de") == []

        translator.gates["first"].set()
        line = await room.publisher.line("lines.de")

    assert (line["text"], line["key"], line["id"]) == ("[de] first", "k1", answer["id"])


async def test_a_quick_message_does_not_overtake_a_slow_one() -> None:
    translator = SlowTranslator(slow=["slow"])
    room = Room(translator)
    async with people(room.hub(), mia="en", jonas="de") as (mia, jonas):
        await mia.say("slow")
        await mia.say("quick")
        await jonas.say("eilig")
        await translator.until_asked(3)
        translator.gates["slow"].set()
        await room.publisher.line("lines.de", 3)

    assert [one["original"] for one in room.publisher.lines("lines.de")] == ["slow", "quick", "eilig"]
    assert [one["number"] for one in room.publisher.lines("lines.en")] == [1, 2, 3]


async def test_what_takes_too_long_goes_out_in_its_own_language() -> None:
    room = Room(SlowTranslator(slow=["slow"]), patience_seconds=0.05)
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        await mia.say("slow")
        await mia.say("quick")
        await room.publisher.line("lines.de", 2)

    slow, quick = room.publisher.lines("lines.de")
    assert (slow["text"], slow["isTranslated"], slow["note"]) == ("slow", False, "took too long")
    assert quick["text"] == "[de] quick"


async def test_a_redelivered_message_is_said_once_under_one_number() -> None:
    room = Room(FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en", jonas="de") as (mia, _):
        again = Person(hub, "mia")
        await again.enter("en")
        first, second = await mia.say("hi"), await again.say("hi")
        await mia.say("the last")
        await room.publisher.line("lines.de", 2)

    assert (first["number"], first["id"]) == (second["number"], second["id"]) == (1, first["id"])
    assert [one["original"] for one in room.publisher.lines("lines.de")] == ["hi", "the last"]


async def test_a_message_sent_again_over_another_connection_is_known_by_its_key() -> None:
    room = Room(FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en", jonas="de") as (mia, jonas):
        first = await mia.say("hi", key="k1")
        back = Person(hub, "mia", connection_id="another")
        await back.enter("en")
        assert await back.say("hi", key="k1") == first
        assert (await back.say("hi", key="k2"))["number"] == 2
        assert (await jonas.say("hi", key="k1"))["number"] == 3


async def test_the_relay_and_a_late_reader_do_not_translate_the_same_twice() -> None:
    translator = SlowTranslator(slow=["hi"])
    room = Room(translator)
    hub = room.hub()
    async with people(hub, mia="en", jonas="de") as (mia, _):
        await mia.say("hi")
        eva = asyncio.create_task(Person(hub, "eva").enter("de"))
        await room.publisher.until(lambda: "eva" in str(room.publisher.lines("people")))
        translator.gates["hi"].set()
        answer = await eva
        await room.publisher.line("lines.de")

    assert [one["text"] for one in answer["lines"]] == ["[de] hi"]
    assert translator.asked == [("hi", ("de",), "en")]


async def test_what_was_kept_before_a_crash_is_sent_after_it_and_only_that() -> None:
    room = Room(translator := FakeTranslator())
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        await mia.say("before")
        await room.publisher.line("lines.de")
    await mia.say("kept while nobody relayed")
    translator.asked.clear()

    async with running([room.hub()]):
        await room.publisher.line("lines.de", 2)

    assert [one["number"] for one in room.publisher.lines("lines.de")] == [1, 2]
    assert translator.asked == [("kept while nobody relayed", ("de",), "en")]


async def test_of_several_replicas_one_relays_and_another_takes_over() -> None:
    room = Room(FakeTranslator())
    first, second = room.hub(), room.hub()
    async with running([first]):
        async with people(second, mia="en", jonas="de") as (mia, _):
            for number in range(20):
                await mia.say(f"line {number}")
            await room.publisher.line("lines.de", 20)
        await mia.say("the last")
        await room.publisher.line("lines.de", 21)

    assert [one["number"] for one in room.publisher.lines("lines.de")] == list(range(1, 22))


async def test_translations_are_forgotten_with_their_messages() -> None:
    room = Room(FakeTranslator(), keep=Keep(count=10))
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        for number in range(1, 62):
            await mia.say(f"line {number}")
            await room.publisher.line("lines.de", number)

    assert await room.storage.tables("translations/") == ["translations/2", "translations/3"]


async def test_a_burst_that_outruns_the_announcements_arrives_in_full() -> None:
    room = Room(FakeTranslator())
    async with people(room.hub(), mia="en", jonas="de") as (mia, _):
        for number in range(1, 1_101):
            await mia.say(f"line {number}")
        await room.publisher.line("lines.de", 1_100)

    assert [one["number"] for one in room.publisher.lines("lines.de")] == list(range(1, 1_101))


async def test_only_one_has_the_turn_until_it_is_given_up() -> None:
    storage = MemoryStorage()
    first, second = Turn(storage), Turn(storage)

    assert [await first.take(), await second.take(), await first.take()] == [True, False, True]
    await second.give_up()
    assert not await second.take()
    await first.give_up()

    assert [await second.take(), await first.take()] == [True, False]


async def test_the_turn_of_one_who_died_passes_to_another() -> None:
    storage = MemoryStorage(clock=lambda: time() - 3_600)
    first, second = Turn(storage), Turn(storage)

    assert await first.take()
    assert await second.take()


async def test_what_nobody_is_there_to_read_costs_nothing_until_somebody_is() -> None:
    room = Room(translator := FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en", jonas="de") as (mia, jonas):
        await mia.disconnected()
        await jonas.disconnected()
        await mia.say("good night")
        await room.until_relayed(1)
        assert translator.asked == []
        eva = await Person(hub, "eva").enter("fr")

    assert [one["text"] for one in eva["lines"]] == ["[fr] good night"]
    assert room.publisher.lines("lines.fr") == []


class PonderingStorage(MemoryStorage):
    """Lets others read the same before anybody writes."""

    async def newest(self, log: str, *, limit: int = 100, keep: Keep = KEEP) -> list[Record]:
        found = await super().newest(log, limit=limit, keep=keep)
        await asyncio.sleep(0)
        return found


async def test_of_several_who_want_a_free_turn_one_gets_it() -> None:
    storage = PonderingStorage()

    taken = await asyncio.gather(*(Turn(storage).take() for _ in range(5)))

    assert sorted(taken) == [False, False, False, False, True]


async def test_readers_whose_leaving_nobody_told_are_found_out() -> None:
    room = Room(translator := FakeTranslator(), settle_seconds=0)
    hub = room.hub()
    mia, jonas = Person(hub, "mia"), Person(hub, "jonas")
    await mia.enter("en")
    await jonas.enter("de")
    room.publisher.listing = {"lines.en": {"conn-mia": "mia"}}

    async with running([hub]):
        await room.publisher.until(lambda: not all(one["in"] for one in room.publisher.lines("people")))
        await mia.say("hi")
        await room.publisher.line("lines.en")

    last = room.publisher.lines("people")[-1]
    assert (last["type"], last["user"], last["language"], last["in"]) == ("presence", "jonas", "de", False)
    assert translator.asked == []
