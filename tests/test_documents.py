"""What the documents show is what runs."""

import re
from pathlib import Path
from typing import Any, cast

import pytest
from typer.main import get_command

from app.cli import cli
from app.models.actions import RemoveConnectionFromGroup
from app.upstream.publisher import Publisher
from app.upstream.registry import build_hub
from app.upstream.testing import HubClient, RecordingPublisher

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown(document: str = "README.md") -> dict[str, Any]:
    """The names its Python blocks define, run one after the other."""
    names: dict[str, Any] = {"__name__": document}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, document, "exec"), names)
    return names


async def test_the_test_of_the_hub_passes() -> None:
    await shown()["test_a_message_reaches_the_lobby"]()


async def test_the_hub_is_built_as_the_server_builds_it_and_lets_people_in() -> None:
    hub = build_hub(shown()["EchoHub"], {Publisher: RecordingPublisher()})
    client = HubClient(hub)

    await client.connect(user_id="mia")

    assert client.user_id == "mia"


async def test_the_hub_of_the_page_about_fan_out_publishes_what_it_says() -> None:
    publisher = RecordingPublisher()
    orders_hub = shown("docs/fanout.md")["OrdersHub"]
    client = HubClient(orders_hub(publisher, publisher), connection_id="till-3")

    await client.connect(query={"id": "mia"})
    await client.send("placed", "two chairs")
    await client.send("leave", "")

    assert [(sent.target, cast("dict[str, str]", sent.value)["text"], sent.ttl_seconds) for sent in publisher.sent] == [
        ("warehouse", "two chairs", 60),
        ("audit", "two chairs", None),
    ]
    assert client.returned == [RemoveConnectionFromGroup(group="warehouse", connection_id="till-3")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_it_points_to_is_there(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))

    assert [one for one in targets if "://" not in one and not (document.parent / one).exists()] == []


def test_the_table_of_the_readme_has_every_command() -> None:
    commands = get_command(cli).commands  # type: ignore[attr-defined]

    assert set(re.findall(r"^\| `webpubsub (\w+)` \|", README, re.MULTILINE)) == set(commands)


def test_every_word_of_make_it_names_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    words = set(re.findall(r"make ([a-z]+)", README)) - {"are"}

    assert {"run", "test", "check", "docs", "bench"} <= words
    assert all(re.search(rf"^{word}:", makefile, re.MULTILINE) for word in words)
