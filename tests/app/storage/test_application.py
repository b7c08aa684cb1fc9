"""What hubs keep, in the application as it is served: where, what outlives it, and what is answered in an outage."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import aiohttp
import pytest
import structlog
from fastapi import FastAPI
from structlog.typing import EventDict

from app.main import create_app
from app.models.events import ConnectEvent, GroupJoinedEvent, UserEvent
from app.models.responses import ConnectResponse
from app.services import Services
from app.serving.server import bind, serving
from app.storage.redis_storage import RedisStorage
from app.storage.sqlite_storage import SqliteStorage
from app.upstream.history import History
from app.upstream.hub import Hub, on_event
from app.upstream.memory_storage import MemoryStorage
from app.upstream.publisher import Publisher
from app.upstream.storage import ScopedStorage, Storage
from tests.app.clients.conftest import DataPlane, data_plane
from tests.app.conftest import KEY, ORIGIN, event, settings
from tests.app.fanout.redis.conftest import eventually
from tests.app.fanout.redis.server import RedisServer
from tests.app.storage.conftest import PATIENCE

__all__ = ["data_plane"]


class KeepingHub(Hub):
    """Keeps what is said, and says it to all."""

    name = "chat"

    def __init__(self, history: History, storage: Storage, publisher: Publisher) -> None:
        self.history = history
        self.storage = storage
        self.publisher = publisher

    async def on_connect(self, event: ConnectEvent) -> ConnectResponse | None:
        await self.storage.write("connected", {event.connection_id: b""})
        return None

    @on_event("say")
    async def say(self, event: UserEvent) -> int:
        line = await self.history.append("room", event.text, id=event.message_id())
        await self.publisher.send_to_all(event.text)
        return line.number

    async def on_group_joined(self, event: GroupJoinedEvent) -> None:
        await self.storage.write("joined", {event.connection_id: b""})


class Running:
    def __init__(self, app: FastAPI, url: str, session: aiohttp.ClientSession) -> None:
        self.services: Services = app.state.services
        self._url = url
        self._session = session

    async def post(self, kind: str, name: str, body: str = "", **headers: str) -> aiohttp.ClientResponse:
        headers = event(kind, name, **headers)
        async with self._session.post(self._url, headers=headers, data=body.encode()) as response:
            await response.read()
            return response

    async def say(self, text: str, ce_id: str) -> int:
        """The number of the line it became."""
        response = await self.post("user", "say", text, ce_id=ce_id)
        assert response.status == 200
        return int(await response.text())


@asynccontextmanager
async def upstream(data_plane: DataPlane, store: str) -> AsyncIterator[Running]:
    app = create_app(
        settings(
            store=store,
            webpubsub_connection_string=f"Endpoint={data_plane.url};AccessKey={KEY}",
            webpubsub_allowed_origins=ORIGIN,
            hubs="tests.app.storage.test_application:KeepingHub",
        )
    )
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"
    async with aiohttp.ClientSession() as session, serving(app, listener, grace_seconds=5):
        yield Running(app, url, session)


@pytest.fixture(params=["sqlite", "redis"])
def store(request: pytest.FixtureRequest, path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{path}"
    server: RedisServer = request.getfixturevalue("server")
    return server.url


async def test_what_a_hub_keeps_outlives_the_application(data_plane: DataPlane, store: str) -> None:
    async with upstream(data_plane, store) as running:
        assert [await running.say(text, text) for text in ("a", "b")] == [1, 2]

    async with upstream(data_plane, store) as running:
        assert await running.say("c", "c") == 3
        lines = await History(ScopedStorage(running.services.storage, "chat/")).newest("room")
        assert [line.value for line in lines] == ["a", "b", "c"]
        assert await running.services.storage.logs() == ["chat/history/room"]
    assert sorted(request.body for request in data_plane.requests) == [b"a", b"b", b"c"]


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("memory://", MemoryStorage),
        ("sqlite:///data/upstream.db", SqliteStorage),
        ("redis://localhost:6379/0", RedisStorage),
    ],
)
def test_the_setting_says_where(url: str, kind: type) -> None:
    assert isinstance(Services(settings(store=url)).storage, kind)


def test_without_a_service_it_is_kept_in_memory() -> None:
    ours = settings(store="sqlite:///data/upstream.db", webpubsub_connection_string=None)

    assert isinstance(Services(ours).storage, MemoryStorage)


def said(logs: list[EventDict]) -> list[EventDict]:
    return [line for line in logs if line["event"] == "handler failed"]


async def test_while_the_store_is_locked_events_are_answered_503_and_delivered_again(
    data_plane: DataPlane, path: Path
) -> None:
    async with upstream(data_plane, f"sqlite:///{path}") as running:
        assert await running.say("before", "1") == 1
        with closing(sqlite3.connect(path, isolation_level=None)) as other, structlog.testing.capture_logs() as logs:
            other.execute("BEGIN IMMEDIATE")
            answers = [await running.post("user", "say", "during", ce_id="2") for _ in range(2)]
            answers.append(await running.post("sys", "connect", '{"claims":{},"query":{}}', ce_id="3"))
            other.execute("ROLLBACK")

        for answer in answers:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            assert await answer.text() == "busy, try again"
        assert [line["reason"] for line in said(logs)] == ["the file upstream.db cannot be used: database is locked"]
        assert said(logs)[0].get("exc_info") is None
        assert running.services.fanout is not None
        outbox = running.services.fanout.outbox
        await eventually(lambda: outbox.failure is None)
        assert await running.say("during", "2") == 2
        assert (await running.post("sys", "connect", '{"claims":{},"query":{}}', ce_id="3")).status == 204


async def test_without_redis_events_are_answered_503_until_it_is_back(
    data_plane: DataPlane, server: RedisServer
) -> None:
    async with upstream(data_plane, server.url) as running:
        assert await running.say("before", "1") == 1
        await asyncio.to_thread(server.stop)
        assert (await running.post("user", "say", "during", ce_id="2")).status == 503
        await asyncio.to_thread(server.start)

        async with asyncio.timeout(PATIENCE):
            while (again := await running.post("user", "say", "during", ce_id="2")).status != 200:
                assert again.headers["Retry-After"] == "1"
        assert await again.text() == "2"


async def test_what_follows_an_acknowledged_event_fails_in_one_line(data_plane: DataPlane, path: Path) -> None:
    async with upstream(data_plane, f"sqlite:///{path}") as running:
        with closing(sqlite3.connect(path, isolation_level=None)) as other, structlog.testing.capture_logs() as logs:
            other.execute("BEGIN IMMEDIATE")
            answer = await running.post("gp", "joined", '{"group":"lobby"}', ce_id="1")
            await running.services.followups.drain(PATIENCE)
            other.execute("ROLLBACK")

    assert answer.status == 204
    assert [line["reason"] for line in said(logs)] == ["the file upstream.db cannot be used: database is locked"]
    assert said(logs)[0].get("exc_info") is None


async def test_a_store_that_cannot_be_opened_is_why_it_does_not_start(data_plane: DataPlane, path: Path) -> None:
    path.write_text("no database, " * 100)
    services = Services(
        settings(store=f"sqlite:///{path}", webpubsub_connection_string=f"Endpoint={data_plane.url};AccessKey={KEY}")
    )

    with pytest.raises(Exception, match="file is not a database"):
        async with services.open():
            pass

    assert services.start_failure == "the file upstream.db cannot be used: file is not a database"
