"""A service without a key, reached with Entra: over TLS, by the client and by the service commands."""

import ssl
from pathlib import Path

import aiohttp
import azure.identity.aio
import pytest

from app.client.access import NoAccess, Person, issued
from app.client.endings import Refused
from app.clients.credential import service_client
from app.settings import Settings
from localpubsub.edge.tls import CERTIFICATE
from localpubsub.server import LocalPubSub
from tests.e2e.test_service_sdk import EntraCredential
from tests.localpubsub.conftest import JSON, config


@pytest.fixture(autouse=True)
def _an_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure.identity.aio, "DefaultAzureCredential", EntraCredential)


async def test_the_service_makes_the_url_of_a_client(tmp_path: Path) -> None:
    async with LocalPubSub(config(tls_folder=tmp_path, accept_entra_tokens=True)) as service:
        trust = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
        settings = Settings(webpubsub_endpoint=service.endpoint, webpubsub_connection_string=None)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            url = await issued(settings, Person("open", "mia", groups=["g"]))(session)
            async with (
                session.ws_connect(url, protocols=[JSON]) as socket,
                service_client(settings, "open", session) as client,
            ):
                assert (await socket.receive_json(timeout=5))["userId"] == "mia"
                assert await client.group_exists("g")


async def test_a_refusal_keeps_the_words_of_the_service(tmp_path: Path) -> None:
    async with LocalPubSub(config(tls_folder=tmp_path)) as service:
        trust = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
        settings = Settings(webpubsub_endpoint=service.endpoint, webpubsub_connection_string=None)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
            with pytest.raises(NoAccess) as caught:
                await issued(settings, Person("open"))(session)

    assert caught.value.ending == Refused(401, "The token is missing or not valid.")
