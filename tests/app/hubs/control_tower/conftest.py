"""A control tower with one replica."""

import pytest

from tests.app.hubs.control_tower.stage import Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()
