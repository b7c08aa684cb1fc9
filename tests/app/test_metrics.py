"""What an operator sees at /metrics after real deliveries."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_strictly
from prometheus_client.parser import text_string_to_metric_families as parse

from app.fanout.sqlite import SqliteStore
from app.fanout.store import Batch, NewEntry
from app.main import create_app
from app.metrics import HANDLER_BUCKETS, LAG_WINDOW_SECONDS, Durations, EventLoopLag
from app.models.actions import SendToAll
from app.models.events import ConnectedEvent, ConnectEvent, UserEvent
from app.services import Services
from app.storage.sqlite_file import SqliteFile
from app.upstream.errors import Rejected
from app.upstream.hub import Hub
from app.upstream.publisher import Publisher
from tests.app.clients.conftest import DataPlane, data_plane, unused_address
from tests.app.conftest import KEY, ORIGIN, MakeClient, event, settings
from tests.app.fanout.virtual_time import VirtualLoop, in_virtual_time, passes

__all__ = ["data_plane", "unused_address"]

Labels = frozenset[tuple[str, str]]


class TalkHub(Hub):
    """Says `yes` to everybody, unless the text is an order."""

    name = "chat"
    may_go_on: asyncio.Event

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def on_connect(self, event: ConnectEvent) -> None:
        if event.query_value("mode") == "deny":
            raise Rejected("no", status=403)

    async def on_connected(self, event: ConnectedEvent) -> None:
        await self.may_go_on.wait()

    async def on_user_event(self, event: UserEvent) -> None:
        if event.text == "boom":
            raise RuntimeError
        if event.text == "deny":
            raise Rejected("no", status=400)
        await self._publisher.send_to_all(event.text)


class Upstream:
    """A running application, as the service and as Prometheus see it."""

    def __init__(self, client: httpx.AsyncClient, services: Services) -> None:
        self._client = client
        self.services = services

    async def deliver(self, kind: str, name: str, body: str = "{}", **more: str) -> int:
        headers = event(kind, name, **more)
        return (await self._client.post("/eventhandler", headers=headers, content=body)).status_code

    async def say(self, text: str, **more: str) -> int:
        return await self.deliver("user", "message", text, **more)

    async def settled(self) -> None:
        assert self.services.fanout is not None
        await self.services.fanout.outbox.drain(10)

    async def families(self) -> Mapping[str, Metric]:
        response = await self._client.get("/metrics")
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/plain; version=")
        return {family.name: family for family in parse(response.text)}

    async def values(self, name: str) -> dict[tuple[str, ...], float]:
        """By the values of the labels, in the order the family has them."""
        return {tuple(one.labels.values()): one.value for one in (await self.families())[name].samples}

    async def value(self, name: str) -> float:
        return (await self.values(name))[()]


@asynccontextmanager
async def upstream(endpoint: str, **changes: Any) -> AsyncIterator[Upstream]:
    app = create_app(
        settings(
            **{
                "webpubsub_connection_string": f"Endpoint={endpoint};AccessKey={KEY}",
                "webpubsub_allowed_origins": ORIGIN,
                "hubs": "tests.app.test_metrics:TalkHub",
                "shutdown_grace_seconds": 0,
                **changes,
            }
        )
    )
    TalkHub.may_go_on = asyncio.Event()
    services: Services = app.state.services
    async with (
        services.open(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream") as client,
    ):
        yield Upstream(client, services)


async def test_deliveries_are_counted_by_hub_kind_and_outcome(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        await running.deliver("sys", "connect")
        await running.deliver("sys", "connect", '{"query": {"mode": ["deny"]}}')
        await running.deliver("sys", "connected")
        for _ in range(3):
            await running.say("hi", ce_id="1")
        await running.say("deny")
        await running.say("boom")
        await running.say("forged", ce_signature="sha256=00")
        await running.deliver("sys", "connect", ce_hub="elsewhere")

        assert await running.values("webpubsub_events") == {
            ("chat", "connect", "handled"): 1,
            ("chat", "connect", "rejected"): 1,
            ("chat", "connected", "handled"): 1,
            ("chat", "user", "handled"): 1,
            ("chat", "user", "repeated"): 2,
            ("chat", "user", "rejected"): 1,
            ("chat", "user", "failed"): 1,
            ("", "", "refused"): 2,
        }


async def test_nothing_a_client_makes_up_becomes_a_label(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        for number in range(20):
            await running.deliver(
                "user", f"made-up-{number}", "x", connection_id=f"conn-{number}", ce_userId=f"u{number}"
            )
        await running.deliver("user", "forged", "x", ce_signature="sha256=00", ce_hub="chat")
        await running.deliver("sys", "connect", ce_hub="invented")
        await running.deliver("sys", "invented")
        for spelling in ("connect", "Connect", "CONNECT"):  # ce-type has one spelling, ce-eventName any
            assert await running.deliver("sys", "connect", ce_eventName=spelling) == 204

        assert set(await running.values("webpubsub_events")) == {
            ("chat", "user", "handled"),
            ("chat", "connect", "handled"),
            ("", "", "refused"),
        }
        families = await running.families()
        kinds = {sample.labels["kind"] for sample in families["webpubsub_event_duration_seconds"].samples}
        assert kinds == {"", "connect", "user"}
        exposed = " ".join(str(sample.labels) for family in families.values() for sample in family.samples)
        for secret in ("made-up", "conn-", "invented", "forged", "u1"):
            assert secret not in exposed


async def test_durations_are_a_histogram(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        for text in ("a", "b", "deny", "boom"):
            await running.say(text)
        await running.deliver("sys", "connect")

        samples = (await running.families())["webpubsub_event_duration_seconds"].samples

    for kind, deliveries in (("user", 4), ("connect", 1)):
        own = [one for one in samples if one.labels["kind"] == kind]
        buckets = [(float(one.labels["le"]), one.value) for one in own if one.name.endswith("_bucket")]
        assert [bound for bound, _ in buckets] == [*HANDLER_BUCKETS, inf]
        assert [count for _, count in buckets] == sorted(count for _, count in buckets)
        assert buckets[-1][1] == deliveries
        (count,) = (one.value for one in own if one.name.endswith("_count"))
        (total,) = (one.value for one in own if one.name.endswith("_sum"))
        assert count == deliveries
        assert 0 < total < 10


def test_a_bucket_holds_what_is_not_above_its_bound() -> None:
    durations = Durations()
    for seconds in (0.0001, 0.0005, 0.0006, 30, 31):
        durations.add(seconds)

    found = dict(durations.cumulative())

    assert (found["0.0005"], found["0.001"], found["10.0"], found["30.0"], found["+Inf"]) == (2, 3, 3, 4, 5)
    assert durations.total == pytest.approx(61.0012)


async def test_sends_are_counted_by_what_became_of_them(data_plane: DataPlane) -> None:
    data_plane.statuses = [503, 202, 400, 202]
    async with upstream(data_plane.url) as running:
        for text in ("sent the second time", "refused for good", "sent"):
            assert await running.say(text) == 204
        await running.settled()

        assert await running.values("webpubsub_sends") == {("sent",): 2, ("dead",): 1, ("expired",): 0}
        assert await running.values("webpubsub_send_failures") == {("503",): 1, ("400",): 1}
        assert await running.value("webpubsub_send_retries") == 1
        async with asyncio.timeout(10):
            while await running.value("webpubsub_dead_letters") == 0:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
        assert await running.value("webpubsub_outbox_bytes") == 0
        assert await running.value("webpubsub_outbox_oldest_seconds") == 0


async def test_a_service_that_gives_no_answer_is_a_status_of_its_own(unused_address: str) -> None:
    async with upstream(unused_address, fanout_deadline_seconds=0.01) as running:
        await running.say("nobody hears this")
        await running.settled()

        failures = await running.values("webpubsub_send_failures")
        assert set(failures) == {("none",)}
        assert failures["none",] == 1 + await running.value("webpubsub_send_retries")
        assert (await running.values("webpubsub_sends"))["dead",] == 1


async def test_a_message_that_came_too_late_is_expired_not_sent(data_plane: DataPlane, tmp_path: Path) -> None:
    store = SqliteStore(SqliteFile(tmp_path / "outbox.db"))
    await store.open(lambda _: None, lambda _: None)
    action = SendToAll.of("late", ttl_seconds=5).to_json()
    await store.commit(Batch(entries=[NewEntry("lane", "chat", time() - 60, action)]))
    await store.close()

    async with upstream(data_plane.url, store=f"sqlite:///{tmp_path}/outbox.db") as running:
        await running.settled()

        assert await running.values("webpubsub_sends") == {("sent",): 0, ("dead",): 0, ("expired",): 1}
    assert data_plane.requests == []


async def test_what_waits_is_measured_and_what_finds_no_room_counted(unused_address: str) -> None:
    async with upstream(unused_address, fanout_max_messages=2) as running:
        assert [await running.say("waits") for _ in range(4)] == [204, 204, 503, 503]

        assert await running.value("webpubsub_outbox_waiting") == 2
        assert await running.value("webpubsub_outbox_bytes") == 2 * len(SendToAll.of("waits").to_json())
        assert 0 < await running.value("webpubsub_outbox_oldest_seconds") < 60
        assert await running.value("webpubsub_outbox_refusals") == 2
        assert await running.value("webpubsub_outbox_up") == 1
        assert (await running.values("webpubsub_events"))["chat", "user", "failed"] == 2


async def test_acknowledged_events_are_measured_until_their_handlers_are_done(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        await running.deliver("sys", "connected", connection_id="a")
        await running.deliver("sys", "connected", connection_id="b")
        assert await running.value("webpubsub_followups_waiting") == 2

        TalkHub.may_go_on.set()
        await running.services.followups.drain(5)
        assert await running.value("webpubsub_followups_waiting") == 0


async def test_every_family_explains_itself_and_strict_readers_agree(data_plane: DataPlane) -> None:
    async with upstream(data_plane.url) as running:
        await running.say("hi")
        await running.say("again", ce_signature="sha256=00")
        await running.settled()

        families = await running.families()
        text = generate_latest(running.services.metrics.registry).decode()  # type: ignore[no-untyped-call]
        strict = {one.name: one for one in parse_strictly(text)}  # type: ignore[no-untyped-call]

    assert set(families) == {
        "webpubsub_events",
        "webpubsub_event_duration_seconds",
        "webpubsub_followups_waiting",
        "webpubsub_event_loop_lag_seconds",
        "webpubsub_outbox_waiting",
        "webpubsub_outbox_bytes",
        "webpubsub_outbox_oldest_seconds",
        "webpubsub_outbox_up",
        "webpubsub_outbox_refusals",
        "webpubsub_dead_letters",
        "webpubsub_sends",
        "webpubsub_send_failures",
        "webpubsub_send_retries",
    }
    assert all(family.documentation for family in families.values())
    assert {name: family.type for name, family in strict.items()} == {n: f.type for n, f in families.items()}


async def test_without_an_outbox_there_is_nothing_to_say_of_one(connect_to: MakeClient) -> None:
    client = connect_to()
    await client.post("/eventhandler", headers=event("user", "ok"), content="x")

    names = {family.name for family in parse((await client.get("/metrics")).text)}

    assert "webpubsub_events" in names
    assert not [name for name in names if "outbox" in name or "send" in name]


@in_virtual_time
async def test_a_stall_shows_for_as_long_as_somebody_may_not_have_looked() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    lag = EventLoopLag()
    lag.start()
    await passes(1)
    assert lag.seconds == pytest.approx(0)

    loop.now += 3  # somebody blocks
    await passes(1)
    assert lag.seconds == pytest.approx(3, abs=0.25)
    await passes(LAG_WINDOW_SECONDS - 2)
    assert lag.seconds == pytest.approx(3, abs=0.25)

    await passes(2)
    assert lag.seconds == pytest.approx(0)
    lag.stop()


@in_virtual_time
async def test_the_measuring_stops_without_leaving_a_timer() -> None:
    loop: Any = asyncio.get_running_loop()
    lag = EventLoopLag()
    lag.stop()
    lag.start()
    await passes(1)
    assert [timer for timer in loop._scheduled if not timer.cancelled()]

    lag.stop()
    lag.stop()

    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []


async def test_the_application_measures_while_it_is_open_and_no_longer(data_plane: DataPlane) -> None:
    loop: Any = asyncio.get_running_loop()

    def lag_timers(services: Services) -> int:
        looks = services.metrics.lag._look
        return sum(timer._callback == looks for timer in loop._scheduled if not timer.cancelled())

    async with upstream(data_plane.url) as running:
        assert lag_timers(running.services) == 1
    assert lag_timers(running.services) == 0
