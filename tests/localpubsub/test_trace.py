"""Records and their causes, without a network."""

import asyncio
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import pytest

from localpubsub.config import EventHandler
from localpubsub.engine.records import CallContent, Record
from localpubsub.engine.suspects import LIMIT
from localpubsub.engine.trace import BYTE_LIMIT, RECORD_LIMIT, Trace
from localpubsub.engine.upstream import UpstreamEvent
from localpubsub.protocol.messages import DataType, Frame, Message, Payload

HANDLER = EventHandler("http://h", (), "*")
HEADERS = {"Content-Type": "text/plain", "Authorization": "Bearer s3cr3t", "ce-signature": "sha256=s3cr3t"}


@dataclass(eq=False)
class Client:
    id: str = "c-1"
    hub: str = "den"
    user_id: str | None = "ivy"
    subprotocol: str | None = None
    groups: set[str] = field(default_factory=set)


class Watch:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def trace(watch: Watch) -> Trace:
    one = Trace(watch, watch)
    one.look()
    return one


def frame(trace: Trace, text: str = "hi", client: Client | None = None) -> Record:
    trace.frame(client or Client(), text, Frame(text.encode(), is_text=True))
    return trace.records[-1]


def event(trace: Trace, hub: str = "den", body: bytes = b"") -> Record:
    return trace.event(HANDLER, UpstreamEvent(hub, "c-1", "user", "roll", 1, body, "text/plain"), "http://h", HEADERS)


def call(trace: Trace, traceparent: str = "", hub: str = "den") -> Record:
    """In a context of its own, as every request has one."""
    content = CallContent("POST", f"/api/hubs/{hub}/:send", ":send", ())
    return copy_context().run(trace.call, hub, None, None, content, traceparent)


def deliver(trace: Trace, *receivers: Client) -> Record:
    trace.delivery("den", Message(Payload(DataType.TEXT, b"hi")), receivers)
    return trace.records[-1]


def test_nothing_is_on_until_somebody_looks() -> None:
    trace = Trace()
    assert trace.on is False

    trace.look()
    trace.look()
    trace.look_away()
    assert trace.on is True

    trace.look_away()
    assert trace.on is False


def test_what_was_seen_is_still_there_for_the_next_who_looks(trace: Trace) -> None:
    one = frame(trace)

    trace.look_away()
    trace.look()

    assert trace.records == (one,)
    assert trace.take_changed() == ()


def test_the_last_records_are_kept(trace: Trace) -> None:
    for _ in range(RECORD_LIMIT + 3):
        frame(trace)

    assert [one.id for one in trace.records] == list(range(4, RECORD_LIMIT + 4))
    assert len(trace.take_changed()) == RECORD_LIMIT


def test_large_ones_push_out_more_of_them(trace: Trace) -> None:
    for _ in range(RECORD_LIMIT):
        frame(trace, "x" * 70_000)
    kept = sum(one.size for one in trace.records)

    assert BYTE_LIMIT - 70_000 < kept <= BYTE_LIMIT
    assert kept == sum(one.content.size for one in trace.records)
    assert len(trace.take_changed()) == len(trace.records)


def test_a_large_answer_counts_too(trace: Trace) -> None:
    asked = [event(trace) for _ in range(RECORD_LIMIT)]
    for one in asked:
        trace.answered(one, 200, (), b"x" * 70_000)

    assert sum(one.content.size for one in trace.records) <= BYTE_LIMIT
    assert trace.records[-1] is asked[-1]


def test_an_answer_to_what_was_pushed_out_is_told_all_the_same(trace: Trace) -> None:
    asked = event(trace)
    for _ in range(RECORD_LIMIT):
        frame(trace)
    trace.take_changed()

    trace.failed(asked, "late")

    assert trace.take_changed() == (asked,)
    assert len(trace.records) == RECORD_LIMIT


def test_a_change_is_told_once(trace: Trace, watch: Watch) -> None:
    asked = event(trace)
    assert trace.take_changed() == (asked,)
    assert trace.take_changed() == ()

    watch.now += 0.25
    trace.answered(asked, 204, (), b"")

    assert trace.take_changed() == (asked,)
    assert (asked.status, asked.took_ms, asked.at) == (204, 250.0, 1_000_000)


def test_counts_are_taken(trace: Trace) -> None:
    frame(trace)
    event(trace)
    call(trace)
    deliver(trace, Client(), Client())

    assert trace.take_counts() == {"frames": 1, "events": 1, "calls": 1, "deliveries": 2}
    assert trace.take_counts() == {}


def test_each_step_follows_from_the_one_before(trace: Trace) -> None:
    first = frame(trace)
    asked = event(trace)
    sent = deliver(trace, Client("c-9", user_id="max"))
    second = frame(trace)

    assert (first.cause, asked.cause, sent.cause, second.cause) == (None, first.id, asked.id, None)
    assert (sent.connection_id, sent.user_id) == ("c-9", "max")


