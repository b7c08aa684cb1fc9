"""What waits for a slow client, and when it waits no more."""

from localpubsub.engine.outbound import BYTE_LIMIT, CONTROL_LIMIT, Close, Outbound
from localpubsub.protocol.messages import Frame
from localpubsub.protocol.sequences import Sequences

FRAME = Frame(b"x", is_text=True)


def outbound(clock: list[float] | None = None) -> Outbound:
    return Outbound(lambda: None, (lambda: clock[0]) if clock else (lambda: 0.0))


def test_frames_leave_in_the_order_they_came() -> None:
    queue = outbound()
    for number in range(3):
        queue.put(Frame(b"%d" % number, is_text=True))

    assert [frame.data for frame in iter(queue.take, None)] == [b"0", b"1", b"2"]


def test_a_message_past_its_time_is_dropped_and_others_are_not() -> None:
    clock = [0.0]
    queue = outbound(clock)
    queue.put(Frame(b"short", is_text=True), ttl_seconds=5)
    queue.put(Frame(b"long", is_text=True), ttl_seconds=20)
    queue.put(Frame(b"for ever", is_text=True))

    clock[0] = 10.0

    assert [frame.data for frame in iter(queue.take, None)] == [b"long", b"for ever"]


def test_a_thousand_messages_may_wait_and_one_more_cuts_the_client_off() -> None:
    queue = outbound()
    for _ in range(1000):
        queue.put(FRAME)
    assert queue.closing is None

    queue.put(FRAME)

    assert queue.closing is not None
    assert queue.closing.code == 1008
    assert queue.take() is None


def test_sixteen_mebibytes_may_wait() -> None:
    queue = outbound()
    mebibyte = Frame(b"x" * 1024 * 1024, is_text=True)
    for _ in range(16):
        queue.put(mebibyte)
    assert queue.closing is None

    queue.put(FRAME)

    assert queue.closing is not None


def test_control_frames_are_not_counted_among_the_messages() -> None:
    queue = outbound()
    for _ in range(1000):
        queue.put(FRAME)

    queue.put_control(FRAME)

    assert queue.closing is None
    assert sum(1 for _ in iter(queue.take, None)) == 1001


def test_a_client_that_reads_none_of_its_acks_is_cut_off_too() -> None:
    queue = outbound()
    for _ in range(CONTROL_LIMIT):
        queue.put_control(FRAME)
    assert queue.take() == FRAME
    queue.put_control(FRAME)
    assert queue.closing is None

    queue.put_control(FRAME)

    assert queue.closing == Close(1008, "The client reads too slowly.")
    assert queue.take() is None


def test_answers_that_are_not_read_may_be_sixteen_mebibytes_and_the_last_one_whole() -> None:
    queue = outbound()
    answer = Frame(b"x" * (BYTE_LIMIT - 1), is_text=True)
    for _ in range(2):
        queue.put_control(answer)
    assert queue.closing is None

    queue.put_control(FRAME)

    assert queue.closing == Close(1008, "The client reads too slowly.")


def test_bytes_that_are_counted_elsewhere_are_no_part_of_it_whether_they_wait_or_were_taken() -> None:
    queue = outbound()
    answer = Frame(b"x" * (BYTE_LIMIT + 1), is_text=True)
    for _ in range(2):
        queue.put_control(answer, counted=False)
    queue.put_control(FRAME)
    assert [queue.take(), queue.take()] == [answer, answer]
    queue.put_control(answer)
    queue.put_control(FRAME, counted=False)
    assert queue.closing is None

    queue.put_control(FRAME)

    assert queue.closing == Close(1008, "The client reads too slowly.")


def test_the_first_close_counts_and_nothing_is_added_behind_it() -> None:
    queue = outbound()
    queue.put(FRAME)
    queue.close(Close(1000))
    queue.close(Close(1011, "late"))
    queue.put(FRAME)
    queue.put_control(FRAME)

    assert queue.closing == Close(1000)
    assert [queue.take(), queue.take()] == [FRAME, None]


def test_the_writer_is_woken_when_there_is_something_to_do_and_not_again_before_it_took_it() -> None:
    woken: list[str] = []
    queue = Outbound(lambda: woken.append("woken"))

    queue.put(FRAME)
    queue.put_control(FRAME)
    assert len(woken) == 1
    while queue.take():
        pass
    queue.put_control(None)
    queue.put_control(FRAME)
    assert len(woken) == 2
    queue.close(Close(1000))
    assert len(woken) == 3


def number(frame: Frame, sequence_id: int) -> Frame:
    return Frame(b"%d:" % sequence_id + frame.data, frame.is_text)


def test_numbered_messages_keep_their_place_among_the_rest() -> None:
    queue = outbound()
    queue.put_control(FRAME)
    queue.draw_on(Sequences(number))
    queue.put(Frame(b"a", is_text=True))
    queue.put_control(FRAME)
    queue.put(Frame(b"b", is_text=True))

    assert [frame.data for frame in iter(queue.take, None)] == [b"x", b"1:a", b"x", b"2:b"]


def test_a_new_queue_begins_with_what_was_not_confirmed() -> None:
    sequences = Sequences(number)
    first, second = outbound(), outbound()
    first.draw_on(sequences)
    for text in (b"a", b"b"):
        first.put(Frame(text, is_text=True))
    assert first.take() == Frame(b"1:a", is_text=True)
    sequences.acknowledge(1)

    second.put_control(FRAME)
    second.draw_on(sequences)
    second.put(Frame(b"c", is_text=True))

    assert [frame.data for frame in iter(second.take, None)] == [b"x", b"2:b", b"3:c"]


def test_what_expires_before_a_client_is_back_gets_no_number() -> None:
    clock = [0.0]
    sequences = Sequences(number)
    away, back = outbound(clock), outbound(clock)
    away.draw_on(sequences)
    away.put(Frame(b"brief", is_text=True), ttl_seconds=5)
    away.put(Frame(b"long", is_text=True), ttl_seconds=20)

    clock[0] = 10.0
    back.draw_on(sequences)

    assert [frame.data for frame in iter(back.take, None)] == [b"1:long"]


def test_too_many_unconfirmed_messages_close_it() -> None:
    queue = outbound()
    queue.draw_on(Sequences(number))
    for _ in range(1000):
        queue.put(FRAME)
        queue.take()
    assert queue.closing is None

    queue.put(FRAME)

    assert queue.closing == Close(1008, "The reliable message buffer is full.")


def test_an_abandoned_queue_writes_nothing_more() -> None:
    queue = outbound()
    queue.put(FRAME)

    queue.abandon()
    queue.put_control(FRAME)

    assert queue.abandoned
    assert queue.take() is None
