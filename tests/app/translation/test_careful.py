"""What goes around every backend: marks, fallbacks, limits."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.translation.backend import original
from app.translation.careful import MAX_CHARACTERS, CarefulTranslator
from app.translation.glossary import Glossary
from app.translation.protection import protect
from app.upstream.translation import Note, Translation
from tests.app.translation.backends import Scripted, Write


class Refusing(Scripted):
    """Translates nothing, and says `note`."""

    def __init__(self, note: Note) -> None:
        super().__init__()
        self.note = note

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> dict[str, Translation]:
        self.asked.append((text, source, tuple(to)))
        return {one: original(text, source, self.note) for one in to}


def untranslated(text: str, note: Note, source: str = "en") -> Translation:
    return Translation(text, source, is_translated=False, note=note)


async def test_ids_and_names_go_around_the_backend() -> None:
    backend = Scripted()
    translator = CarefulTranslator([backend])

    found = await translator.translate("Order A-1023 is for Mia", ["de"], source="en", keep=["Mia"])

    assert backend.asked == [("Order ⟦1⟧ is for ⟦0⟧", "en", ("de",))]
    assert found == {"de": Translation("de: Order A-1023 is for Mia", "de", is_translated=True)}


async def test_one_call_for_all_languages_and_none_for_the_texts_own() -> None:
    backend = Scripted()
    translator = CarefulTranslator([backend])

    found = await translator.translate("good", ["de", "en", "fr", "DE", "fr-CA"], source="en-GB")

    assert backend.asked == [("good", "en", ("de", "fr"))]
    assert list(found) == ["de", "en", "fr", "DE", "fr-CA"]
    assert found["en"] == untranslated("good", Note.SAME_LANGUAGE)
    assert found["DE"].text == found["de"].text == "de: good"
    assert found["fr-CA"].language == "fr"


async def test_the_source_is_found_out_where_nobody_says_it() -> None:
    backend = Scripted()

    await CarefulTranslator([backend]).translate("Wo ist meine Bestellung?", ["en"])

    assert backend.asked == [("Wo ist meine Bestellung?", "de", ("en",))]


@pytest.mark.parametrize("text", ["", "  \n", "👍", "A-1023", "12 + 12 = 24", "https://x.example/a", "@mia #4711!"])
async def test_without_a_word_nobody_is_asked(text: str) -> None:
    backend = Scripted()

    found = await CarefulTranslator([backend]).translate(text, ["de"], source="en")

    assert found == {"de": untranslated(text, Note.NOTHING_TO_TRANSLATE)}
    assert backend.asked == []


@pytest.mark.parametrize("text", ["a" * (MAX_CHARACTERS + 1), "a" + "⟦" * (MAX_CHARACTERS - 1)])
async def test_a_text_that_is_too_long_stays_as_it_is(text: str) -> None:
    backend = Scripted()

    found = await CarefulTranslator([backend]).translate(text, ["de"], source="en")

    assert found == {"de": untranslated(text, Note.TEXT_TOO_LONG)}
    assert backend.asked == []


async def test_what_the_first_cannot_do_is_the_nexts() -> None:
    first = Refusing(Note.UNAVAILABLE)

    found = await CarefulTranslator([first, Glossary()]).translate("Thank you, Mia!", ["de"], source="en", keep=["Mia"])

    assert found == {"de": Translation("Danke, Mia!", "de", is_translated=True)}


@pytest.mark.parametrize("note", [Note.TOOK_TOO_LONG, Note.UNAVAILABLE, Note.GARBLED])
async def test_where_nobody_can_the_one_that_failed_says_why(note: Note) -> None:
    failing, glossary = Refusing(note), Glossary()
    for translator in (CarefulTranslator([failing, glossary]), CarefulTranslator([glossary, failing])):
        found = await translator.translate("Purple monkeys dance", ["de"], source="en")

        assert found == {"de": untranslated("Purple monkeys dance", note)}


async def test_that_somebody_else_does_not_have_the_language_is_no_reason() -> None:
    translator = CarefulTranslator([Glossary(), Refusing(Note.UNKNOWN_LANGUAGE)])

    found = await translator.translate("Purple monkeys dance", ["pl"], source="en")

    assert found == {"pl": untranslated("Purple monkeys dance", Note.UNKNOWN_PHRASE)}


class Partly(Scripted):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> dict[str, Translation]:
        return {one: Translation(self.name, one, is_translated=True, note=Note.PARTLY_UNKNOWN) for one in to}


async def test_a_part_is_better_than_nothing_and_the_whole_is_better_than_a_part() -> None:
    down, words, phrases, whole = Refusing(Note.UNAVAILABLE), Partly("words"), Partly("phrases"), Scripted()

    half = await CarefulTranslator([down, words, down]).translate("good", ["de"], source="en")
    later = await CarefulTranslator([phrases, words]).translate("good", ["de"], source="en")
    full = await CarefulTranslator([words, whole]).translate("good", ["de"], source="en")

    assert (half["de"].text, half["de"].note) == ("words", Note.PARTLY_UNKNOWN)
    assert (later["de"].text, later["de"].note) == ("words", Note.PARTLY_UNKNOWN)
    assert (full["de"].text, full["de"].note) == ("de: good", Note.NONE)


async def test_nobody_is_asked_after_the_first_could() -> None:
    second = Scripted()

    await CarefulTranslator([Scripted(), second]).translate("good", ["de"], source="en")

    assert second.asked == []


def test_it_offers_the_languages_of_all() -> None:
    translator = CarefulTranslator([Scripted(languages=("ca", "en")), Glossary()])

    assert set(translator.languages) == {"ca", "en", "de", "fr", "es", "it", "pt", "pl", "zh"}
    assert translator.languages["de"] == "Deutsch"


async def test_it_opens_and_closes_its_backends() -> None:
    backend = Scripted()

    async with CarefulTranslator([backend]).open():
        assert backend.is_open

    assert not backend.is_open


GARBLERS: dict[str, Write] = {
    "as it should": lambda text, to: f"{to} {text}",
    "backwards": lambda text, to: text[::-1],
    "loud": lambda text, to: text.upper().replace("⟦", "[").replace("⟧", "]"),
    "spaced": lambda text, to: text.replace("⟦", "⟦ ").replace("⟧", " ⟧"),
    "numberless": lambda text, to: "".join(one for one in text if not one.isdigit()),
    "half": lambda text, to: text[: len(text) // 2],
    "twice": lambda text, to: text + text,
    "mixed up": lambda text, to: " ".join(reversed(text.split(" "))),
    "off by one": lambda text, to: text.replace("0", "1"),
    "empty": lambda text, to: "",
}
PROTECTED = st.sampled_from(
    ["A-1023", "#4711", "mia@x.example", "https://x.example/?a=1", "@mia", "-5 kg", "`a  b`", "Ana"]
)


@pytest.mark.parametrize("garble", GARBLERS.values(), ids=GARBLERS)
@settings(deadline=None)
@given(parts=st.lists(st.one_of(PROTECTED, st.text(max_size=12)), min_size=1, max_size=10))
async def test_what_is_protected_comes_out_byte_for_byte(garble: Write, parts: list[str]) -> None:
    text = " ".join(["good", *parts])

    found = await CarefulTranslator([Scripted(garble)]).translate(text, ["de"], source="en", keep=["Ana"])

    for kept in protect(text, ["Ana"]).kept:
        assert kept in found["de"].text
    if not found["de"].is_translated:
        assert found["de"].text == text


async def test_a_garbled_translation_is_labelled_and_the_next_one_asked() -> None:
    garbler = Scripted(GARBLERS["numberless"])
    text = "Where is order A-1023?"

    alone = await CarefulTranslator([garbler]).translate(text, ["de"], source="en")
    with_glossary = await CarefulTranslator([garbler, Glossary()]).translate(text, ["de"], source="en")

    assert alone == {"de": untranslated(text, Note.GARBLED)}
    assert with_glossary["de"].text == "Wo ist die Bestellung A-1023?"
