"""How a client's URL and token may be spelled (spec/service.md 1.2, 1.3, 2.1, 2.2)."""

import json
from typing import Any

import aiohttp
import jwt
import pytest
from yarl import URL

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, PRIMARY, RecordingUpstream, client_token, client_url
from tests.localpubsub.reliable_client import RELIABLE, reliable_client


async def status(session: aiohttp.ClientSession, url: str, **options: Any) -> int:
    """Of the handshake."""
    try:
        async with session.ws_connect(URL(url, encoded=True), **options):
            return 101
    except aiohttp.WSServerHandshakeError as refusal:
        return refusal.status


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("access_token={token}", 101),
        ("ACCESS_TOKEN={token}", 101),
        ("access_token=nonsense&access_token={token}", 101),
        ("access_token=nonsense&Access_Token={token}", 101),
        ("access_token={token}&access_token=nonsense", 401),
        ("access_token={token}&WebPubSub_Mode=SENDEVENT", 101),
        ("access_token={token}&webpubsub_mode=", 101),
        ("access_token={token}&webpubsub_mode=sendEvent&webpubsub_mode=shout", 400),
        ("access_token={token}&webpubsub_mode=sendtogroup&Group=%20&GROUP=g&NOECHO=True", 101),
        ("access_token={token}&webpubsub_mode=sendToGroup&group=g&noEcho=", 101),
        ("access_token={token}&webpubsub_mode=sendToGroup&group=g&noEcho=1", 400),
        ("access_token=nonsense&webpubsub_mode=shout", 401),
        ("awps_connection_id=&access_token={token}", 101),
        ("awps_connection_id=&awps_reconnection_token=x&access_token=nonsense", 401),
    ],
)
async def test_names_of_parameters_have_no_case_and_the_last_value_counts(
    session: aiohttp.ClientSession, service: LocalPubSub, query: str, expected: int
) -> None:
    url = f"ws://localhost:{service.port}/client/hubs/den?{query.format(token=client_token(service))}"

    assert await status(session, url) == expected


async def test_a_token_of_the_url_wins_over_one_of_the_header(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    wrong, right = {"Authorization": "Bearer nonsense"}, {"Authorization": f"BEARER {client_token(service)}"}
    without = f"ws://localhost:{service.port}/client/hubs/den"

    assert await status(session, client_url(service), headers=wrong) == 101
    assert await status(session, f"{without}?access_token=nonsense", headers=right) == 401
    assert await status(session, f"{without}?access_token=", headers=right) == 101


@pytest.mark.parametrize(
    ("path", "audience", "expected"),
    [
        ("/client/hubs/d%65n", "/client/hubs/den", 101),
        ("/client/hubs/den", "/client/hubs/D%65n", 101),
        ("/client/hubs/den", "/client/hubs/d%2565n", 401),
        ("/client/hubs/den", "/client/hubs/den/", 101),
        ("/client/hubs/den", "/client/hubs/den?a=b#c", 101),
        ("/client/hubs/den", "//client/hubs/den", 401),
        ("/client/hubs/den", "/client/hubs/den/more", 401),
        ("/client/hubs/den", "/client?hub=den", 401),
        ("/client/?hub=den", "/client/hubs/den", 101),
        ("/client?HUB=d%65n", "/client/hubs/den", 101),
    ],
)
async def test_a_hub_is_decoded_once_in_path_and_audience(
    session: aiohttp.ClientSession, service: LocalPubSub, path: str, audience: str, expected: int
) -> None:
    token = client_token(service, aud=service.endpoint + audience)
    url = f"ws://localhost:{service.port}{path}{'&' if '?' in path else '?'}access_token={token}"

    assert await status(session, url) == expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"role": "webpubsub.joinLeaveGroup", "webpubsub.group": "lobby"}, 101),
        ({"role": 7}, 401),
        ({"webpubsub.group": [7]}, 401),
        ({"webpubsub.group": "x" * 1025}, 400),
        ({"webpubsub.group": "x" * 1024}, 101),
        ({"webpubsub.group": "\U0001f600" * 513}, 400),
        ({"sub": ["ivy"]}, 401),
        ({"iss": "anybody", "iat": 2**40}, 101),
    ],
    ids=str,
)
async def test_a_claim_is_a_text_or_a_list_of_texts(
    session: aiohttp.ClientSession, service: LocalPubSub, claims: dict[str, Any], expected: int
) -> None:
    assert await status(session, client_url(service, **claims)) == expected


async def test_other_fields_of_the_tokens_header_are_ignored(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    claims = jwt.decode(client_token(service), options={"verify_signature": False})
    token = jwt.encode(claims, PRIMARY, algorithm="HS256", headers={"kid": "7", "x5t": "9"})

    assert await status(session, f"ws://localhost:{service.port}/client/hubs/den?access_token={token}") == 101


async def test_the_upstream_sees_neither_the_token_nor_what_is_azures_own(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    url = f"ws://localhost:{service.port}/client/hubs/den?Access_Token={client_token(service)}&webpubsub_mode=sendEvent"
    headers = {"Authorization": "Bearer x", "X-ASRS-Internal-Trace": "x", "X-Own": "y"}

    assert await status(session, url, headers=headers) == 101
    body = json.loads(upstream.events[0].body)
    assert body["query"] == {"webpubsub_mode": ["sendEvent"]}
    assert body["headers"]["X-Own"] == ["y"]
    assert not {"authorization", "x-asrs-internal-trace"} & {name.lower() for name in body["headers"]}


async def test_a_connection_comes_back_by_any_spelling_of_the_url(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with reliable_client(session, service) as client:
        identity = f"AWPS_connection_id=gone&awps_connection_id={client.id}&AWPS_Reconnection_Token={client.token}"
        for path in ("/client/hubs/OPEN?", "/client/?hub=open&"):
            url = f"ws://localhost:{service.port}{path}{identity}&access_token=nonsense&webpubsub_mode=shout"
            async with session.ws_connect(url, protocols=[RELIABLE]) as socket:
                assert (await socket.receive_json(timeout=5))["connectionId"] == client.id
                socket._response.connection.transport.abort()  # type: ignore[union-attr]


@pytest.mark.parametrize("path", ["/", "/livetrace", "/client/den", "/api", "/api/hubs", "/api/health/"])
async def test_there_is_nothing_at_other_paths(session: aiohttp.ClientSession, service: LocalPubSub, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        async with session.request(method, service.endpoint + path) as response:
            assert response.status == 404


async def test_no_extension_is_agreed_on(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(client_url(service), protocols=[JSON], compress=15) as socket:
        assert socket._response.headers.get("Sec-WebSocket-Extensions") is None
        assert (await socket.receive_json(timeout=5))["event"] == "connected"
