"""Which pages may call the REST data plane (spec/service.md 8.2, 10.6)."""

import aiohttp
import pytest

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import rest_headers
from tests.localpubsub.rest_calls import HUB, TEXT

LOCAL = ["http://localhost:3000", "https://localhost", "http://127.0.0.1:9000", "http://127.9.9.9", "http://[::1]:80"]
FOREIGN = [
    "https://evil.example",
    "http://localhost.evil.example",
    "http://evil.example#localhost",
    "http://localhost@evil.example",
    "http://10.0.0.1",
    "file://localhost",
    "null",
    "http://[",
    "localhost",
]


async def preflight(
    session: aiohttp.ClientSession, service: LocalPubSub, origin: str, headers: str = "authorization"
) -> aiohttp.ClientResponse:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}
    async with session.options(f"{service.endpoint}{HUB}/:send?api-version=2024-12-01", headers=asked) as response:
        return response


@pytest.mark.parametrize("origin", LOCAL)
async def test_a_page_of_this_machine_is_allowed(
    session: aiohttp.ClientSession, service: LocalPubSub, origin: str
) -> None:
    response = await preflight(session, service, origin)

    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert {"POST", "PUT", "DELETE", "HEAD"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert response.headers["Vary"] == "Origin"


async def test_the_headers_of_the_sdk_are_allowed_and_no_others(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    asked = "authorization,Content-Type, x-ms-client-request-id,x-ms-useragent, x-webpubsub-metadata-a,x-evil,cookie"
    response = await preflight(session, service, LOCAL[0], asked)

    assert response.headers["Access-Control-Allow-Headers"] == (
        "authorization, Content-Type, x-ms-client-request-id, x-ms-useragent, x-webpubsub-metadata-a"
    )


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_page_from_elsewhere_gets_nothing(
    session: aiohttp.ClientSession, service: LocalPubSub, origin: str
) -> None:
    asked = await preflight(session, service, origin)
    path = f"{HUB}/:send"
    headers = {"Origin": origin} | TEXT | rest_headers(service, path)
    async with session.post(f"{service.endpoint}{path}", headers=headers, data=b"x") as sent:
        names = {*asked.headers, *sent.headers}

    assert not [name for name in names if name.startswith("Access-Control")]


@pytest.mark.parametrize("token", [True, False])
async def test_an_answer_can_be_read_by_the_page_that_asked(
    session: aiohttp.ClientSession, service: LocalPubSub, token: bool
) -> None:
    path = f"{HUB}/:send"
    headers = {"Origin": LOCAL[0]} | TEXT | (rest_headers(service, path) if token else {})
    async with session.post(f"{service.endpoint}{path}", headers=headers, data=b"x") as response:
        assert response.status == (202 if token else 401)
        assert response.headers["Access-Control-Allow-Origin"] == LOCAL[0]
        assert "x-ms-error-code" in response.headers["Access-Control-Expose-Headers"]


async def test_health_can_be_asked_by_a_page(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    asked = {"Origin": LOCAL[0], "Access-Control-Request-Method": "GET"}
    async with session.options(f"{service.endpoint}/api/health", headers=asked) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, LOCAL[0])
    async with session.get(f"{service.endpoint}/api/health", headers={"Origin": LOCAL[0]}) as response:
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, LOCAL[0])
