"""Counting in this process."""

from hypothesis import given
from hypothesis import strategies as st

from app.clients.windows import Windows
from app.upstream.policy import Limit

LIMIT = Limit(count=4, seconds=10)


class Clock:
    """A time that is set by hand; 1000 begins a window."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_are_admitted_and_the_rest_waits_for_the_next_window() -> None:
    clock = Clock()
    windows = Windows(clock)

    assert [windows.admit(LIMIT, "mia") for _ in range(5)] == [None, None, None, None, 10.0]
    assert windows.admit(LIMIT, "jonas") is None
    assert windows.admit(Limit(count=4, seconds=20), "mia") is None


def test_what_was_admitted_in_the_window_before_counts_in_proportion() -> None:
    clock = Clock()
    windows = Windows(clock)
    for _ in range(4):
        windows.admit(LIMIT, "mia")

    clock.now = 1015.0
    assert [windows.admit(LIMIT, "mia") for _ in range(3)] == [None, None, 0.001]
    clock.now = 1015.1
    assert windows.admit(LIMIT, "mia") is None
    clock.now = 1040.0
    assert [windows.admit(LIMIT, "mia") for _ in range(4)] == [None] * 4


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc")), max_size=60))
def test_who_waits_as_long_as_is_said_is_admitted_and_nobody_sooner_gets_more(steps: list[tuple[float, str]]) -> None:
    clock = Clock()
    windows = Windows(clock)
    admitted: dict[str, list[float]] = {}
    for pause, key in steps:
        clock.now += pause
        seconds = windows.admit(LIMIT, key)
        if seconds is not None:
            clock.now += seconds + 0.001
            assert windows.admit(LIMIT, key) is None
        times = admitted.setdefault(key, [])
        times.append(clock.now)
        window = clock.now - clock.now % LIMIT.seconds
        assert sum(one >= window for one in times) <= LIMIT.count


def test_keys_without_number_are_not_kept_for_ever() -> None:
    clock = Clock()
    windows = Windows(clock, most_keys=10)

    for number in range(50):
        windows.admit(LIMIT, str(number))
    assert len(windows) == 10

    clock.now = 1100.0
    for _ in range(10):
        windows.admit(LIMIT, "mia")
    assert len(windows) == 1
