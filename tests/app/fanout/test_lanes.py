"""Who may be sent next."""

from app.fanout.lanes import Lanes
from app.fanout.store import Entry


def entry(number: int, lane: str = "a", action: bytes = b"{}", accepted_at: float = 0) -> Entry:
    return Entry(number, lane, "chat", accepted_at, action)


def take_all(lanes: Lanes) -> list[Entry]:
    taken = []
    while (one := lanes.take()) is not None:
        taken.append(one)
    return taken


def test_what_is_taken_is_what_was_added() -> None:
    lanes, one = Lanes(), Entry(7, "lane", "chat", 12.5, b"action")

    lanes.add([one])
    taken = lanes.take()

    assert taken == one
    assert isinstance(taken, Entry)


def test_of_one_lane_one_entry_may_be_taken_until_it_is_finished() -> None:
    lanes = Lanes()
    first, second, third = (entry(number) for number in (1, 2, 3))
    lanes.add([first, second])
    lanes.add([third])

    order = []
    for _ in range(3):
        taken = take_all(lanes)
        order += taken
        lanes.finish(taken[0])

    assert order == [first, second, third]
    assert take_all(lanes) == []


def test_lanes_do_not_wait_for_each_other() -> None:
    lanes = Lanes()
    lanes.add([entry(1, "a"), entry(2, "a"), entry(3, "b"), entry(4, "c")])

    assert lanes.ready == 3
    assert [one.id for one in take_all(lanes)] == [1, 3, 4]


def test_a_lane_that_was_empty_starts_again() -> None:
    lanes = Lanes()
    lanes.add([entry(1)])
    lanes.finish(take_all(lanes)[0])

    lanes.add([entry(2)])

    assert take_all(lanes) == [entry(2)]


def test_a_resting_entry_holds_its_lane_and_no_other() -> None:
    lanes = Lanes()
    lanes.add([entry(1, "a"), entry(2, "a"), entry(3, "b")])
    first, other = take_all(lanes)

    lanes.rest(first, until=5)
    lanes.finish(other)
    lanes.wake(4.9)
    assert take_all(lanes) == []

    lanes.wake(5)
    assert take_all(lanes) == [first]


def test_rests_end_in_the_order_of_their_time_and_ids_need_not_compare() -> None:
    lanes = Lanes()
    late, early = entry(1, "a"), Entry("0:1-1", "b", "chat", 0, b"{}")
    same = entry(2, "c")
    lanes.add([late, early, same])
    take_all(lanes)

    lanes.rest(late, until=9)
    lanes.rest(early, until=3)
    lanes.rest(same, until=3)

    assert lanes.next_wake == 3
    lanes.wake(3)
    assert take_all(lanes) == [early, same]
    assert lanes.next_wake == 9
    lanes.wake(100)
    assert lanes.next_wake is None


def test_entries_and_bytes_count_until_an_entry_is_finished() -> None:
    lanes = Lanes()
    lanes.add([entry(1, "a", b"12345"), entry(2, "b", b"123")])
    assert (len(lanes), lanes.bytes) == (2, 8)

    first = lanes.take()
    assert first is not None
    assert (len(lanes), lanes.bytes) == (2, 8)
    lanes.rest(first, until=1)
    assert (len(lanes), lanes.bytes) == (2, 8)

    lanes.wake(1)
    for one in take_all(lanes):
        lanes.finish(one)
    assert (len(lanes), lanes.bytes) == (0, 0)


def test_the_oldest_is_the_one_that_was_added_first_of_those_that_wait() -> None:
    lanes = Lanes()
    assert lanes.oldest() is None
    lanes.add([entry(1, "a", accepted_at=10), entry(2, "b", accepted_at=11)])
    assert lanes.oldest() == 10

    first = lanes.take()
    assert first is not None
    assert lanes.oldest() == 10
    lanes.finish(first)

    assert lanes.oldest() == 11
