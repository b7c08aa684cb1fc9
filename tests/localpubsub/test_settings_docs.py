"""The tables of docs/localpubsub.md, loaded as they stand."""

import re
from pathlib import Path

import pytest

from localpubsub.config import ServiceConfig
from localpubsub.config_file import load_config
from localpubsub.engine.chaos_rules import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "localpubsub.md"
TABLES = re.findall(r"(?ms)^```toml\n(.*?)^```", PAGE.read_text(encoding="utf-8"))


def load(folder: Path, text: str) -> ServiceConfig:
    path = folder / "localpubsub.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ={"HANDLER_TOKEN": "t0ken"})


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_the_page_is_understood(tmp_path: Path, table: str) -> None:
    assert isinstance(load(tmp_path, table), ServiceConfig)


def test_the_first_table_holds_the_defaults(tmp_path: Path) -> None:
    config, defaults = load(tmp_path, TABLES[0]), ServiceConfig()

    config.hubs = {}

    assert config == defaults


def test_every_kind_of_fault_is_on_the_page(tmp_path: Path) -> None:
    config = load(tmp_path, TABLES[-1])

    assert {rule.kind for rule in config.chaos.rules} == set(KINDS)
