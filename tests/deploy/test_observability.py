"""The board, the alerts and the runbook speak of the metrics there are, and of all of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import Metric
from typer.main import get_command

from app.cli import cli
from app.main import create_app
from app.metrics import Metrics
from tests.app.conftest import settings

ROOT = Path(__file__).parents[2]
BOARD = json.loads((ROOT / "deploy/grafana/upstream.json").read_text())
ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
RUNBOOK = (ROOT / "docs/operations.md").read_text()
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
PANELS: list[dict[str, Any]] = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
FUNCTIONS = {"absent", "histogram_quantile", "max", "min", "rate", "sum"}
LABELS = {"events": "hub kind outcome", "event_duration": "kind le", "sends": "outcome", "send_failures": "status"}


@pytest.fixture(scope="module")
def families() -> dict[str, Metric]:
    metrics: Metrics = create_app(settings()).state.services.metrics
    return {family.name: family for family in metrics.collect()}


def exposed(family: Metric) -> str:
    """The name a person looks for."""
    return f"{family.name}_total" if family.type == "counter" else family.name


def series(family: Metric) -> set[str]:
    """The names Prometheus has."""
    endings = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
    return {family.name + ending for ending in endings}


def expressions() -> Iterator[tuple[str, str]]:
    """Where, and what."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for rule in RULES:
        yield f"alert {rule['alert']}", rule["expr"]


EXPRESSIONS = list(expressions())
by_place = pytest.mark.parametrize(
    "expression", [text for _, text in EXPRESSIONS], ids=[where for where, _ in EXPRESSIONS]
)


def words(expression: str) -> set[str]:
    """What is neither a text, a label to match or to group by, a duration, nor a number."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without)\s*\([^)]*\)", "", bare)
    return set(re.findall(r"[A-Za-z_]\w*", bare))


@by_place
def test_every_query_names_metrics_that_exist(families: dict[str, Metric], expression: str) -> None:
    named = words(expression) - FUNCTIONS

    assert named
    assert named <= set().union(*map(series, families.values()))


@by_place
def test_every_query_is_closed(expression: str) -> None:
    open_ones: list[str] = []
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in "([{":
            open_ones.append(character)
        elif character in ")]}":
            assert open_ones.pop() + character in ("()", "[]", "{}")
    assert open_ones == []


@by_place
def test_counters_are_taken_by_their_rate_and_gauges_as_they_are(families: dict[str, Metric], expression: str) -> None:
    bare = re.sub(r'\{[^}]*\}|"[^"]*"', "", expression)
    for family in families.values():
        for name in series(family) & words(expression):
            is_rate = bool(re.search(rf"rate\(\s*{name}\[", bare))
            assert is_rate == (family.type != "gauge")


@by_place
def test_labels_are_those_of_the_metrics(expression: str) -> None:
    asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
    for grouping in re.findall(r"\bby\s*\(([^)]*)\)", expression):
        asked |= {label.strip() for label in grouping.split(",")}
    own = {
        label for metric, labels in LABELS.items() if f"webpubsub_{metric}_" in expression for label in labels.split()
    }

    assert asked <= {"job", "instance", *own}


def test_every_metric_has_a_panel(families: dict[str, Metric]) -> None:
    shown = set().union(*(words(target["expr"]) for panel in PANELS for target in panel["targets"]))

    assert [name for name, family in families.items() if not shown & series(family)] == []


def test_every_metric_is_explained_with_the_words_of_the_program(families: dict[str, Metric]) -> None:
    rows = re.findall(r"^\| `(webpubsub_\w+)` \| (.+?) \| .+ \|$", RUNBOOK, re.MULTILINE)

    assert sorted(rows) == sorted((exposed(family), family.documentation) for family in families.values())


def test_panels_are_apart_and_each_has_its_number() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    numbers = [panel["id"] for panel in BOARD["panels"]]

    assert len(numbers) == len(set(numbers))


def test_variables_of_the_board_are_defined() -> None:
    used = set(re.findall(r"\$\{?(\w+)", json.dumps([BOARD["panels"], BOARD["templating"]]))) - {"__all"}

    assert used - {"__rate_interval"} == {one["name"] for one in BOARD["templating"]["list"]}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_it_is_and_where_to_read_on(rule: dict[str, Any]) -> None:
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / document).read_text(), re.MULTILINE)

    assert rule["annotations"]["summary"]
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


def test_links_within_the_runbook_lead_somewhere() -> None:
    headings = {one.lower().replace(" ", "-") for one in re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)}

    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= headings


def test_commands_of_the_runbook_are_commands_and_their_options_options() -> None:
    asked = re.findall(r"(?:^ *|`|-- )webpubsub ([a-z][^\n`#|]*)", RUNBOOK, re.MULTILINE)

    assert len(asked) > 5
    for line in asked:
        command: Any = get_command(cli)
        for word in line.split():
            if word.startswith("--"):
                assert word in {option for one in command.params for option in one.opts}, line
            elif hasattr(command, "commands"):
                command = command.commands[word]
        assert not hasattr(command, "commands"), line
