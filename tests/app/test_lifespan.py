"""The application as a server runs it: it opens, works, drains and closes."""

import asyncio
import gc
import warnings
from pathlib import Path

import aiohttp
import pytest

from app.fanout.sqlite import SqliteStore
from app.fanout.store import Entry
from app.main import create_app
from app.models.actions import ACTION
from app.models.events import ConnectedEvent, UserEvent
from app.serving.server import bind, serving
from app.storage.sqlite_file import SqliteFile
from app.upstream.hub import Hub
from app.upstream.publisher import Publisher
from tests.app.clients.conftest import DataPlane, data_plane
from tests.app.conftest import KEY, event, settings

__all__ = ["data_plane"]


class SlowHub(Hub):
    """Announces a connection a little after it was acknowledged."""

    name = "chat"

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def on_connected(self, event: ConnectedEvent) -> None:
        await asyncio.sleep(0.05)
        await self._publisher.send_to_all(f"{event.connection_id} is here")

    async def on_user_event(self, event: UserEvent) -> None:
        await self._publisher.send_to_all(event.text)


async def test_a_stop_waits_for_what_was_acknowledged_and_leaves_nothing_open(data_plane: DataPlane) -> None:
    ours = settings(
        webpubsub_connection_string=f"Endpoint={data_plane.url};AccessKey={KEY}",
        webpubsub_allowed_origins="contoso.webpubsub.azure.com",
        hubs="tests.app.test_lifespan:SlowHub",
    )
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with aiohttp.ClientSession() as session, serving(create_app(ours), listener, grace_seconds=5):
            for number in range(5):
                headers = event("sys", "connected", connection_id=f"conn-{number}")
                async with session.post(url, headers=headers, data=b"{}") as response:
                    assert response.status == 204
            async with session.post(url, headers=event("user", "e"), data="grüße".encode()) as response:
                assert response.status == 204
        gc.collect()

    assert data_plane.requests[0].body == "grüße".encode()
    assert sorted(one.body for one in data_plane.requests[1:]) == [b"conn-%d is here" % n for n in range(5)]


async def test_a_service_that_is_gone_delays_no_answer_and_loses_no_message(
    unused_address: str, tmp_path: Path
) -> None:
    ours = settings(
        store=f"sqlite:///{tmp_path}/outbox.db",
        shutdown_grace_seconds=0.1,
        webpubsub_connection_string=f"Endpoint={unused_address};AccessKey={KEY}",
        webpubsub_allowed_origins="contoso.webpubsub.azure.com",
        hubs="tests.app.test_lifespan:SlowHub",
    )
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"
    async with (
        aiohttp.ClientSession() as session,
        serving(create_app(ours), listener, grace_seconds=5),
        session.post(url, headers=event("user", "e", ce_id="1"), data=b"x") as response,
    ):
        assert response.status == 204

    left: list[Entry] = []
    store = SqliteStore(SqliteFile(tmp_path / "outbox.db"))
    await store.open(left.extend, lambda _: None)
    await store.close()
    assert [ACTION.validate_json(entry.action).action_name for entry in left] == ["sendToAll"]


@pytest.fixture
def unused_address() -> str:
    listener = bind("127.0.0.1", 0)
    with listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
