"""docs/events.md shows what goes over the wire."""

import re

from tests.docs.exchanges import BLOCK, PAGE, page, record

EVENTS = ("connect", "connected", "disconnected", "text", "json", "binary", "protobuf", "joined", "left", "validation")


async def test_the_page_shows_what_is_sent_and_answered() -> None:
    """Where it does not: python -m tests.docs.exchanges."""
    text = PAGE.read_text(encoding="utf-8")

    shown = await record()

    assert page(text, shown) == text
    assert {found[1] for found in BLOCK.finditer(text)} == set(shown)


def test_every_kind_of_event_is_there() -> None:
    text = PAGE.read_text(encoding="utf-8")

    assert {found[1] for found in BLOCK.finditer(text)} >= {*EVENTS, "mqtt-connect", "mqtt-event", "mqtt-disconnected"}
    assert len(set(re.findall(r"^ce-type: (\S+)$", text, re.MULTILINE))) >= 10
