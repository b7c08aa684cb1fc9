"""`webpubsub policy`, and the file that its page shows."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import cli
from app.commands.policy import hub_properties
from app.upstream.policy import Person, Policy, read_policy

PAGE = Path(__file__).parents[3] / "docs" / "policy.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The one of the page."""
    found = re.search(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    (tmp_path / "policy.toml").write_text(found[1])
    return tmp_path / "policy.toml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["policy", *map(str, arguments)])


def test_the_page_shows_a_file_that_does_what_it_says(file: Path) -> None:
    policy = read_policy(file)

    people = policy.rights("sample_chatapp", Person("jonas"))
    assert people.roles[:2] == ("webpubsub.joinLeaveGroups.room.*", "webpubsub.sendToGroup.inbox.jonas")
    assert not policy.rights("other", Person("jonas")).may_connect
    assert policy.rights("other", Person("x", {"department": ["support"]})).may_raise("anything")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--as", "jonas", "--event", "say"], 0, "say is allowed, 5 per 1 s per user (rule people)"),
        (["--as", "jonas", "--event", "shout"], 1, "shout is not allowed"),
        (["--as", "jonas", "--claim", "role=admin", "--event", "shout"], 0, "shout is allowed"),
        (["--as", "jonas", "--hub", "other"], 1, "Stays outside"),
        (["--as", "[red]x"], 0, "[red]x at the hub Sample_ChatApp"),
        ([], 1, "Somebody anonymous at the hub"),
    ],
)
def test_a_decision_is_explained(file: Path, arguments: list[str], code: int, said: str) -> None:
    result = run("test", "--file", file, *arguments)

    assert (result.exit_code, said in result.output) == (code, True), result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--file", "nowhere.toml"], "cannot be read"),
        (["--claim", "admin"], "name=value"),
        ([], "set POLICY"),
    ],
)
def test_what_cannot_be_asked_is_said(file: Path, arguments: list[str], said: str) -> None:
    given = [] if said == "set POLICY" or "--file" in arguments else ["--file", str(file)]

    result = run("test", *given, *arguments)

    assert (result.exit_code, said in result.output) == (2, True), result.output


def test_it_becomes_hub_settings(file: Path) -> None:
    result = run("export", "--host", "https://app.example/", "--file", file)

    settings = json.loads(result.output)["Sample_ChatApp"]
    assert settings["anonymousConnectPolicy"] == "deny"
    assert settings["eventHandlers"] == [
        {
            "urlTemplate": "https://app.example/eventhandler",
            "userEventPattern": "*",
            "systemEvents": ["connect", "connected", "disconnected"],
        }
    ]


def test_only_events_that_somebody_may_raise_are_delivered() -> None:
    rules = [{"name": "a", "events": ["say", "enter"]}, {"name": "b", "hub": "other", "events": ["*"]}]
    policy = Policy.model_validate({"rule": rules})

    assert hub_properties(policy, "chat", "https://a")["eventHandlers"][0]["userEventPattern"] == "say,enter"
    assert hub_properties(policy, "chat", "https://a")["anonymousConnectPolicy"] == "allow"  # `*` is everybody
    signed_in = Policy.model_validate({"rule": [{"name": "a", "who": ["signed-in"]}]})
    assert hub_properties(signed_in, "chat", "https://a", lazy=True)["anonymousConnectPolicy"] == "allow"
