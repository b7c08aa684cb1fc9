"""A service that misbehaves delays no answer and loses nothing. With numbers: `python -m bench.faults`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from app.main import create_app
from app.serving.server import bind, serving
from bench.data_plane import DataPlane, Mood
from tests.app.conftest import KEY, event, settings

LANES, EVENTS = 5, 10


@pytest.fixture
async def plane() -> AsyncIterator[DataPlane]:
    plane = DataPlane(retry_after="1")
    await plane.start()
    yield plane
    await plane.stop()


class Upstream:
    """A served application whose every event becomes a send."""

    def __init__(self, session: aiohttp.ClientSession, url: str, plane: DataPlane) -> None:
        self._session = session
        self._url = url
        self._plane = plane

    async def post(self, lane: int, number: int) -> int:
        headers = event("user", "message", connection_id=f"conn-{lane}", ce_id=str(number), ce_userId=f"user-{lane}")
        async with self._session.post(self._url, headers=headers, data=f"{lane}:{number}") as answer:
            return answer.status

    async def post_all(self, first: int = 0) -> list[int]:
        """Statuses; each connection sends one event after the other, as the service does."""

        async def lane(number: int) -> list[int]:
            return [await self.post(number, one) for one in range(first, first + EVENTS)]

        return [status for statuses in await asyncio.gather(*map(lane, range(LANES))) for status in statuses]

    async def arrived(self, count: int) -> dict[str, list[int]]:
        """Numbers by connection once `count` different messages arrived, repeats left out."""
        enough = asyncio.Event()

        def look() -> None:
            if len(set(self._plane.accepted)) >= count:
                enough.set()

        self._plane.on_accept = look
        look()
        async with asyncio.timeout(30):
            await enough.wait()
        found: dict[str, list[int]] = {}
        for body in dict.fromkeys(self._plane.accepted):
            lane, number = json.loads(body)["message"].split(":")
            found.setdefault(lane, []).append(int(number))
        return found


@asynccontextmanager
async def running(plane: DataPlane, tmp_path: Path, **changes: object) -> AsyncIterator[Upstream]:
    ours = settings(
        webpubsub_connection_string=f"Endpoint={plane.endpoint};AccessKey={KEY}",
        webpubsub_allowed_origins="contoso.webpubsub.azure.com",
        hubs="bench.hub:BenchHub",
        store=f"sqlite:///{tmp_path}/outbox.db",
        **changes,
    )
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/eventhandler"
    async with aiohttp.ClientSession() as session, serving(create_app(ours), listener, grace_seconds=5):
        yield Upstream(session, url, plane)


@pytest.fixture(autouse=True)
def _hub_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT", "sdk")


@pytest.mark.parametrize("mood", [mood for mood in Mood if mood is not Mood.WELL], ids=lambda mood: mood.name.lower())
async def test_events_are_answered_meanwhile_and_arrive_in_order_afterwards(
    plane: DataPlane, tmp_path: Path, mood: Mood
) -> None:
    async with running(plane, tmp_path, fanout_send_timeout_seconds=1) as upstream:
        await plane.become(mood)
        during = await upstream.post_all()
        await plane.become(Mood.WELL)
        after = await upstream.post_all(first=EVENTS)
        arrived = await upstream.arrived(2 * LANES * EVENTS)

    assert set(during + after) == {204}
    assert arrived == {str(lane): list(range(2 * EVENTS)) for lane in range(LANES)}


async def test_a_full_outbox_refuses_and_takes_events_again_when_there_is_room(
    plane: DataPlane, tmp_path: Path
) -> None:
    async with running(plane, tmp_path, fanout_max_messages=8, fanout_send_timeout_seconds=1) as upstream:
        await plane.become(Mood.HANGING)
        statuses = await upstream.post_all()
        accepted = statuses.count(204)
        await plane.become(Mood.WELL)
        await upstream.arrived(accepted)
        while (again := await upstream.post(0, 1000)) == 503:
            pass

    assert 8 <= accepted <= 8 + LANES
    assert set(statuses) == {204, 503}
    assert again == 204


async def test_what_a_stop_leaves_unsent_the_next_start_sends(plane: DataPlane, tmp_path: Path) -> None:
    await plane.become(Mood.HANGING)
    async with running(plane, tmp_path, shutdown_grace_seconds=0.1) as upstream:
        assert set(await upstream.post_all()) == {204}
    await plane.become(Mood.WELL)

    async with running(plane, tmp_path) as upstream:
        arrived = await upstream.arrived(LANES * EVENTS)

    assert arrived == {str(lane): list(range(EVENTS)) for lane in range(LANES)}
