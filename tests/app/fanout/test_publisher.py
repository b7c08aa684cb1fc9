"""Publishing inside events, after them and beside them; and what becomes of it in the application as it is served."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI

from app.fanout.publisher import OutboxPublisher
from app.fanout.store import Batch
from app.main import create_app
from app.models.actions import Action, SendToAll, SendToGroup
from app.models.events import ConnectedEvent, UserEvent
from app.serving.server import bind, serving
from app.upstream.errors import Overloaded, Rejected, ServiceError
from app.upstream.hub import Answer, Hub, on_event
from app.upstream.idempotency import Key
from app.upstream.publisher import EventScope, Publisher, event_scope
from app.upstream.reply import Reply
from app.upstream.storage import StorageError
from tests.app.clients.conftest import DataPlane, data_plane
from tests.app.conftest import KEY, ORIGIN, event, settings

__all__ = ["data_plane"]

CONNECTION = "conn-7f3a"


class RecordingOutbox:
    keeps_every_answer = False

    def __init__(self) -> None:
        self.commits: list[tuple[str, Sequence[tuple[str, Action]]]] = []
        self.is_full = False

    def check_room(self) -> None:
        if self.is_full:
            raise Overloaded("the outbox is full")

    async def commit(
        self, lane: str, actions: Sequence[tuple[str, Action]], key: Key | None = None, reply: Reply | None = None
    ) -> None:
        self.commits.append((lane, actions))


@pytest.fixture
def outbox() -> RecordingOutbox:
    return RecordingOutbox()


@pytest.fixture
def publisher(outbox: RecordingOutbox) -> OutboxPublisher:
    return OutboxPublisher("chat", outbox)


@contextmanager
def inside_an_event() -> Iterator[EventScope]:
    scope = EventScope("chat", CONNECTION)
    token = event_scope.set(scope)
    yield scope
    event_scope.reset(token)


async def test_inside_an_event_messages_are_gathered_and_not_stored(
    publisher: OutboxPublisher, outbox: RecordingOutbox
) -> None:
    outbox.is_full = True  # the event was let in
    with inside_an_event() as scope:
        await publisher.send_to_all("1")
        await publisher.send_to_group("lobby", "2")

    assert scope.actions == [("chat", SendToAll(data="1")), ("chat", SendToGroup(group="lobby", data="2"))]
    assert outbox.commits == []


async def test_after_an_event_messages_are_stored_in_the_lane_of_its_connection(
    publisher: OutboxPublisher, outbox: RecordingOutbox
) -> None:
    with inside_an_event() as scope:
        scope.is_open = False
        await publisher.send_to_all("1")

    assert outbox.commits == [(f"chat/connection/{CONNECTION}", [("chat", SendToAll(data="1"))])]
    assert scope.actions == []


async def test_outside_an_event_messages_are_stored_in_the_lane_of_their_target(
    publisher: OutboxPublisher, outbox: RecordingOutbox
) -> None:
    await publisher.send_to_all("1")

    assert outbox.commits == [("", [("chat", SendToAll(data="1"))])]


async def test_outside_an_event_a_full_outbox_takes_nothing(
    publisher: OutboxPublisher, outbox: RecordingOutbox
) -> None:
    outbox.is_full = True

    with pytest.raises(Overloaded):
        await publisher.send_to_all("1")

    assert outbox.commits == []


async def test_a_lane_of_its_own_is_the_actions_and_an_action_s_own_comes_first(
    publisher: OutboxPublisher, outbox: RecordingOutbox
) -> None:
    auction = publisher.in_lane("auction")
    with inside_an_event() as scope:
        await auction.send_to_all("1")
        await auction.publish(SendToAll(data="2", lane="other"))
        await auction.in_lane("third").send_to_all("3")
        await publisher.send_to_all("4")

    assert [action.lane for _, action in scope.actions] == ["auction", "other", "third", None]


async def test_a_message_that_json_cannot_hold_is_refused_at_once(publisher: OutboxPublisher) -> None:
    with inside_an_event() as scope, pytest.raises(ValueError, match="expected value"):
        await publisher.send_to_all({"price": float("nan")})

    assert scope.actions == []


async def test_without_a_service_every_publish_says_so() -> None:
    with pytest.raises(ServiceError, match="no Web PubSub service is configured"):
        await OutboxPublisher("chat", None).in_lane("x").send_to_all("1")


# Through the application


class TalkingHub(Hub):
    """Says to everybody what it hears, then does what the event is called. No two answers are alike."""

    name = "chat"

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def on_connected(self, event: ConnectedEvent) -> Action:
        await self._publisher.send_to_all("published")
        return SendToAll(data="returned")

    @on_event("answer")
    async def answer(self, event: UserEvent) -> Answer:
        await self._publisher.send_to_all(event.text)
        return token_hex(8)

    @on_event("fail")
    async def fail(self, event: UserEvent) -> Answer:
        await self._publisher.send_to_all(event.text)
        raise RuntimeError("boom")

    @on_event("reject", "reject5xx")
    async def reject(self, event: UserEvent) -> Answer:
        await self._publisher.send_to_all(event.text)
        raise Rejected("no", status=403 if event.name == "reject" else 503)

    @on_event("return")
    async def give_back(self, event: UserEvent) -> Answer:
        await self._publisher.send_to_all(event.text)
        return [SendToAll(data="second"), SendToAll(data="third")]


Answered = tuple[int, str]


class Upstream:
    def __init__(self, app: FastAPI, url: str, session: aiohttp.ClientSession) -> None:
        self.store = app.state.services.fanout.outbox._store
        self._url = url
        self._session = session

    async def post(self, name: str, text: str = "hi", *, kind: str = "user", **headers: str) -> Answered:
        data = text.encode() if kind == "user" else b"{}"
        lines = event(kind, name, connection_id=CONNECTION, **headers)
        async with self._session.post(f"{self._url}/eventhandler", headers=lines, data=data) as response:
            return response.status, await response.text()

    async def is_alive(self) -> bool:
        async with self._session.get(f"{self._url}/healthz") as response:
            return response.status == 200


@asynccontextmanager
async def upstream(data_plane: DataPlane, path: Path, **changes: Any) -> AsyncIterator[Upstream]:
    """What was published is sent when this ends."""
    ours = settings(
        webpubsub_connection_string=f"Endpoint={data_plane.url};AccessKey={KEY}",
        webpubsub_allowed_origins=ORIGIN,
        hubs=f"{__name__}:TalkingHub",
        store=f"sqlite:///{path}",
        **changes,
    )
    listener, app = bind("127.0.0.1", 0), create_app(ours)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with aiohttp.ClientSession() as session, serving(app, listener, grace_seconds=5):
        yield Upstream(app, url, session)


def sent(data_plane: DataPlane) -> list[str]:
    return [request.body.decode() for request in data_plane.requests]


async def test_what_a_handler_publishes_and_returns_is_sent_in_this_order(data_plane: DataPlane, path: Path) -> None:
    async with upstream(data_plane, path) as one:
        assert await one.post("return", "first") == (204, "")
        assert await one.post("answer", "fourth")

    assert sent(data_plane) == ["first", "second", "third", "fourth"]


async def test_what_follows_an_event_is_sent_too(data_plane: DataPlane, path: Path) -> None:
    async with upstream(data_plane, path) as one:
        assert await one.post("connected", kind="sys") == (204, "")

    assert sent(data_plane) == ["published", "returned"]


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_what_an_event_causes_belongs_to_its_trace(data_plane: DataPlane, path: Path) -> None:
    async with upstream(data_plane, path) as one:
        await one.post("return", traceparent=TRACE)
        await one.post("connected", kind="sys", traceparent=TRACE)

    assert [request.headers.get("traceparent") for request in data_plane.requests] == [TRACE] * 5


@pytest.mark.parametrize("nonsense", ["", "00-4bf92f3577b34da6-1", TRACE + "x", "\u00e9"])
async def test_a_trace_that_is_none_is_not_passed_on(data_plane: DataPlane, path: Path, nonsense: str) -> None:
    async with upstream(data_plane, path) as one:
        assert (await one.post("return", traceparent=nonsense))[0] == 204

    assert [request.headers.get("traceparent") for request in data_plane.requests] == [None] * 3


@pytest.mark.parametrize(("name", "status"), [("fail", 500), ("reject5xx", 503)])
async def test_a_handler_that_fails_after_publishing_sends_nothing(
    data_plane: DataPlane, path: Path, name: str, status: int
) -> None:
    async with upstream(data_plane, path) as one:
        assert (await one.post(name, "never", ce_id="1"))[0] == status
        assert (await one.post("answer", "instead", ce_id="1"))[0] == 200

    assert sent(data_plane) == ["instead"]


async def test_a_handler_that_rejects_after_publishing_sends_once(data_plane: DataPlane, path: Path) -> None:
    async with upstream(data_plane, path) as one:
        first = await one.post("reject", "still", ce_id="1")
        again = await one.post("reject", "still", ce_id="1")

    assert first == again == (403, "no")
    assert sent(data_plane) == ["still"]


async def test_a_redelivery_after_a_restart_gets_the_first_answer_and_sends_nothing(
    data_plane: DataPlane, path: Path
) -> None:
    async with upstream(data_plane, path) as one:
        first = await one.post("answer", ce_id="1")
    async with upstream(data_plane, path) as two:
        again = await two.post("answer", ce_id="1")
        other = await two.post("answer", "other", ce_id="2")

    assert again == first
    assert other != first
    assert sent(data_plane) == ["hi", "other"]


async def test_what_a_stop_left_unsent_is_sent_after_the_restart_and_its_event_not_run_again(
    data_plane: DataPlane, path: Path
) -> None:
    data_plane.statuses = [503] * 100
    async with upstream(data_plane, path, shutdown_grace_seconds=0) as one:
        first = await one.post("answer", ce_id="1")
    data_plane.statuses.clear()
    data_plane.requests.clear()

    async with upstream(data_plane, path) as two:
        again = await two.post("answer", ce_id="1")

    assert again == first
    assert sent(data_plane) == ["hi"]


async def test_an_event_is_answered_and_its_messages_sent_only_after_the_commit(
    data_plane: DataPlane, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    async with upstream(data_plane, path) as one:
        commit = one.store.commit

        async def held(batch: Batch) -> None:
            reached.set()
            await gate.wait()
            await commit(batch)

        monkeypatch.setattr(one.store, "commit", held)
        posting = asyncio.create_task(one.post("answer"))
        await reached.wait()
        assert await one.is_alive()  # so the answer would have come, were it on its way
        assert not posting.done()
        assert data_plane.requests == []
        gate.set()
        assert (await posting)[0] == 200

    assert sent(data_plane) == ["hi"]


async def test_an_event_that_cannot_be_stored_is_answered_come_again(
    data_plane: DataPlane, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with upstream(data_plane, path) as one:

        async def full(batch: Batch) -> None:
            raise StorageError("no space left")

        with monkeypatch.context() as disk:
            disk.setattr(one.store, "commit", full)
            disk.setattr("app.fanout.outbox.PROBE_SECONDS", 0.001)
            assert await one.post("answer", "lost", ce_id="1") == (503, "busy, try again")
            assert await one.post("answer", "lost", ce_id="1") == (503, "busy, try again")
        status = 503
        async with asyncio.timeout(10):
            while status == 503:
                status, _ = await one.post("answer", "again", ce_id="1")

    assert status == 200
    assert sent(data_plane) == ["again"]
