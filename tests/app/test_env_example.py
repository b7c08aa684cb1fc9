"""`.env.example` says what `Settings` says."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.settings import Settings

EXAMPLE = Path(__file__).resolve().parents[2] / ".env.example"


def _entries() -> dict[str, tuple[str, bool]]:
    """Value by name, and whether the line is active."""
    found = re.findall(r"^(# )?([A-Z_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (value, not comment) for comment, name, value in found}


def test_every_setting_is_there_and_nothing_else() -> None:
    assert set(_entries()) == {name.upper() for name in Settings.model_fields}


def test_only_the_connection_string_is_set() -> None:
    assert [name for name, (_, active) in _entries().items() if active] == ["WEBPUBSUB_CONNECTION_STRING"]


@pytest.mark.parametrize(("name", "field"), list(Settings.model_fields.items()))
def test_what_is_commented_out_is_the_default(name: str, field: FieldInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    value, active = _entries()[name.upper()]
    if active:
        return
    monkeypatch.setenv(name.upper(), value)

    assert getattr(Settings(_env_file=None), name) == field.default


@pytest.mark.parametrize("field", Settings.model_fields.values(), ids=Settings.model_fields)
def test_every_setting_is_described_in_the_same_words(field: FieldInfo) -> None:
    assert f"# {field.description}." in EXAMPLE.read_text(encoding="utf-8")


def test_the_example_is_a_configuration_that_works() -> None:
    settings = Settings(_env_file=EXAMPLE)

    assert settings.service_url == "http://localhost:8081"
    assert settings.can_verify_events
