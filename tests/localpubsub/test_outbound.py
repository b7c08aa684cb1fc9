"""What waits for a slow client, and when it waits no more."""

from localpubsub.engine.outbound import Close, Outbound
from localpubsub.protocol.messages import Frame

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


def test_control_frames_are_not_counted() -> None:
    queue = outbound()
    for _ in range(1000):
        queue.put(FRAME)

    queue.put_control(FRAME)

    assert queue.closing is None
    assert sum(1 for _ in iter(queue.take, None)) == 1001


def test_the_first_close_counts_and_nothing_is_added_behind_it() -> None:
    queue = outbound()
    queue.put(FRAME)
    queue.close(Close(1000))
    queue.close(Close(1011, "late"))
    queue.put(FRAME)
    queue.put_control(FRAME)

    assert queue.closing == Close(1000)
    assert [queue.take(), queue.take()] == [FRAME, None]


def test_the_writer_is_woken_for_every_reason() -> None:
    woken: list[str] = []
    queue = Outbound(lambda: woken.append("woken"))

    queue.put(FRAME)
    queue.put_control(FRAME)
    queue.put_control(None)
    queue.close(Close(1000))

    assert len(woken) == 3
