"""Who is in a group, over HTTP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time
from typing import Any

import aiohttp
import httpx
import jwt
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.serving.server import bind, serving
from app.upstream.connection_string import connection_strings
from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Roster
from app.upstream.storage import StorageError
from app.upstream.testing import RecordingPublisher
from tests.app.conftest import KEY, ORIGIN, settings

HUBS = ("app.hubs.chat:ChatHub", "tests.app.reference_hub:ReferenceHub")
TEA = "/hubs/Sample_ChatApp/groups/tea/members"


def application(**changes: Any) -> FastAPI:
    return create_app(settings(**({"hubs": HUBS} | changes)), publisher_for=lambda _: RecordingPublisher())


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream")


def roster_of(app: FastAPI) -> Roster:
    roster: Roster = app.state.services.rosters["sample_chatapp"]
    return roster


def token(hub: str = "Sample_ChatApp", seconds: float = 600, key: str = KEY) -> dict[str, str]:
    claims = {"aud": f"https://{ORIGIN}/client/hubs/{hub}", "exp": int(time() + seconds), "sub": "mia"}
    return {"authorization": f"Bearer {jwt.encode(claims, key)}"}


async def test_in_development_anybody_may_look() -> None:
    app = application(development=True)
    await roster_of(app).joined("tea", "c-2", "zoë", at=20.0)
    await roster_of(app).joined("tea", "c-1", "mia", at=10.0)

    async with client_of(app) as client:
        answer = await client.get(TEA)
        nobody = await client.get("/hubs/sample_chatapp/groups/a%2Fb/members")

    assert answer.json() == {"members": [{"user": "mia", "since": 10.0}, {"user": "zoë", "since": 20.0}]}
    assert answer.headers["cache-control"] == "no-store"
    assert nobody.json() == {"members": []}


@pytest.mark.parametrize("path", [TEA, f"{TEA}/changes"])
@pytest.mark.parametrize(
    ("headers", "status", "challenge"),
    [
        ({}, 401, "Bearer"),
        ({"authorization": "Basic bWlhOm1pYQ=="}, 401, "Bearer"),
        ({"authorization": "Bearer x"}, 401, 'Bearer error="invalid_token"'),
        (token(key="X" * 44), 401, 'Bearer error="invalid_token"'),
        (token(seconds=-3600), 401, 'Bearer error="invalid_token"'),
        (token("chat"), 403, None),
    ],
)
async def test_elsewhere_a_token_of_the_hub_is_needed(
    path: str, headers: dict[str, str], status: int, challenge: str | None
) -> None:
    async with client_of(application()) as client:
        answer = await client.get(path, headers=headers)

    assert answer.status_code == status
    assert answer.headers.get("www-authenticate") == challenge
    assert KEY not in answer.text


async def test_with_a_token_of_the_hub_its_members_are_read() -> None:
    app = application()
    await roster_of(app).joined("tea", "c-1", "mia", at=10.0)

    async with client_of(app) as client:
        negotiated = (await client.get("/negotiate?id=mia&hub=Sample_ChatApp")).json()["token"]
        answers = [
            await client.get(TEA, headers=headers) for headers in (token(), {"authorization": f"bearer {negotiated}"})
        ]

    assert [answer.json() for answer in answers] == [{"members": [{"user": "mia", "since": 10.0}]}] * 2


async def test_after_a_rotation_tokens_of_the_new_keys_count_and_of_the_old_ones_no_more() -> None:
    app = application()
    old, new = token(), token(key="N" * 44)

    async with client_of(app) as client:
        before = [(await client.get(TEA, headers=one)).status_code for one in (old, new)]
        app.state.services.keys.replace(connection_strings(f"Endpoint=https://{ORIGIN};AccessKey={'N' * 44}"))
        after = [(await client.get(TEA, headers=one)).status_code for one in (old, new)]

    assert (before, after) == ([200, 401], [401, 200])


@pytest.mark.parametrize("hub", ["chat", "nothing"])
@pytest.mark.parametrize("end", ["members", "members/changes"])
async def test_a_hub_without_a_roster_is_not_found(hub: str, end: str) -> None:
    path = f"/hubs/{hub}/groups/tea/{end}"
    async with client_of(application(development=True)) as client:
        anybody = await client.get(path)
    async with client_of(application()) as client:
        nobody, somebody = await client.get(path), await client.get(path, headers=token(hub))

    assert (anybody.status_code, nobody.status_code, somebody.status_code) == (404, 401, 404)


class Watched(MemoryStorage):
    """Says when a listener is there and when it has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.is_heard = asyncio.Event()
        self.is_deserted = asyncio.Event()
        self.is_down = False

    def listen(self, topic: str) -> Any:
        return self._listen(topic)

    @asynccontextmanager
    async def _listen(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        try:
            async with super().listen(topic) as bodies:
                self.is_heard.set()
                yield bodies
        finally:
            self.is_deserted.set()

    async def rows(self, table: str) -> dict[str, bytes]:
        if self.is_down:
            raise StorageError("the store is down")
        return await super().rows(table)


@dataclass
class Stage:
    url: str
    port: int
    roster: Roster
    storage: Watched
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def stream(self, headers: dict[str, str] | None = None) -> AsyncIterator["Stream"]:
        async with asyncio.timeout(10), self.session.get(f"{self.url}{TEA}/changes", headers=headers) as response:
            assert response.status == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            yield Stream(response)


class Stream:
    """Reads server-sent events as a browser does."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._lines = response.content

    async def next(self) -> tuple[str, Any]:
        """Event and data; for a comment `("", text)`. Raises `EOFError` at the end."""
        event, data = "", ""
        while line := (await self._lines.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if line == "\n":
                return event, json.loads(data) if event else data
            event = value if name == "event" else event
            data += value if name in ("data", "") else ""
        raise EOFError

    async def people(self) -> list[str]:
        event, data = await self.next()
        assert event == "snapshot"
        return [one["user"] for one in data["members"]]


@asynccontextmanager
async def staged(**changes: Any) -> AsyncIterator[Stage]:
    app = application(**changes)
    storage = Watched()
    roster = app.state.services.rosters["sample_chatapp"] = Roster(storage)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    async with aiohttp.ClientSession() as session, serving(app, listener, grace_seconds=20):
        yield Stage(f"http://127.0.0.1:{port}", port, roster, storage, session)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged(development=True) as stage:
        yield stage


async def test_a_stream_begins_with_everybody_and_goes_on_with_changes(stage: Stage) -> None:
    await stage.roster.joined("tea", "c-1", "mia", at=10.0)
    async with stage.stream() as stream:
        assert await stream.next() == ("snapshot", {"members": [{"user": "mia", "since": 10.0}]})
        await stage.roster.joined("cake", "c-9", "nobody here", at=15.0)
        await stage.roster.joined("tea", "c-2", "line\nbreak", at=20.0)
        assert await stream.next() == ("joined", {"user": "line\nbreak", "at": 20.0})
        await stage.roster.left("tea", "c-1")
        event, data = await stream.next()

    assert (event, data["user"]) == ("left", "mia")


async def test_a_reader_who_goes_away_leaves_nothing_behind(stage: Stage) -> None:
    async with stage.stream() as stream:
        await stream.people()

    async with asyncio.timeout(10):
        await stage.storage.is_deserted.wait()


async def test_a_reader_who_falls_behind_is_told_everything_anew(stage: Stage) -> None:
    async with stage.stream() as stream:
        assert await stream.people() == []
        await stage.roster.joined("tea", "c-1", "mia", at=1.0)
        for _ in range(1_001):  # at once, and nobody else runs meanwhile
            await stage.storage.announce("roster/tea", b'["jonas",true,1.0]')
        events = [await stream.next()]
        while events[-1][0] != "snapshot":
            events.append(await stream.next())

    assert len(events) <= 1_001
    assert events[-1][1] == {"members": [{"user": "mia", "since": 1.0}]}


async def test_a_reader_who_never_reads_and_goes_away_leaves_nothing_behind(stage: Stage) -> None:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", stage.port))
    with raw:
        await asyncio.get_running_loop().sock_sendall(
            raw, f"GET {TEA}/changes HTTP/1.1\r\nhost: upstream\r\n\r\n".encode()
        )
        async with asyncio.timeout(10):
            await stage.storage.is_heard.wait()
        for _ in range(200):  # more than the kernel takes for a connection
            await stage.roster.joined("tea", "c-1", "x" * 64_000, at=1.0)
            await stage.roster.left("tea", "c-1")
            await asyncio.sleep(0)
        assert not stage.storage.is_deserted.is_set()

    async with asyncio.timeout(10):
        await stage.storage.is_deserted.wait()


async def test_a_quiet_stream_is_kept_open(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.routers.members.KEEP_ALIVE_SECONDS", 0.01)

    async with stage.stream() as stream:
        await stream.people()
        assert [await stream.next() for _ in range(2)] == [("", "nothing new")] * 2
        await stage.roster.joined("tea", "c-1", "mia", at=1.0)
        events = [await stream.next()]
        while events[-1][0] == "":
            events.append(await stream.next())

    assert events[-1][0] == "joined"


async def test_a_stop_does_not_wait_for_readers() -> None:
    async with asyncio.timeout(10):
        async with staged(development=True) as stage:
            opened = stage.session.get(f"{stage.url}{TEA}/changes")
            response = await opened
            await Stream(response).people()
        response.close()


async def test_a_stream_ends_with_the_token() -> None:
    async with staged() as stage, stage.stream(token(seconds=-30)) as stream:
        assert await stream.people() == []
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_store_that_is_down_is_no_error_of_the_server(stage: Stage) -> None:
    stage.storage.is_down = True

    async with stage.session.get(f"{stage.url}{TEA}") as response:
        assert (response.status, response.headers["retry-after"]) == (503, "1")
    async with stage.stream() as stream:
        with pytest.raises(EOFError):
            await stream.next()


async def test_the_document_describes_both() -> None:
    async with client_of(application()) as client:
        document = (await client.get("/openapi.json")).json()

    paths = {path: item["get"] for path, item in document["paths"].items() if "/members" in path}
    assert len(paths) == 2
    for path, operation in paths.items():
        assert {"200", "401", "403", "404"} <= set(operation["responses"])
        assert operation["security"]
        kind = "text/event-stream" if path.endswith("changes") else "application/json"
        assert set(operation["responses"]["200"]["content"]) == {kind}
