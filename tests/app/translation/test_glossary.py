"""The phrases, and how texts are put together from them."""

import tomllib
from importlib import resources
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.translation.glossary import LANGUAGES, Glossary, Phrases, key, phrases
from app.upstream.translation import Note, Translation

TOPICS: dict[str, list[dict[str, str]]] = tomllib.loads(
    resources.files("app.translation").joinpath("glossary.toml").read_text(encoding="utf-8")
)
PHRASES = [one for topic in TOPICS.values() for one in topic]


def spellings(written: str) -> list[str]:
    return [one.strip() for one in written.split("|")]


async def translated(text: str, source: str | None, to: str) -> Translation:
    return (await Glossary().translate(text, source, [to]))[to]


def test_there_are_two_hundred_phrases_in_every_language() -> None:
    assert len(PHRASES) >= 200
    for one in PHRASES:
        assert tuple(one) == LANGUAGES
        assert all(all(spellings(text)) for text in one.values())


@pytest.mark.parametrize("one", PHRASES, ids=lambda one: one["en"][:30])
def test_all_spellings_of_a_phrase_have_the_same_slots_and_are_a_question_or_not(one: dict[str, str]) -> None:
    found = [text.lstrip("=") for written in one.values() for text in spellings(written)]

    assert len({text.count("{1}") for text in found}) == 1
    assert len({text.endswith(("?", "？")) for text in found}) == 1


@pytest.mark.parametrize("one", PHRASES, ids=lambda one: one["en"][:30])
def test_phrases_are_written_as_their_language_does(one: dict[str, str]) -> None:
    assert all(text.startswith("¿") == text.endswith("?") for text in spellings(one["es"]))
    assert all(" ?" not in text and " :" not in text for text in spellings(one["fr"]))
    assert all("?" not in text and "," not in text and ":" not in text for text in spellings(one["zh"]))
    every = [text for written in one.values() for text in spellings(written)]
    assert all("?" not in text.rstrip("?") and not text.endswith((".", "!", "。")) for text in every)


def test_a_spelling_that_occurs_twice_is_refused() -> None:
    one = {language: f"a {language}" for language in LANGUAGES}

    with pytest.raises(ValueError, match="'À FR' occurs twice in fr"):
        Phrases({"topic": [one, {language: f"b {language}" for language in LANGUAGES} | {"fr": "c | À FR"}]})


@pytest.mark.parametrize(("source", "to"), list(permutations(LANGUAGES, 2)))
async def test_every_phrase_is_found_in_every_language(source: str, to: str) -> None:
    glossary = Glossary()
    for one in PHRASES:
        for text in (spelling.replace("{1}", "⟦0⟧") for spelling in spellings(one[source])):
            if text.startswith("="):
                continue
            found = (await glossary.translate(text, source, [to]))[to]
            assert found.is_translated, text
            assert not found.note, text
            assert key(found.text) == key(spellings(one[to])[0].lstrip("="))
            assert found.text.count("⟦0⟧") == text.count("⟦0⟧")


