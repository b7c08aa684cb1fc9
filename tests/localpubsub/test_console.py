"""Who may open the console, and what it is made of."""

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from localpubsub.edge import console
from localpubsub.edge.console_access import Denied, admit, is_this_machine
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import config
from tests.localpubsub.console_page import OWN, base, looking

POLICY = "default-src 'self'; connect-src 'self' ws:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@pytest.fixture
async def locked() -> AsyncIterator[LocalPubSub]:
    async with LocalPubSub(config(console_password="pässword")) as one:
        yield one


def basic_auth(password: str) -> str:
    return f"Basic {base64.b64encode(f'anybody:{password}'.encode()).decode()}"


class Transport:
    def __init__(self, address: str) -> None:
        self._address = address

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._address, 5) if name == "peername" else default


def denied(address: str, headers: Mapping[str, str], password: str = "") -> Denied | None:
    try:
        admit(make_mocked_request("GET", "/console", headers, transport=Transport(address)), password)
    except Denied as denied:
        return denied
    return None


async def get_raw(service: LocalPubSub, path: str) -> bytes:
    """As it stands: client libraries would tidy the path up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(f"GET /console{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("host", ["localhost:8081", "LOCALHOST", "127.0.0.1:1", "[::1]:8081", "[::1]"])
def test_this_machine_by_its_own_names_is_let_in(host: str) -> None:
    assert denied("127.0.0.1", {"Host": host}) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "evil@localhost", "127.0.0.1.nip.io:8081", "localhost:x"]
)
def test_another_name_for_this_machine_is_not(host: str) -> None:
    refusal = denied("127.0.0.1", {"Host": host})

    assert refusal is not None
    assert refusal.status == 403
    assert "localhost" in refusal.sentence


def test_another_machine_is_not_let_in() -> None:
    refusal = denied("10.0.0.7", {"Host": "localhost"})

    assert refusal is not None
    assert (refusal.status, refusal.headers) == (403, {})
    assert "--console-password" in refusal.sentence


@pytest.mark.parametrize(
    ("address", "is_it"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_what_this_machine_is(address: str, is_it: bool) -> None:
    assert is_this_machine(address) is is_it


@pytest.mark.parametrize("password", ["p", "pässword"])
def test_the_password_lets_in_from_anywhere(password: str) -> None:
    basic = basic_auth(password)

    assert denied("10.0.0.7", {"Host": "example.org", "Authorization": basic}, password) is None


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic", "Basic !!", "Bearer cA==", "Basic cA==", basic_auth("P")],
)
def test_without_the_password_nobody_is_let_in(authorization: str) -> None:
    refusal = denied("127.0.0.1", {"Host": "localhost", "Authorization": authorization}, "p")

    assert refusal is not None
    assert refusal.status == 401
    assert refusal.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("path", ["", "/", "/assets/app.js", "/feed", "/api/token", "/else"])
async def test_every_path_is_guarded(session: aiohttp.ClientSession, service: LocalPubSub, path: str) -> None:
    headers = {"Host": "rebound.example", **OWN}
    async with session.get(f"{base(service)}/console{path}", headers=headers) as response:
        text = await response.text()

    assert response.status == 403
    assert text.endswith(".")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_password_is_asked_for(session: aiohttp.ClientSession, locked: LocalPubSub) -> None:
    async with session.get(f"{base(locked)}/console") as refused:
        pass
    headers = {"Host": "any.example", "Authorization": basic_auth("pässword")}
    async with session.get(f"{base(locked)}/console", headers=headers) as answered:
        pass

    assert (refused.status, answered.status) == (401, 200)


async def test_the_page_and_its_policy(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.get(f"{base(service)}/console") as response:
        page = await response.text()

    assert (response.status, response.content_type) == (200, "text/html")
    assert response.headers["Content-Security-Policy"] == POLICY
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    assert page == (console.WEB / "console.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("suffix", "content_type"), [(".js", "text/javascript"), (".css", "text/css"), (".svg", "image/svg+xml")]
)
async def test_every_asset_has_its_type(
    session: aiohttp.ClientSession, service: LocalPubSub, suffix: str, content_type: str
) -> None:
    files = sorted((console.WEB / "console").glob(f"*{suffix}"))
    assert files
    for file in files:
        async with session.get(f"{base(service)}/console/assets/{file.name}") as response:
            content = await response.read()

        assert (response.status, response.content_type) == (200, content_type)
        assert response.headers["Content-Security-Policy"] == POLICY
        assert content == file.read_bytes()


async def test_what_has_not_changed_is_not_sent_again(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.get(f"{base(service)}/console") as first:
        known = {"If-None-Match": first.headers["ETag"]}
    async with session.get(f"{base(service)}/console", headers=known) as second:
        pass

    assert second.status == 304
    assert second.headers["Content-Security-Policy"] == POLICY


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/none.js",
        "/assets/../console.html",
        "/assets/%2e%2e%2fconsole.html",
        "/assets/.hidden.js",
        "/assets/notes.txt",
        "/else",
        "/assets",
    ],
)
async def test_there_is_nothing_else(tmp_path: Path, path: str) -> None:
    (tmp_path / "console").mkdir()
    for name in ("console.html", "console/.hidden.js", "console/notes.txt"):
        (tmp_path / name).write_text("secret", encoding="utf-8")
    async with LocalPubSub(config()) as service:
        service._console._folder = tmp_path
        answer = await get_raw(service, path)

    assert answer.split(b" ")[1] == b"404"
    assert b"secret" not in answer


async def test_a_browser_at_the_endpoint_is_led_there_and_a_program_finds_nothing(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    for accept, status in (("text/html,*/*;q=0.8", 302), ("*/*", 404)):
        async with session.get(f"{service.endpoint}/", headers={"Accept": accept}, allow_redirects=False) as answer:
            assert answer.status == status
            assert answer.headers.get("Location") == ("/console" if status == 302 else None)


async def test_the_old_habit_of_a_slash_leads_to_the_page(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.get(f"{base(service)}/console/") as response:
        assert (response.status, response.url.path) == (200, "/console")


async def test_the_page_cannot_be_posted_to(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.post(f"{base(service)}/console") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "https://localhost:{port}", "http://["])
async def test_the_feed_is_for_its_own_page(
    session: aiohttp.ClientSession, service: LocalPubSub, origin: str | None
) -> None:
    own = origin and origin.format(port=service.port)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(f"{base(service)}/console/feed", origin=own)

    assert refusal.value.status == 403
    assert service.service.trace.on is False


async def test_the_feed_is_a_websocket(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.get(f"{base(service)}/console/feed", headers={"Origin": base(service)}) as response:
        assert response.status == 400


async def test_a_stop_ends_the_feed(session: aiohttp.ClientSession) -> None:
    service = LocalPubSub(config())
    await service.start()
    async with looking(session, service) as page:
        await page.expect("snapshot")
        _, message = await asyncio.gather(service.stop(), page.socket.receive(timeout=5))

    assert message.type is aiohttp.WSMsgType.CLOSE
    assert page.socket.close_code == 1001
    assert service.service.trace.on is False
