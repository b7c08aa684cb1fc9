"""The token a reliable client comes back with (spec/service.md 4.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.protocol import reconnection

KEYS = ("primary-key", "secondary-key")
WEEK = 7 * 24 * 3600


@pytest.mark.parametrize("key", KEYS)
def test_a_token_is_good_for_its_connection_for_a_week(key: str) -> None:
    token = reconnection.issue(key, "c1", now=1000.0)

    assert reconnection.is_valid(KEYS, token, "c1", now=1000.0 + WEEK - 1)
    assert not reconnection.is_valid(KEYS, token, "c1", now=1000.0 + WEEK)
    assert not reconnection.is_valid(KEYS, token, "c2", now=1000.0)
    assert not reconnection.is_valid(("another-key",), token, "c1", now=1000.0)


def test_its_time_cannot_be_changed() -> None:
    expires_at, _, signature = reconnection.issue(KEYS[0], "c1", now=0.0).partition(".")

    assert not reconnection.is_valid(KEYS, f"{int(expires_at) + 1}.{signature}", "c1", now=0.0)


@given(st.text(), st.text())
def test_nothing_made_up_is_valid(token: str, connection_id: str) -> None:
    assert not reconnection.is_valid(KEYS, token, connection_id, now=0.0)
