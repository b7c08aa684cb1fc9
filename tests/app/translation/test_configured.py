"""What the settings make of it, and that a hub gets it."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.main import create_app
from app.settings import Settings
from app.translation.apertium import Apertium
from app.translation.backend import Unavailable
from app.translation.careful import CarefulTranslator
from app.translation.configured import translator_for
from app.upstream.hub import Hub
from app.upstream.testing import FakeTranslator, RecordingPublisher
from app.upstream.translation import Note, Translation, Translator
from tests.app.conftest import settings
from tests.app.translation.backends import Scripted


class PolyglotHub(Hub):
    name = "polyglot"

    def __init__(self, translator: Translator) -> None:
        self.translator = translator


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, ["glossary"]),
        ({"translator": "Apertium"}, ["glossary", "apertium"]),
        ({"translator": "azure", "translator_key": "k"}, ["azure", "glossary"]),
        ({"translator": "azure", "translator_key": "k", "translator_region": "westeurope"}, ["azure", "glossary"]),
    ],
)
def test_the_glossary_is_always_there(changes: dict[str, Any], names: list[str]) -> None:
    translator = translator_for(settings(**changes))

    assert [one.name for one in translator._backends] == names
    assert {"en", "de", "zh"} <= set(translator.languages)


async def test_with_entra_nothing_is_asked_for_before_the_first_text() -> None:
    translator = translator_for(settings(translator="azure", translator_endpoint="https://contoso.example/"))

    async with translator.open():
        found = await translator.translate("👍", ["de"], source="en")

    assert found["de"].note is Note.NOTHING_TO_TRANSLATE


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"translator": "babelfish"}, "'glossary', 'apertium' or 'azure'"),
        ({"translator": "azure"}, "TRANSLATOR_KEY"),
        ({"translator": "azure", "translator_region": "westeurope"}, "TRANSLATOR_KEY"),
        ({"translator": "azure", "translator_endpoint": "contoso", "translator_key": "s3cr3t"}, "must start with"),
        ({"translator_timeout_seconds": 0}, "greater than 0"),
        ({"translator_timeout_seconds": 31}, "less than or equal"),
    ],
)
def test_half_a_configuration_does_not_start(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint) as caught:
        Settings(_env_file=None, **changes)

    assert "s3cr3t" not in str(caught.value)


async def test_a_hub_gets_it_open() -> None:
    app = create_app(
        settings(hubs=("tests.app.translation.test_configured:PolyglotHub",)),
        publisher_for=lambda _: RecordingPublisher(),
    )
    (hub,) = app.state.services.hubs
    assert isinstance(hub, PolyglotHub)

    async with app.state.services.open():
        found = await hub.translator.translate("Where is order A-1023?", ["de"], source="en")

    assert found["de"].text == "Wo ist die Bestellung A-1023?"


async def test_without_the_program_it_says_so_and_does_not_start(tmp_path: Path) -> None:
    app = create_app(settings(), publisher_for=lambda _: RecordingPublisher())
    app.state.services.translator = CarefulTranslator([Apertium(str(tmp_path / "apertium"))])

    with pytest.raises(Unavailable):
        async with app.state.services.open():
            pass

    assert "install apertium" in app.state.services.start_failure


TRANSLATORS: dict[str, Translator] = {
    "fake": FakeTranslator(),
    "real": CarefulTranslator([Scripted(lambda text, to: f"[{to}] {text}")]),
}


@pytest.mark.parametrize("translator", TRANSLATORS.values(), ids=TRANSLATORS)
async def test_the_fake_for_hubs_does_what_the_real_one_does(translator: Translator) -> None:
    found = await translator.translate("good", ["de", "en"], source="en")

    assert found == {
        "de": Translation("[de] good", "de", is_translated=True),
        "en": Translation("good", "en", is_translated=False, note=Note.SAME_LANGUAGE),
    }
    assert {"en", "de"} <= set(translator.languages)
    assert await translator.detect("hm", likely="fr") == "fr"