@pytest.mark.parametrize(
    ("text", "source", "to", "expected"),
    [
        ("Hello!", "en", "de", "Hallo!"),
        ("hello", "en", "de", "hallo"),
        ("HELLO", "en", "de", "Hallo"),
        ("  Thank you \n", "en", "fr", "  Merci \n"),
        ("Gracias!", "es", "en", "Thank you!"),
        ("Thank you!", "en", "es", "¡Gracias!"),
        ("Thank you!", "en", "fr", "Merci\u00a0!"),
        ("Thank you!", "en", "zh", "谢谢！"),
        ("Thank you...", "en", "zh", "谢谢..."),
        ("where are you", "en", "es", "¿dónde está?"),
        ("Where are you?!", "en", "fr", "Où êtes-vous\u00a0?!"),
        ("Done?", "en", "es", "¿Hecho?"),
        ("donde esta mi pedido", "es", "de", "wo ist meine Bestellung?"),
        ("J’attends.", "fr", "en", "I am waiting."),
        ("Bonjour ⟦0⟧ !", "fr", "de", "Hallo ⟦0⟧!"),
        ("Hi ⟦1⟧, where is order ⟦0⟧?", "en", "es", "Hola, ⟦1⟧, ¿dónde está el pedido ⟦0⟧?"),
        ("Yes, please, ⟦0⟧", "en", "it", "Sì, per favore, ⟦0⟧"),
        ("I'll be there in 20 minutes.", "en", "pl", "Będę za 20 min."),
        ("20 pallets", "en", "zh", "20个托盘"),
        ("订单⟦0⟧已到。谢谢！", "zh", "en", "Order ⟦0⟧ has arrived. Thank you!"),
        ("Order ⟦0⟧ has arrived. Thank you!", "en", "zh", "订单⟦0⟧已到。谢谢！"),
        ("Hello 👍\n- see you tomorrow!", "en", "it", "Ciao 👍\n- a domani!"),
        ("(Good morning.)", "en", "pt", "(Bom dia.)"),
        ("ETA: ⟦0⟧", "en", "fr", "Arrivée prévue\u00a0: ⟦0⟧"),
    ],
)
async def test_texts(text: str, source: str, to: str, expected: str) -> None:
    assert await translated(text, source, to) == Translation(expected, to, is_translated=True)


async def test_what_it_does_not_know_stays_and_is_said() -> None:
    known = await translated("Danke. Das weiß keiner. Bis morgen!", "de", "en")
    unknown = await translated("Das weiß keiner. ⟦0⟧", "de", "en")

    assert known == Translation(
        "Thank you. Das weiß keiner. See you tomorrow!", "en", is_translated=True, note=Note.PARTLY_UNKNOWN
    )
    assert unknown == Translation("Das weiß keiner. ⟦0⟧", "de", is_translated=False, note=Note.UNKNOWN_PHRASE)


async def test_half_a_sentence_is_not_translated() -> None:
    assert (await translated("Hello, purple monkey", "en", "de")).note is Note.UNKNOWN_PHRASE
    assert (await translated("Hello, my purple monkey, hello", "en", "de")).note is Note.UNKNOWN_PHRASE


@pytest.mark.parametrize(("source", "to"), [("ja", "en"), ("en", "ja"), (None, "de")])
async def test_languages_it_does_not_have(source: str | None, to: str) -> None:
    text = "purple" if source is None else "hello"

    found = await translated(text, source, to)

    assert found == Translation(text, source or "", is_translated=False, note=Note.UNKNOWN_LANGUAGE)


async def test_a_phrase_says_its_language_where_nobody_else_does() -> None:
    assert (await translated("Danke!", None, "en")).text == "Thank you!"
    assert (await translated("Danke!", None, "de")).note is Note.SAME_LANGUAGE
    assert phrases().languages_of("Danke. Bis morgen!") == ["de"]
    assert phrases().languages_of("No!") == ["en", "es", "it"]
    assert phrases().languages_of("12 👍") == []


@settings(deadline=None)
@given(st.text(max_size=60), st.sampled_from(LANGUAGES), st.sampled_from(LANGUAGES))
async def test_any_text_passes(text: str, source: str, to: str) -> None:
    found = await translated(text, source, to)

    assert found.is_translated or found.text == text


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*(text for one in PHRASES for text in spellings(one["en"])), "xyzzy", "⟦0⟧", "5", "²"])),
    st.sampled_from([". ", "! ", ", ", " ", "\n", "?", " - "]),
    st.sampled_from(LANGUAGES[1:]),
)
async def test_any_mixture_passes(parts: list[str], between: str, to: str) -> None:
    text = between.join(parts)

    found = await translated(text, "en", to)

    assert found.text.count("⟦") == text.count("⟦")
    assert found.text.count("xyzzy") == text.count("xyzzy")
