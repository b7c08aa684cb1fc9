"""The room in which everybody reads a language of their own."""

import pytest
from pydantic_core import from_json

from app.models.payloads import Message
from app.upstream.errors import Rejected
from app.upstream.testing import FakeTranslator, HubClient, Sent
from app.upstream.translation import Note
from tests.app.hubs.multilingual.room import PUBSUB, Person, Room, SlowTranslator, people


async def test_a_message_reaches_each_language_once_whoever_many_read_it() -> None:
    room = Room(translator := FakeTranslator())
    languages = {f"reader{number}": ("de", "fr")[number % 2] for number in range(100)}
    async with people(room.hub(), mia="en", **languages) as (mia, *_):
        await mia.say("hi")
        german, french = await room.publisher.line("lines.de"), await room.publisher.line("lines.fr")
        english = await room.publisher.line("lines.en")

    assert translator.asked == [("hi", ("de", "fr"), "en")]
    assert all(len(room.publisher.lines(f"lines.{code}")) == 1 for code in ("en", "de", "fr"))
    assert (german["text"], german["language"], german["isTranslated"]) == ("[de] hi", "de", True)
    assert (french["original"], french["originalLanguage"], french["note"]) == ("hi", "en", "")
    assert (english["text"], english["language"], english["isTranslated"]) == ("hi", "en", False)
    assert {key: german[key] for key in ("type", "number", "from")} == {"type": "message", "number": 1, "from": "mia"}


async def test_nothing_is_translated_to_a_language_nobody_reads() -> None:
    room = Room(translator := FakeTranslator())
    async with people(room.hub(), mia="en", jonas="de", eva="fr") as (mia, jonas, eva):
        await eva.disconnected()
        await jonas.ask("language", {"language": "en"})
        await mia.say("hi")
        await room.publisher.line("lines.en")

    assert translator.asked == []
    assert [one.target for one in room.publisher.sent if one.target != "people"] == ["lines.en"]


async def test_the_language_of_a_message_is_its_own_and_not_its_writers() -> None:
    room = Room(translator := FakeTranslator(detected={"bonjour": "fr"}))
    async with people(room.hub(), mia="en", eva="fr") as (mia, _):
        await mia.say("bonjour")
        to_eva, to_mia = await room.publisher.line("lines.fr"), await room.publisher.line("lines.en")

    assert translator.asked == [("bonjour", ("en",), "fr")]
    assert (to_eva["text"], to_eva["isTranslated"]) == ("bonjour", False)
    assert (to_mia["text"], to_mia["originalLanguage"]) == ("[en] bonjour", "fr")


@pytest.mark.parametrize("note", [Note.UNAVAILABLE, Note.UNKNOWN_PHRASE])
async def test_what_cannot_be_translated_is_shown_as_it_was_written_and_says_so(note: Note) -> None:
    room = Room(FakeTranslator(notes={"de": note}))
    async with people(room.hub(), mia="en", jonas="de", eva="fr") as (mia, *_):
        await mia.say("hi")
        german, french = await room.publisher.line("lines.de"), await room.publisher.line("lines.fr")

    assert (german["text"], german["language"], german["isTranslated"]) == ("hi", "en", False)
    assert german["note"] == str(note)
    assert french["isTranslated"]


async def test_a_failure_is_tried_again_for_the_next_who_reads_it() -> None:
    room = Room(translator := FakeTranslator(notes={"de": Note.UNAVAILABLE}))
    async with people(room.hub(), mia="en", jonas="de") as (mia, jonas):
        await mia.say("hi")
        await room.publisher.line("lines.de")
        translator.notes.clear()

        answer = await jonas.ask("since", {"number": 0, "limit": 1})

    assert [one["text"] for one in answer["lines"]] == ["[de] hi"]


async def test_who_comes_in_does_not_wait_for_the_translator_for_ever() -> None:
    room = Room(SlowTranslator(slow=["slow"]), patience_seconds=0.05)
    async with people(room.hub(), mia="en") as (mia,):
        await mia.say("slow")
        await mia.say("quick")

        answer = await Person(room.hub(), "jonas").enter("de")

    assert [(one["text"], one["note"]) for one in answer["lines"]] == [("slow", "took too long"), ("[de] quick", "")]


async def test_a_late_reader_gets_the_last_messages_translated_once() -> None:
    room = Room(translator := FakeTranslator())
    async with people(room.hub(), mia="en", jonas="de") as (mia, jonas):
        await mia.say("hi")
        await jonas.say("hallo")
        await room.publisher.line("lines.de", 2)
        asked = len(translator.asked)

        eva = await Person(room.hub(), "eva").enter("fr")
        tom = await Person(room.hub(), "tom").enter("fr")
        lea = await Person(room.hub(), "lea").enter("de")

    assert [one["text"] for one in eva["lines"]] == ["[fr] hi", "[fr] hallo"]
    assert (eva["lines"], eva["number"], eva["language"]) == (tom["lines"], 2, "fr")
    assert [one["text"] for one in lea["lines"]] == ["[de] hi", "hallo"]
    assert sorted(translator.asked[asked:]) == [("hallo", ("fr",), "de"), ("hi", ("fr",), "en")]


async def test_names_of_people_are_left_alone() -> None:
    translator = SlowTranslator()
    room = Room(translator)
    async with people(room.hub(), mia="en", rose="de") as (mia, _):
        await mia.say("rose, hi")
        await room.publisher.line("lines.de")

    assert translator.keeps == [{"mia", "rose"}]


