"""docs/settings.md says what `Settings` says."""

import re

from app.settings import Settings
from tests.docs.settings_page import PAGE, page

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    """Where it is not: python -m tests.docs.settings_page."""
    assert page(TEXT) == TEXT


def test_every_setting_has_a_row_and_nothing_else_has() -> None:
    named = re.findall(r"^\| `([A-Z_]+)` \|", TEXT, re.MULTILINE)

    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)
