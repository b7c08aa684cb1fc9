"""When a failing backend is left alone, and when it is tried again."""

import pytest

from app.translation.circuit import Circuit


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_it_opens_after_failures_in_a_row(clock: Clock) -> None:
    circuit = Circuit(failures=2, clock=clock)

    circuit.failed()
    circuit.succeeded()
    circuit.failed()
    assert circuit.lets_through()

    circuit.failed()
    assert not circuit.lets_through()


def test_afterwards_one_call_sees_how_it_is(clock: Clock) -> None:
    circuit = Circuit(failures=1, seconds=15, clock=clock)
    circuit.failed()

    clock.now += 15
    assert circuit.lets_through()
    assert not circuit.lets_through()

    circuit.succeeded()
    assert circuit.lets_through()
    assert circuit.lets_through()


def test_a_call_that_never_reports_does_not_close_it_for_ever(clock: Clock) -> None:
    circuit = Circuit(failures=1, seconds=15, clock=clock)
    circuit.failed()
    clock.now += 15
    circuit.lets_through()

    clock.now += 15

    assert circuit.lets_through()


def test_the_first_call_that_fails_again_keeps_it_open(clock: Clock) -> None:
    circuit = Circuit(failures=3, seconds=15, clock=clock)
    for _ in range(3):
        circuit.failed()
    clock.now += 15
    circuit.lets_through()

    circuit.failed()
    clock.now += 14

    assert not circuit.lets_through()


@pytest.mark.parametrize(("asked_for", "pause"), [(5, 5), (0, 0), (-3, 0), (10_000, 120)])
def test_a_backend_that_says_how_long_is_believed_within_reason(clock: Clock, asked_for: float, pause: float) -> None:
    circuit = Circuit(failures=3, max_seconds=120, clock=clock)

    circuit.failed(asked_for)

    clock.now += pause - 0.01
    assert not circuit.lets_through()
    clock.now += 0.01
    assert circuit.lets_through()
