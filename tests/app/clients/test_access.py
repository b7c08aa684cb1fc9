"""Client access URLs, beside those the official SDK makes."""

import time
from typing import Any

import aiohttp
import jwt
import pytest
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.messaging.webpubsubservice.aio import WebPubSubServiceClient

from app.clients.access import EntraAccessIssuer, KeyAccessIssuer
from app.clients.service_client import AzureServiceClient
from app.models.negotiate import ClientProtocol
from app.upstream.errors import ServiceError
from tests.app.clients.conftest import DataPlane

KEY = "a-key-of-at-least-thirty-two-bytes-000000"


def claims(token: str) -> dict[str, Any]:
    options: Any = {"verify_aud": False}
    return dict(jwt.decode(token, KEY, algorithms=["HS256"], options=options))


@pytest.mark.parametrize("endpoint", ["https://Contoso.webpubsub.Azure.com", "http://localhost:8081"])
@pytest.mark.parametrize("hub", ["chat", "Sample_ChatApp", "chat`1[a,b]"])
@pytest.mark.parametrize("protocol", list(ClientProtocol))
@pytest.mark.parametrize(
    "grant", [{}, {"user_id": "žofie/1", "roles": ["webpubsub.sendToGroup.a", "b"], "groups": ["g"]}]
)
async def test_a_url_is_the_sdks(endpoint: str, hub: str, protocol: ClientProtocol, grant: dict[str, Any]) -> None:
    ours = await KeyAccessIssuer(endpoint, KEY.encode()).issue(
        hub, **{"user_id": None} | grant, minutes=5, protocol=protocol
    )
    async with WebPubSubServiceClient(endpoint, hub, AzureKeyCredential(KEY)) as sdk:
        theirs = await sdk.get_client_access_token(**grant, minutes_to_expire=5, client_protocol=protocol.value)

    first, second = claims(ours.token), claims(theirs["token"])
    for moment in ("iat", "exp"):
        assert abs(first.pop(moment) - second.pop(moment)) <= 2
    assert first == {name: value for name, value in second.items() if value}
    assert ours.base_url == theirs["baseUrl"]
    assert ours.url == f"{theirs['baseUrl']}?access_token={ours.token}"
    assert ours.access_token == ours.token
    assert jwt.get_unverified_header(ours.token) == jwt.get_unverified_header(theirs["token"])


class Identity:
    """A managed identity without Azure."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://webpubsub.azure.com/.default",)
        return AccessToken("entra", int(time.time()) + 3600)

    async def close(self) -> None: ...

    async def __aenter__(self) -> "Identity":
        return self

    async def __aexit__(self, *_: object) -> None: ...


async def test_a_bearer_never_goes_over_plain_http(data_plane: DataPlane) -> None:
    async with aiohttp.ClientSession() as session:
        publisher = AzureServiceClient(data_plane.url, "chat", Identity())
        await publisher.open(session)
        with pytest.raises(ServiceError) as caught:
            await EntraAccessIssuer({"chat": publisher}).issue("chat", user_id="mia")
        await publisher.close()

    assert caught.value.status is None
    assert data_plane.requests == []