async def test_changing_the_language_shows_the_past_in_it_and_keeps_it_for_the_next_time() -> None:
    room = Room(FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en", jonas="de") as (mia, jonas):
        await mia.say("hi")
        await room.publisher.line("lines.de")
        answer = await jonas.ask("language", {"language": "FR"})
        await mia.say("and now")
        await room.publisher.line("lines.fr")
        again = await Person(hub, "jonas", connection_id="another").enter()

    assert (answer["language"], [one["text"] for one in answer["lines"]]) == ("fr", ["[fr] hi"])
    assert [one["original"] for one in room.publisher.lines("lines.de")] == ["hi"]
    assert jonas.state["language"] == again["language"] == "fr"
    moves = [(one.verb, one.arguments["group"]) for one in room.publisher.calls if "jonas" in str(one.arguments)]
    assert moves == [
        ("add_connection_to_group", "lines.de"),
        ("add_connection_to_group", "lines.fr"),
        ("remove_connection_from_group", "lines.de"),
    ]


async def test_everybody_hears_who_reads_what() -> None:
    room = Room(FakeTranslator())
    async with people(room.hub(), mia="en", jonas="de") as (mia, jonas):
        second = Person(room.hub(), "mia", connection_id="another")
        entered = await second.enter("fr")
        await jonas.ask("language", {"language": "en"})
        await mia.disconnected()

    assert entered["members"] == [
        {"user": "jonas", "languages": ["de"]},
        {"user": "mia", "languages": ["en", "fr"]},
    ]
    news = [(one["user"], one["language"], one["in"]) for one in room.publisher.lines("people")]
    assert news[2:] == [("mia", "fr", True), ("jonas", "en", True), ("jonas", "de", False), ("mia", "en", False)]


async def test_who_was_away_gets_what_they_missed_and_how_much_there_is() -> None:
    room = Room(FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en") as (mia,):
        for number in range(60):
            await mia.say(f"line {number}")
        back = Person(hub, "jonas")
        entered = await back.enter("de", since=3)
        more = await back.ask("since", {"number": entered["lines"][-1]["number"]})

    assert [one["number"] for one in entered["lines"]] == list(range(4, 54))
    assert [one["number"] for one in more["lines"]] == list(range(54, 61))
    assert (entered["number"], more["number"], more["type"]) == (60, 60, "lines")


async def test_a_raw_client_writes_plain_text_and_reads_its_own_language() -> None:
    room = Room(FakeTranslator())
    hub = room.hub()
    async with people(hub, mia="en") as (mia,):
        jonas = HubClient(hub, connection_id="raw")
        reply = await jonas.connect(query={"id": "jonas", "lang": "de"})
        await jonas.connected()
        await mia.say("hi")
        line = await room.publisher.line("raw.de")
        assert (await jonas.send("message", "hallo")).status == 204
        answer = await room.publisher.line("lines.en", 2)
        assert (await jonas.send("message", "  ")).status == 204
        scolded = await jonas.send("message", "x" * 4_001)

    assert from_json(reply.body) == {"userId": "jonas", "groups": ["raw.de"]}
    assert line == {"from": "mia", "message": "[de] hi"}
    assert (answer["text"], answer["originalLanguage"], answer["from"]) == ("[en] hallo", "de", "jonas")
    assert from_json(scolded.body)["type"] == "system"


async def test_a_raw_client_without_a_language_reads_english() -> None:
    client = HubClient(Room(FakeTranslator()).hub())

    reply = await client.connect(query={"id": "jonas"})

    assert from_json(reply.body)["groups"] == ["raw.en"]


async def test_at_the_door_a_language_nobody_translates_to_is_refused() -> None:
    client = HubClient(Room(FakeTranslator()).hub())

    with pytest.raises(Rejected, match="en, de, fr, es") as caught:
        await client.connect(query={"id": "jonas", "lang": "tlh"})

    assert caught.value.status == 400


async def test_who_has_no_token_is_nobody_where_negotiate_does_not_believe_the_query() -> None:
    with pytest.raises(Rejected) as caught:
        await HubClient(Room(FakeTranslator()).hub(believes_query=False)).connect(query={"id": "boss"})

    assert caught.value.status == 401


async def test_nobody_is_refused() -> None:
    with pytest.raises(Rejected) as caught:
        await HubClient(Room(FakeTranslator()).hub()).connect(query={"id": " "}, subprotocols=[PUBSUB])

    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("event_name", "data", "code"),
    [
        ("enter", "fr", "malformed"),
        ("enter", {"language": 7}, "malformed"),
        ("enter", {"language": "tlh"}, "unknown-language"),
        ("language", {}, "malformed"),
        ("since", {"number": -1}, "malformed"),
        ("since", {"number": 1, "limit": 51}, "malformed"),
        ("say", {"message": " \n"}, "empty"),
        ("say", {"message": "x" * 4_001}, "too-long"),
        ("say", {"message": "hi", "key": "k" * 65}, "malformed"),
        ("shout", {}, "unknown-event"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_the_reason(event_name: str, data: Message, code: str) -> None:
    room = Room(FakeTranslator())
    mia = Person(room.hub(), "mia")
    await mia.enter("en")

    answer = await mia.ask(event_name, data)

    assert (answer["type"], answer["event"], answer["code"]) == ("error", event_name, code)
    assert answer["message"]
    assert mia.state["language"] == "en"


async def test_who_has_not_entered_says_nothing() -> None:
    room = Room(FakeTranslator())
    mia = Person(room.hub(), "mia")
    await mia.connect(user_id="mia", subprotocols=[PUBSUB])

    answer = await mia.say("hi", key="k1")

    assert (answer["code"], answer["key"]) == ("not-in-room", "k1")
    assert room.publisher.sent == list[Sent]()
