"""What a page from elsewhere may do in the browser of whoever runs a service with the key that everybody knows."""

import time
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest

from localpubsub.config import DEFAULT_ACCESS_KEY, HubSettings, ServiceConfig
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, config

FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example:8081",
    "http://evil.example#localhost",
    "http://localhost@evil.example",
    "http://10.0.0.1",
    "http://203.0.113.9",
    "http://evil.local",
    "null",
    "http://[",
    "localhost",
]
OWN = [
    "http://localhost:3000",
    "http://127.0.0.1",
    "https://[::1]:8443",
    "http://app.localhost",
    "https://LOCALHOST",
    "vscode-webview://0a1b",
    "https://dev.example",
]
FOREIGN_NAMES = ["evil.example:{port}", "localhost.evil.example", "evil.example.", "127.0.0.1.evil.example"]
OWN_NAMES = [
    "localhost:{port}",
    "127.0.0.1:{port}",
    "[::1]:{port}",
    "host.docker.internal:{port}",
    "service:{port}",
    "dev.example",
]


@pytest.fixture
async def known() -> AsyncIterator[LocalPubSub]:
    hubs = {"open": HubSettings(anonymous_connect=True)}
    async with LocalPubSub(ServiceConfig(port=0, hubs=hubs, public_endpoints=("https://dev.example",))) as one:
        yield one


def token(audience: str) -> str:
    claims = {"aud": audience, "exp": int(time.time()) + 600, "sub": "boss", "role": ["webpubsub.sendToGroup"]}
    return jwt.encode(claims, DEFAULT_ACCESS_KEY, algorithm="HS256")


def tunnel(service: LocalPubSub) -> str:
    url = f"{service.endpoint}/server/tunnel?hub=open"
    return f"{url}&access_token={token(url)}"


async def opens(session: aiohttp.ClientSession, url: str, **headers: str) -> int:
    """101, or the status of the refusal."""
    try:
        async with session.ws_connect(url, headers=headers, protocols=[JSON]):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


async def sends(session: aiohttp.ClientSession, service: LocalPubSub, **headers: str) -> int:
    """A message for everybody, with a token for the name the page has for this machine."""
    path = "/api/hubs/open/:send"
    bearer = token(f"http://{headers.get('Host', f'localhost:{service.port}')}{path}")
    asked = {"Authorization": f"Bearer {bearer}", "Content-Type": "text/plain", **headers}
    async with session.post(f"{service.endpoint}{path}", data="x", headers=asked) as response:
        return response.status


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_from_elsewhere_opens_nothing_with_the_known_key(
    session: aiohttp.ClientSession, known: LocalPubSub, origin: str
) -> None:
    assert await opens(session, tunnel(known), Origin=origin) == 403
    assert await sends(session, known, Origin=origin) == 403


@pytest.mark.parametrize("origin", OWN)
async def test_a_page_of_this_machine_does(session: aiohttp.ClientSession, known: LocalPubSub, origin: str) -> None:
    assert await opens(session, tunnel(known), Origin=origin) == 101
    assert await sends(session, known, Origin=origin) == 202


@pytest.mark.parametrize("host", FOREIGN_NAMES)
async def test_a_page_that_points_its_name_at_this_machine_does_not(
    session: aiohttp.ClientSession, known: LocalPubSub, host: str
) -> None:
    assert await sends(session, known, Host=host.format(port=known.port)) == 403


@pytest.mark.parametrize("host", OWN_NAMES)
async def test_a_program_may_call_this_machine_by_any_name_of_its_own(
    session: aiohttp.ClientSession, known: LocalPubSub, host: str
) -> None:
    assert await sends(session, known, Host=host.format(port=known.port)) == 202


async def test_with_a_key_of_ones_own_a_page_from_anywhere_may_have_a_token(session: aiohttp.ClientSession) -> None:
    """As at Azure: whoever gave the page a token has said that it may come."""
    async with LocalPubSub(config()) as service:
        url = f"{service.endpoint}/server/tunnel?hub=open"
        audience = {"aud": url, "exp": int(time.time()) + 600}
        bearer = jwt.encode(audience, service.config.access_keys[0], algorithm="HS256")
        assert await opens(session, f"{url}&access_token={bearer}", Origin=FOREIGN[0]) == 101


@pytest.mark.parametrize("origin", [*FOREIGN, *OWN])
async def test_a_client_may_be_a_page_from_anywhere(
    session: aiohttp.ClientSession, known: LocalPubSub, origin: str
) -> None:
    url = f"{known.endpoint}/client/hubs/open"
    assert await opens(session, f"{url}?access_token={token(url)}", Origin=origin) == 101
    assert await opens(session, url, Origin=origin) == 101


async def test_the_refusal_says_what_to_do(session: aiohttp.ClientSession, known: LocalPubSub) -> None:
    async with session.get(f"{known.endpoint}/api/health", headers={"Origin": FOREIGN[0]}) as response:
        assert response.status == 403
        assert "an access key of your own" in await response.text()


async def test_nor_with_a_token_that_nobody_checks(session: aiohttp.ClientSession) -> None:
    async with LocalPubSub(config(accept_entra_tokens=True)) as service:
        url = f"{service.endpoint}/server/tunnel?hub=open"
        claims = {"aud": "https://webpubsub.azure.com", "exp": int(time.time()) + 600}
        forged = jwt.encode(claims, "", algorithm="none")

        assert await opens(session, f"{url}&access_token={forged}", Origin=FOREIGN[0]) == 403
        assert await opens(session, f"{url}&access_token={forged}") == 101
