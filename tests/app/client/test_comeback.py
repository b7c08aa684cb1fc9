"""When a client connects again, and when it gives up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.client.comeback import Again, Comeback
from app.client.endings import Closed, Ending, Refused, Unreachable

CUT = Closed(1006)
AWAY = Unreachable("nobody answered in time")


def worked(*, anew: bool = False, seconds: float = 60) -> Comeback:
    """A connection that has been open for a while, until the time 0."""
    comeback = Comeback(anew=anew)
    comeback.worked(-seconds)
    return comeback


def test_a_lost_connection_is_asked_back_at_once_and_then_every_second_for_half_a_minute() -> None:
    comeback = worked()

    assert comeback.after(CUT, 0, recoverable=True) == Again(0, recover=True)
    tries = [comeback.after(AWAY, float(now), recoverable=True) for now in range(1, 31)]
    assert tries == [Again(1, recover=True)] * 29 + [None]


def test_half_a_minute_counts_anew_after_every_recovery() -> None:
    comeback = worked()
    comeback.after(CUT, 0, recoverable=True)
    comeback.after(AWAY, 25, recoverable=True)
    comeback.worked(26)

    assert comeback.after(CUT, 50, recoverable=True) == Again(0, recover=True)
    assert comeback.after(AWAY, 75, recoverable=True) == Again(1, recover=True)


def test_a_service_that_closes_at_once_is_not_called_back_at_once() -> None:
    assert worked(seconds=0.1).after(CUT, 0, recoverable=True) == Again(1, recover=True)


@pytest.mark.parametrize("ending", [Closed(1000), Closed(1008)])
def test_what_the_service_has_forgotten_is_not_recovered(ending: Ending) -> None:
    assert worked().after(ending, 0, recoverable=True) is None
    assert worked(anew=True).after(ending, 0, recoverable=True) == Again(1, recover=False)


@pytest.mark.parametrize("ending", [CUT, AWAY, Closed(1001), Closed(1011), Closed(4001), Refused(503), Refused(429)])
def test_new_connections_are_made_for_those_who_want_them(ending: Ending) -> None:
    assert worked().after(ending, 0, recoverable=False) is None
    assert worked(anew=True).after(ending, 0, recoverable=False) == Again(1, recover=False)


@pytest.mark.parametrize("ending", [Closed(1002), Closed(1003), Closed(1007), Closed(1009), Refused(401), Refused(404)])
def test_what_would_only_end_the_same_way_is_the_end(ending: Ending) -> None:
    assert worked(anew=True).after(ending, 0, recoverable=False) is None


def test_what_never_worked_is_not_tried_again() -> None:
    assert Comeback(anew=True).after(AWAY, 0, recoverable=False) is None


def test_after_a_recovery_that_failed_for_good_a_new_connection_is_made() -> None:
    comeback = worked(anew=True)
    comeback.after(CUT, 0, recoverable=True)

    assert comeback.after(Closed(1008), 1, recoverable=True) == Again(1, recover=False)


def test_pauses_double_up_to_half_a_minute_and_start_again_after_calm() -> None:
    comeback = worked(anew=True)

    def pause(now: float) -> float:
        again = comeback.after(CUT, now, recoverable=False)
        assert again is not None
        return again.after_seconds

    assert [pause(now) for now in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    comeback.worked(10)
    assert pause(11) == 30
    comeback.worked(20)
    assert pause(40) == 1


endings = st.one_of(
    st.builds(Closed, st.integers(1000, 4999)), st.builds(Refused, st.integers(300, 599)), st.just(AWAY)
)


@given(st.lists(st.tuples(endings, st.floats(0, 40), st.booleans(), st.booleans()), max_size=30), st.booleans())
def test_a_loop_of_it_never_spins(steps: list[tuple[Ending, float, bool, bool]], anew: bool) -> None:
    """Two attempts without a pause between them follow each other only where the connection had worked for long."""
    comeback, now = Comeback(anew=anew), 0.0
    for ending, passed, works, recoverable in steps:
        if works:
            comeback.worked(now)
        now += passed
        again = comeback.after(ending, now, recoverable=recoverable)
        if again is not None:
            assert again.after_seconds >= 1 or passed >= 9
            now += again.after_seconds
