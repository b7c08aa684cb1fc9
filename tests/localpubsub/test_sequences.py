"""What a reliable connection keeps until its client confirms it (spec/service.md 4.1, 8.6)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from localpubsub.protocol.messages import Frame
from localpubsub.protocol.sequences import BufferFull, Sequences


def number(frame: Frame, sequence_id: int) -> Frame:
    return Frame(b"%d:" % sequence_id + frame.data, frame.is_text)


def frame(text: str | bytes) -> Frame:
    return Frame(text.encode() if isinstance(text, str) else text, is_text=True)


def taken(sequences: Sequences, now: float = 0.0) -> list[bytes]:
    return [one.data for one in iter(lambda: sequences.take(now), None)]


def filled(*texts: str) -> Sequences:
    sequences = Sequences(number)
    for text in texts:
        sequences.add(frame(text), 0.0)
    return sequences


def test_ids_start_at_one_and_rise_by_one() -> None:
    assert taken(filled("a", "b", "c")) == [b"1:a", b"2:b", b"3:c"]


def test_a_new_socket_gets_what_was_not_confirmed_in_order_and_the_same_bytes() -> None:
    sequences = filled("a", "b", "c")
    taken(sequences)
    sequences.acknowledge(1)
    sequences.add(frame("d"), 0.0)

    sequences.rewind()

    assert taken(sequences) == [b"2:b", b"3:c", b"4:d"]


@pytest.mark.parametrize(("confirmed", "left"), [(0, 3), (2, 1), (3, 0), (99, 0)])
def test_an_acknowledgement_covers_everything_up_to_it(confirmed: int, left: int) -> None:
    sequences = filled("a", "b", "c")
    taken(sequences)

    sequences.acknowledge(confirmed)
    sequences.acknowledge(1)  # late, and harmless

    assert len(sequences) == min(left, 2)


def test_an_acknowledgement_frees_nothing_that_was_never_sent() -> None:
    sequences = filled("a")

    sequences.acknowledge(10)

    assert taken(sequences) == [b"1:a"]


def test_a_confirmation_during_the_replay_skips_what_it_covers() -> None:
    sequences = filled("a", "b", "c", "d")
    taken(sequences)
    sequences.rewind()
    assert sequences.take(0.0) == frame(b"1:a")

    sequences.acknowledge(3)

    assert taken(sequences) == [b"4:d"]


def test_a_message_past_its_time_gets_no_number() -> None:
    sequences = Sequences(number)
    sequences.add(frame("brief"), 0.0, ttl_seconds=5)
    sequences.add(frame("long"), 0.0, ttl_seconds=20)

    assert taken(sequences, now=5.0) == [b"1:long"]


def test_a_message_with_a_number_is_kept_past_its_time() -> None:
    sequences = Sequences(number)
    sequences.add(frame("brief"), 0.0, ttl_seconds=5)
    taken(sequences, now=1.0)

    sequences.rewind()

    assert taken(sequences, now=100.0) == [b"1:brief"]


def test_a_thousand_unconfirmed_messages_are_the_limit() -> None:
    sequences = filled(*("x" for _ in range(500)))
    taken(sequences)
    for _ in range(500):
        sequences.add(frame("x"), 0.0)

    with pytest.raises(BufferFull):
        sequences.add(frame("x"), 0.0)

    sequences.acknowledge(1)
    sequences.add(frame("x"), 0.0)


def test_sixteen_mebibytes_are_the_limit() -> None:
    sequences = Sequences(lambda one, _: one)
    for _ in range(16):
        sequences.add(frame(b"x" * 1024 * 1024), 0.0)
    taken(sequences)

    with pytest.raises(BufferFull):
        sequences.add(frame("x"), 0.0)

    sequences.acknowledge(1)
    sequences.add(frame("x"), 0.0)


def test_what_is_past_its_time_makes_room() -> None:
    sequences = Sequences(number)
    for _ in range(1000):
        sequences.add(frame("x"), 0.0, ttl_seconds=5)

    sequences.add(frame("y"), 5.0)

    assert taken(sequences, 5.0) == [b"1:y"]


class AnyOrderOfThings(RuleBasedStateMachine):
    """A client that loses sockets, confirms what it likes, and must in the end have seen every message once."""

    def __init__(self) -> None:
        super().__init__()
        self.sequences = Sequences(number)
        self.added: list[bytes] = []
        self.seen: list[bytes] = []  # what the client took as new, as client libraries do: by rising ids
        self.highest = self.confirmed = 0

    @rule()
    def publish(self) -> None:
        text = b"m%d" % len(self.added)
        self.sequences.add(frame(text), 0.0)
        self.added.append(text)

    @rule(count=st.integers(1, 5))
    def receive(self, count: int) -> None:
        for _ in range(count):
            one = self.sequences.take(0.0)
            if one is None:
                return
            sequence_id, _, text = one.data.partition(b":")
            assert int(sequence_id) > self.confirmed
            if int(sequence_id) > self.highest:
                assert int(sequence_id) == self.highest + 1
                self.highest = int(sequence_id)
                self.seen.append(text)

    @precondition(lambda self: self.highest > 0)
    @rule(share=st.floats(0, 1))
    def confirm(self, share: float) -> None:
        sequence_id = round(share * self.highest)
        self.sequences.acknowledge(sequence_id)
        self.confirmed = max(self.confirmed, sequence_id)

    @rule()
    def lose_the_socket(self) -> None:
        self.sequences.rewind()

    @invariant()
    def nothing_is_lost_doubled_or_out_of_order(self) -> None:
        assert self.seen == self.added[: len(self.seen)]
        assert len(self.sequences) == len(self.added) - self.confirmed

    def teardown(self) -> None:
        self.sequences.rewind()
        self.receive(len(self.added) + 1)
        assert self.seen == self.added


TestAnyOrderOfThings = AnyOrderOfThings.TestCase
TestAnyOrderOfThings.settings = settings(max_examples=60, stateful_step_count=40)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300), st.integers(0, 400)), max_size=30))
def test_times_to_live_leave_no_gap_in_the_ids(steps: list[tuple[bool, int, int]]) -> None:
    """`steps`: whether the socket takes what there is, the time to live of the next message, the time."""
    sequences, ids, now = Sequences(number), [], 0.0
    for takes, ttl_seconds, seconds in steps:
        now += seconds
        sequences.add(frame("m"), now, ttl_seconds=ttl_seconds)
        if takes:
            ids += [int(one.partition(b":")[0]) for one in taken(sequences, now + 150)]

    assert ids == list(range(1, len(ids) + 1))
