"""What the process counts, in Prometheus' format.

Counting happens in plain integers on the hot path; the families are put together when somebody asks.
"""

import asyncio
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from time import time

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.fanout.delivery import Delivery
from app.fanout.outbox import Outbox
from app.upstream.followups import Followups
from app.upstream.webhook import Observation

HANDLER_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
LAG_PERIOD_SECONDS = 0.25
LAG_WINDOW_SECONDS = 60.0
"""Longer than the usual scrape interval: no stall falls between two scrapes."""


class Durations:
    """A histogram: `counts` per bucket, the last for everything above."""

    def __init__(self) -> None:
        self.counts = [0] * (len(HANDLER_BUCKETS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(HANDLER_BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        found, sum_so_far = [], 0
        for bound, count in zip((*HANDLER_BUCKETS, float("inf")), self.counts, strict=True):
            sum_so_far += count
            found.append(("+Inf" if bound == float("inf") else str(bound), float(sum_so_far)))
        return found


class EventLoopLag:
    """How late the event loop is: a timer is due four times a second, and the worst of the last minute counts."""

    def __init__(self) -> None:
        self._late: deque[float] = deque(maxlen=int(LAG_WINDOW_SECONDS / LAG_PERIOD_SECONDS))
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        return max(self._late, default=0.0)

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + LAG_PERIOD_SECONDS
        self._timer = loop.call_at(self._due, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._late.append(max(0.0, asyncio.get_running_loop().time() - self._due))
        self.start()


class Metrics:
    """One per application; `observe` is called for every delivery."""

    def __init__(self, followups: Followups, outbox: Outbox | None, delivery: Delivery | None) -> None:
        self._followups = followups
        self._outbox = outbox
        self._delivery = delivery
        self._events: dict[tuple[str, str, str], int] = {}
        self._durations: dict[str, Durations] = {}
        self.lag = EventLoopLag()
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def observe(self, seen: Observation) -> None:
        kind = seen.kind.lower()  # as ce-eventName spells it, which is compared without regard to case
        key = seen.hub, kind, seen.outcome
        self._events[key] = self._events.get(key, 0) + 1
        durations = self._durations.get(kind)
        if durations is None:
            durations = self._durations[kind] = Durations()
        durations.add(seen.seconds)

    def collect(self) -> Iterator[Metric]:
        yield from self._of_events()
        yield GaugeMetricFamily(
            "webpubsub_followups_waiting", "Acknowledged events whose handlers have not finished", len(self._followups)
        )
        yield GaugeMetricFamily(
            "webpubsub_event_loop_lag_seconds",
            "How late the event loop was, the worst of the last minute",
            self.lag.seconds,
        )
        if self._outbox is not None and self._delivery is not None:
            yield from _of_outbox(self._outbox, self._delivery)
            yield from _of_sends(self._delivery)

    def _of_events(self) -> Iterator[Metric]:
        events = CounterMetricFamily(
            "webpubsub_events", "Deliveries by hub, kind and outcome", labels=("hub", "kind", "outcome")
        )
        for labels, count in self._events.items():
            events.add_metric(labels, count)
        yield events
        durations = HistogramMetricFamily(
            "webpubsub_event_duration_seconds", "From a delivery's headers to its answer", labels=("kind",)
        )
        for kind, one in self._durations.items():
            durations.add_metric((kind,), one.cumulative(), one.total)
        yield durations


def _of_outbox(outbox: Outbox, delivery: Delivery) -> Iterator[Metric]:
    oldest = delivery.lanes.oldest()
    age = max(0.0, time() - oldest) if oldest is not None else 0.0
    yield GaugeMetricFamily(
        "webpubsub_outbox_waiting", "Actions neither sent nor given up, in all replicas", outbox.waiting()
    )
    yield GaugeMetricFamily("webpubsub_outbox_bytes", "Of the actions this process holds", delivery.lanes.bytes)
    yield GaugeMetricFamily("webpubsub_outbox_oldest_seconds", "Age of the longest waiting action", age)
    yield GaugeMetricFamily(
        "webpubsub_dead_letters", "Actions that were given up and are kept, in all replicas", outbox.dead_letters()
    )
    yield GaugeMetricFamily("webpubsub_outbox_up", "1 where the store can be written", float(outbox.failure is None))
    yield CounterMetricFamily("webpubsub_outbox_refusals", "Events refused for want of room or store", outbox.refused)


def _of_sends(delivery: Delivery) -> Iterator[Metric]:
    counts = delivery.counts
    sends = CounterMetricFamily("webpubsub_sends", "Actions that are done with, by outcome", labels=("outcome",))
    sends.add_metric(("sent",), counts.sent)
    sends.add_metric(("expired",), counts.expired)
    sends.add_metric(("dead",), counts.dead)
    yield sends
    failures = CounterMetricFamily(
        "webpubsub_send_failures", "Failed attempts by the service's status", labels=("status",)
    )
    for status, count in counts.failures.items():
        failures.add_metric((status,), count)
    yield failures
    yield CounterMetricFamily("webpubsub_send_retries", "Attempts that are made again", counts.retried)
