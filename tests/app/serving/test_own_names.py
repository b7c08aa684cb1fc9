"""By which names an upstream for development may be called."""

import httpx
import pytest

from app.main import create_app
from app.serving.own_names import OwnNames
from app.upstream.testing import RecordingPublisher
from tests.app.conftest import settings


async def status(host: str) -> int:
    app = OwnNames(create_app(settings(), publisher_for=lambda _: RecordingPublisher()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream") as client:
        return (await client.get("/negotiate?id=mia", headers={"Host": host})).status_code


@pytest.mark.parametrize(
    "host", ["localhost:8080", "LOCALHOST", "127.0.0.1:1", "[::1]:8080", "192.0.2.1", "host.docker.internal", "dev", ""]
)
async def test_a_name_of_this_machine_is_answered(host: str) -> None:
    assert await status(host) == 200


@pytest.mark.parametrize(
    "host", ["evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example."]
)
async def test_a_name_that_somebody_pointed_here_is_not(host: str) -> None:
    """The page would be of the same origin, and could sign events with the key that everybody knows."""
    assert await status(host) == 421
