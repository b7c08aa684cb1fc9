"""The page about translation shows what runs, and has every reason people may read."""

from pathlib import Path

from app.translation.careful import CarefulTranslator
from app.translation.glossary import Glossary
from app.upstream.testing import HubClient, RecordingPublisher
from app.upstream.translation import Note
from tests.test_documents import ROOT, shown

PAGE = Path("docs/translation.md")


async def test_its_hub_does_what_it_says() -> None:
    publisher = RecordingPublisher()
    client = HubClient(shown(str(PAGE))["DeskHub"](publisher, CarefulTranslator([Glossary()])))

    await client.connect(user_id="mia")
    await client.send("ask", "Hi Ana, where is order A-1023?")

    assert [(sent.target, sent.value) for sent in publisher.sent] == [
        ("de", {"text": "Hallo Ana, wo ist die Bestellung A-1023?", "note": ""}),
        ("es", {"text": "Hola, Ana, ¿dónde está el pedido A-1023?", "note": ""}),
    ]


def test_it_has_every_note() -> None:
    page = (ROOT / PAGE).read_text(encoding="utf-8")

    assert all(f"`{note}`" in page for note in Note if note)
