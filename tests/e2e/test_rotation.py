"""Access keys rotate under traffic: nothing is refused, nothing lost, nobody restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
import structlog

from app.clients import key_file
from app.main import create_app
from app.services import Services
from app.serving.server import bind, serving
from localpubsub.testing import Client, LocalService, quick_config
from tests.app.conftest import settings

A, B, C, D, E = (letter * 44 for letter in "ABCDE")
SECONDS = 20


class Traffic:
    """One client sends and counts, another hears; a third party asks for URLs and connects with them."""

    def __init__(self, sender: Client, hearer: Client, negotiate: str) -> None:
        self._sender = sender
        self._hearer = hearer
        self._negotiate = negotiate
        self.sent = 0
        self.heard: list[int] = []

    async def flows(self) -> None:
        """Events go up, messages come down in order, URLs let people in."""
        async with asyncio.timeout(SECONDS), aiohttp.ClientSession() as session:
            for _ in range(20):
                await self._sender.send_event("shout", str(self.sent))
                self.sent += 1
                while len(self.heard) < self.sent:
                    frame = await self._hearer.expect(type="message", timeout=SECONDS)
                    self.heard.append(frame["data"]["n"])
            assert sorted(self.heard) == list(range(self.sent))
            async with session.get(self._negotiate, params={"id": "mia"}) as answer:
                url = (await answer.json())["url"]
            async with session.ws_connect(url):
                pass


class Running:
    def __init__(self, service: LocalService, services: Services, file: Path, traffic: Traffic) -> None:
        self._service = service
        self._file = file
        self.services = services
        self.traffic = traffic
        self._told = asyncio.Event()
        tell = services.keys.changed

        def tell_both() -> None:
            tell()
            self._told.set()

        services.keys.changed = tell_both

    def give(self, *keys: str) -> None:
        self._service.apply(replace(self._service.config, access_keys=keys))

    async def service_has(self, *keys: str) -> None:
        self.give(*keys)
        await self.traffic.flows()

    async def file_says(self, *keys: str) -> None:
        self._told.clear()
        self._file.write_text(lines(self._service, *keys))
        await self.told()
        await self.traffic.flows()

    async def told(self) -> None:
        """Another key is in use."""
        async with asyncio.timeout(SECONDS):
            await self._told.wait()


def lines(service: LocalService, *keys: str) -> str:
    return "\n".join(f"Endpoint={service.endpoint};AccessKey={key};Version=1.0;" for key in keys)


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setattr(key_file, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(key_file, "SETTLE_SECONDS", 0.01)
    async with LocalService(quick_config(access_keys=(A, B))) as service, started(service, tmp_path) as one:
        yield one


@asynccontextmanager
async def started(service: LocalService, folder: Path) -> AsyncIterator[Running]:
    file = folder / "keys"
    file.write_text(lines(service, A, B))
    app = create_app(
        settings(
            webpubsub_connection_string=None,
            webpubsub_connection_string_file=file,
            hubs=("tests.e2e.shout_hub:ShoutHub",),
            store=f"sqlite:///{folder}/upstream.db",
        )
    )
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    service.handle(f"{url}/eventhandler", hub="shout", system_events=("connect",))
    async with (
        serving(app, listener, grace_seconds=1),
        service.client("shout", "ana") as sender,
        service.client("shout", "ben") as hearer,
    ):
        yield Running(service, app.state.services, file, Traffic(sender, hearer, f"{url}/negotiate"))


def failures(services: Services) -> dict[str, int]:
    assert services.fanout is not None
    return services.fanout.delivery.counts.failures


async def test_one_key_after_the_other_and_nobody_notices(running: Running) -> None:
    await running.traffic.flows()

    await running.file_says(B, A)
    await running.service_has(C, B)
    await running.file_says(C, B)
    await running.service_has(C, D)
    await running.file_says(C, D)

    assert running.traffic.heard == list(range(120))
    assert failures(running.services) == {}


async def test_a_key_that_went_before_the_file_knew_gives_way_to_the_other(running: Running) -> None:
    await running.service_has(B)

    assert running.services.keys.current == B.encode()
    assert failures(running.services) == {}


async def test_what_no_key_could_send_is_sent_when_the_file_knows_one(running: Running) -> None:
    running.give(E)
    with structlog.testing.capture_logs() as logs:
        await running.services.publishers["shout"].send_to_all({"n": 0})
        running.traffic.sent += 1
        await running.told()

    await running.file_says(E)

    assert [one["number"] for one in logs] == [1]
    assert sorted(running.traffic.heard) == list(range(21))
