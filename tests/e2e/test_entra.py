"""Without any key: managed identities at both doors, the local service standing in for Azure's."""

import ssl
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from app.clients.entra import EntraVerifier
from app.main import create_app
from app.serving.server import bind, serving
from app.settings import Settings
from localpubsub.config import EventHandler, HubSettings
from localpubsub.edge.tls import CERTIFICATE
from localpubsub.server import LocalPubSub
from tests.app.clients.test_entra import AUDIENCE, CALLER, TENANT, Issuer, issuer
from tests.e2e.test_service_sdk import EntraCredential
from tests.localpubsub.conftest import config

__all__ = ["issuer"]

JSON = "json.webpubsub.azure.v1"


@pytest.mark.parametrize("is_ours", [True, False])
async def test_an_endpoint_alone_is_enough(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    """A client access URL, an event and its broadcast; or, for an event in somebody else's name, a refusal."""
    monkeypatch.setattr("azure.identity.aio.DefaultAzureCredential", EntraCredential)
    monkeypatch.setattr("app.services.EntraVerifier", partial(EntraVerifier, authority=issuer.url))
    listener = bind("127.0.0.1", 0)
    handler = EventHandler(
        url_template=f"http://localhost:{listener.getsockname()[1]}/eventhandler",
        user_event_pattern="*",
        bearer_token=issuer.token() if is_ours else issuer.token(oid="somebody-else"),
    )
    async with LocalPubSub(
        config(tls_folder=tmp_path, accept_entra_tokens=True, hubs={"shout": HubSettings(event_handlers=(handler,))})
    ) as service:
        trust = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / CERTIFICATE))
        monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trust)  # made when aiohttp was imported
        app = create_app(
            Settings(
                _env_file=None,
                webpubsub_endpoint=service.endpoint,
                webhook_entra_tenant=TENANT,
                webhook_entra_audience=AUDIENCE,
                webhook_entra_callers=CALLER,
                hubs="tests.e2e.shout_hub:ShoutHub",
                store="memory://",
            )
        )
        async with serving(app, listener, grace_seconds=1), aiohttp.ClientSession() as session:
            async with session.get(f"http://localhost:{listener.getsockname()[1]}/negotiate?id=mia") as answer:
                url = (await answer.json())["url"]
            async with session.ws_connect(url, protocols=[JSON], ssl=trust) as socket:
                assert (await socket.receive_json(timeout=5))["userId"] == "mia"
                await socket.send_json({"type": "event", "event": "shout", "dataType": "text", "data": "7", "ackId": 1})
                frames = [await socket.receive_json(timeout=5) for _ in range(2 if is_ours else 1)]

    acks = [frame for frame in frames if frame["type"] == "ack"]
    messages = [frame["data"] for frame in frames if frame["type"] == "message"]
    assert [ack["success"] for ack in acks] == [is_ours]
    assert [(message["from"], message["n"]) for message in messages] == ([("mia", 7)] if is_ours else [])