async def test_tasks_that_are_started_belong_to_the_step_that_started_them(trace: Trace) -> None:
    async def later() -> Record:
        return deliver(trace)

    first = frame(trace)
    task = asyncio.create_task(later())
    frame(trace)

    assert (await task).cause == first.id


def test_a_delivery_to_several_is_nobodys_own(trace: Trace) -> None:
    sent = deliver(trace, Client("a"), Client("b"))

    assert (sent.connection_id, sent.user_id) == (None, None)


def test_an_ack_belongs_to_the_frame_also_after_its_event(trace: Trace) -> None:
    first = frame(trace)
    event(trace)

    trace.acked(7, ("Forbidden", "no"))

    detail = first.content.detail(str)
    assert detail["ack"] == {"id": 7, "success": False, "error": {"name": "Forbidden", "message": "no"}}


def test_a_call_that_brings_the_trace_back_is_known(trace: Trace) -> None:
    asked, _ = event(trace), event(trace)
    parent = trace.traceparent(asked)

    made = call(trace, f"{parent[:36]}{'a' * 16}-00")

    assert (made.cause, made.exact) == (asked.id, True)
    assert len(parent) == 55


@pytest.mark.parametrize(
    "other", ["", "x", "00-{prefix}{future:016x}-aaaaaaaaaaaaaaaa-01", "00-{prefix}{zero:016x}-a-01"]
)
def test_a_call_with_another_trace_is_not(trace: Trace, other: str) -> None:
    event(trace), event(trace)

    made = call(trace, other.format(prefix=trace._trace_prefix, future=10**9, zero=0))

    assert (made.cause, made.exact) == (None, True)


def test_two_services_do_not_take_each_others_traces(trace: Trace) -> None:
    other = Trace()
    other.look()
    parent = other.traceparent(event(other))

    assert call(trace, parent).cause is None


def test_two_services_in_one_process_do_not_mix_their_causes(trace: Trace) -> None:
    other = Trace()
    other.look()
    frame(other)

    assert frame(trace).id == 1
    assert deliver(other).cause is None


def test_the_only_event_in_progress_is_the_probable_cause(trace: Trace, watch: Watch) -> None:
    asked = event(trace)
    watch.now += 100

    made = call(trace)

    assert (made.cause, made.exact) == (asked.id, False)


def test_one_that_has_ended_is_for_a_second(trace: Trace, watch: Watch) -> None:
    asked = event(trace)
    trace.answered(asked, 204, (), b"")

    watch.now += 1.0
    assert call(trace).cause == asked.id
    watch.now += 0.01
    assert call(trace).cause is None


def test_two_events_make_no_cause_and_one_of_another_hub_does_not_count(trace: Trace, watch: Watch) -> None:
    asked, other = event(trace), event(trace, "Other")
    assert call(trace).cause == asked.id

    second = event(trace)
    assert call(trace).cause is None
    assert call(trace, hub="Other").cause == other.id

    trace.failed(asked, "no")
    watch.now += 2
    assert call(trace).cause == second.id


def test_events_that_never_end_do_not_pile_up(trace: Trace) -> None:
    for _ in range(LIMIT + 10):
        event(trace)

    assert len(trace._suspects._ends["den"]) == LIMIT


def test_what_a_task_remembers_from_an_earlier_look_is_no_cause(trace: Trace) -> None:
    frame(trace)
    trace.look_away()
    trace.look()

    assert deliver(trace).cause is None
    trace.acked(1, None)  # of a frame nobody saw


def test_an_end_follows_from_what_ended_it(trace: Trace) -> None:
    client, other = Client(), Client("c-2")
    first = frame(trace)
    trace.ending(client)
    frame(trace)
    trace.closed(client, {"reason": "enough"})
    ended = trace.records[-1]
    trace.closed(other, {"reason": None})
    alone = trace.records[-1]

    assert (ended.cause, alone.cause) == (first.id, None)
    assert (ended.content.summary, alone.content.summary) == ("enough", "disconnected")


def test_the_end_of_what_began_is_not_kept_when_nobody_looks_any_more(trace: Trace) -> None:
    asked = event(trace)
    trace.look_away()

    trace.answered(asked, 200, (), b"")
    trace.look()

    assert trace.take_changed() == ()
    assert asked.status == 200


def test_headers_with_secrets_are_not_even_kept(trace: Trace) -> None:
    asked = event(trace)
    trace.answered(asked, 200, [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Authorization", "s3cr3t")], b"")
    detail: dict[str, Any] = asked.content.detail(str)

    assert detail["headers"] == {"Content-Type": "text/plain", "Authorization": "***", "ce-signature": "***"}
    assert detail["answer"]["headers"] == {"Set-Cookie": ["a=1", "b=2"], "Authorization": "***"}
