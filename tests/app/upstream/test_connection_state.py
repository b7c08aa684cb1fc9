"""The state that travels in a header."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.upstream.connection_state import ConnectionState
from app.upstream.errors import HandlerError, StateTooLarge

json_objects = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=5,
)


def decoded(header: str | None) -> object:
    assert header is not None
    return json.loads(base64.b64decode(header, validate=True))


def encoded(values: object) -> str:
    return base64.b64encode(json.dumps(values).encode()).decode()


@given(json_objects)
def test_what_is_stored_comes_back(values: dict[str, object]) -> None:
    first = ConnectionState()
    first.update(values)  # type: ignore[arg-type]  # JSON values by construction

    header = first.header()
    again = ConnectionState.from_header(header or "")

    assert dict(again) == values
    assert (header is None) is (not values)


@given(st.text() | st.binary().map(lambda data: base64.b64encode(data).decode()))
def test_a_header_of_any_kind_is_read_without_complaint(header: str) -> None:
    state = ConnectionState.from_header(header)

    assert state.header() is None
    assert state.raw == (header or None)


def test_the_header_is_plain_base64_json_in_ascii() -> None:
    state = ConnectionState.from_header("eyJyb29tIjoibG9iYnkiLCJuIjozfQ==")
    state["jméno"] = "東"

    header = state.header()

    assert header is not None
    assert header.isascii()
    assert decoded(header) == {"room": "lobby", "n": 3, "jméno": "東"}


def test_only_a_change_is_sent() -> None:
    state = ConnectionState.from_header("eyJuIjoxfQ==")
    assert state["n"] == 1
    assert "m" not in state
    assert state.header() is None

    state["n"] = 1

    assert decoded(state.header()) == {"n": 1}


@pytest.mark.parametrize("make", [ConnectionState, lambda values: ConnectionState.from_header(encoded(values))])
def test_a_change_deep_inside_is_a_change(make: Callable[[Any], Any]) -> None:
    state = make({"seat": {"row": 1}, "tags": ["a"]})
    assert state.header() is None

    state["seat"]["row"] = 2
    state["tags"].append("b")

    assert decoded(state.header()) == {"seat": {"row": 2}, "tags": ["a", "b"]}


def test_clearing_is_an_empty_object_and_setting_afterwards_starts_anew() -> None:
    state = ConnectionState.from_header("eyJuIjoxfQ==")
    state.clear()
    assert state.header() == "e30="

    state["m"] = 2

    assert decoded(state.header()) == {"m": 2}


def test_deleting_the_last_key_clears() -> None:
    state = ConnectionState.from_header("eyJuIjoxfQ==")

    del state["n"]

    assert state.header() == "e30="


def test_what_another_library_wrote_is_readable() -> None:
    state = ConnectionState.from_header("eyJyb29tIjoiSW14dlltSjVJZz09IiwibiI6Ik13PT0ifQ==")

    assert dict(state) == {"room": "ImxvYmJ5Ig==", "n": "Mw=="}


def test_a_state_that_fits_no_header_is_refused() -> None:
    state = ConnectionState()
    state["big"] = "x" * 8192

    with pytest.raises(StateTooLarge, match="8192"):
        state.header()


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": float("-inf")}, object(), b"\xff"])
def test_a_state_that_is_not_json_is_the_handlers_error(value: Any) -> None:
    state = ConnectionState()
    state["a"] = value

    with pytest.raises(HandlerError, match="not JSON"):
        state.header()


def test_words_that_look_like_numbers_json_has_not_are_text() -> None:
    state = ConnectionState()
    state["a"] = "NaN and Infinity"

    assert decoded(state.header()) == {"a": "NaN and Infinity"}


class Seat(BaseModel):
    row: int
    name: str = "window"


def test_a_model_may_be_written_and_read() -> None:
    state = ConnectionState({"other": True})
    state.write(Seat(row=7))

    assert state.read(Seat) == Seat(row=7, name="window")
    assert decoded(state.header()) == {"other": True, "row": 7, "name": "window"}
    with pytest.raises(ValidationError):
        ConnectionState().read(Seat)


def test_values_stay_out_of_logs() -> None:
    assert repr(ConnectionState({"token": "s3cr3t"})) == "ConnectionState(['token'])"


def test_a_one_that_becomes_true_is_a_change() -> None:
    state = ConnectionState({"a": {"n": 1}})
    nested = state["a"]
    assert isinstance(nested, dict)

    nested["n"] = True

    assert state.header() is not None
