"""The Functions-binding equivalents, used on routes of one's own as the docs show them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Response

from app.bindings import WebPubSubConnection, WebPubSubContextDep, as_response
from app.main import create_app
from app.models.context import ConnectionInfo, ContextResponse, WebPubSubContext
from app.settings import Settings
from app.upstream.signature import sign
from app.upstream.testing import RecordingPublisher

KEY = b"a-key-of-at-least-thirty-two-bytes-000"
HEADERS = {
    "WebHook-Request-Origin": "contoso.webpubsub.azure.com",
    "ce-awpsversion": "1.0",
    "ce-specversion": "1.0",
    "ce-hub": "chat",
    "ce-connectionId": "conn-7f3a",
    "ce-signature": sign(KEY, b"conn-7f3a").decode(),
}


def event(kind: str, name: str, **more: str) -> dict[str, str]:
    return HEADERS | {"ce-type": f"azure.webpubsub.{kind}.{name}", "ce-eventName": name, **more}


def add_routes(app: FastAPI) -> None:
    @app.get("/login")
    async def login(
        connection: Annotated[
            ConnectionInfo,
            Depends(
                WebPubSubConnection(hub="chat", user_id="{query.user}", roles=["webpubsub.sendToGroup"], minutes=5)
            ),
        ],
    ) -> ConnectionInfo:
        return connection

    @app.get("/behind-a-front-end")
    async def behind(
        connection: Annotated[
            ConnectionInfo, Depends(WebPubSubConnection(hub="chat", user_id="{headers.x-ms-client-principal-name}"))
        ],
    ) -> ConnectionInfo:
        return connection

    @app.api_route("/events", methods=["POST", "OPTIONS"], response_model=None)
    async def events(context: WebPubSubContextDep) -> Response | WebPubSubContext:
        if context.has_error or context.is_preflight:
            return as_response(context)
        return context


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        _env_file=None,
        webpubsub_connection_string=f"Endpoint=https://contoso.webpubsub.azure.com;AccessKey={KEY.decode()}",
        **changes,
    )
    app = create_app(settings, publisher_for=lambda _: RecordingPublisher())
    add_routes(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as one:
        yield one


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with serving() as one:
        yield one


async def test_a_connection_is_made_for_the_user_of_the_query(client: httpx.AsyncClient) -> None:
    response = await client.get("/login", params={"user": "mia"})

    assert response.status_code == 200
    assert set(response.json()) == {"baseUrl", "url", "accessToken"}
    assert response.json()["baseUrl"] == "wss://contoso.webpubsub.azure.com/client/hubs/chat"
    assert response.headers["cache-control"] == "no-store"


async def test_a_connection_is_made_for_the_user_of_a_header(client: httpx.AsyncClient) -> None:
    response = await client.get("/behind-a-front-end", headers={"x-ms-client-principal-name": "mia"})

    assert response.status_code == 200


async def test_an_expression_that_finds_nobody_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/login")

    assert response.status_code == 400
    assert response.json() == {"detail": "missing user id"}


@pytest.mark.parametrize("minutes", [-5, 0, 1441])
def test_a_url_lives_a_minute_to_a_day(minutes: int) -> None:
    with pytest.raises(ValueError, match="1 to 1440 minutes"):
        WebPubSubConnection(hub="chat", minutes=minutes)


async def test_a_preflight_is_answered_unchanged(client: httpx.AsyncClient) -> None:
    allowed = await client.options("/events", headers={"WebHook-Request-Origin": "contoso.webpubsub.azure.com"})
    denied = await client.options("/events", headers={"WebHook-Request-Origin": "evil.example.org"})

    assert allowed.status_code == 200
    assert allowed.headers["webhook-allowed-origin"] == "contoso.webpubsub.azure.com"
    assert denied.status_code == 400


async def test_a_forged_event_has_an_error(client: httpx.AsyncClient) -> None:
    forged = event("user", "message") | {"ce-signature": "sha256=00", "Content-Type": "text/plain"}

    response = await client.post("/events", headers=forged, content="hi")

    assert response.status_code == 401
    assert response.text == "Signature validation failed."


async def test_who_may_call_the_event_handler_may_call_a_route() -> None:
    """The test's transport calls from 127.0.0.1."""
    headers = event("user", "message") | {"Content-Type": "text/plain"}
    async with serving(webhook_code="hush", webhook_allowed_networks=("127.0.0.0/8",)) as near:
        assert (await near.options("/events", headers=HEADERS)).status_code == 200
        assert (await near.post("/events?code=hush", headers=headers, content="hi")).status_code == 200
        assert (await near.post("/events", headers=headers, content="hi")).status_code == 401
    async with serving(webhook_allowed_networks=("20.42.0.0/16",)) as far:
        assert (await far.options("/events", headers=HEADERS)).status_code == 403
        assert (await far.post("/events", headers=headers, content="hi")).status_code == 403


def test_a_context_without_a_request_leaves_it_out_of_its_json() -> None:
    context = WebPubSubContext(response=ContextResponse(status=400), error_message="no", has_error=True)

    assert set(context.model_dump(by_alias=True)) == {"response", "errorMessage", "hasError", "isPreflight"}


async def test_an_event_that_does_not_parse_has_an_error(client: httpx.AsyncClient) -> None:
    response = await client.post("/events", headers=event("sys", "connect"), content="[]")

    assert response.status_code == 400
    assert response.text == "the body is not a JSON object"


async def test_a_connect_event_comes_in_the_shape_of_the_binding(client: httpx.AsyncClient) -> None:
    body = {"claims": {"sub": ["mia"]}, "query": {"access_token": ["secret"], "room": ["lobby"]}}

    response = await client.post("/events", headers=event("sys", "connect"), json=body)

    answer = response.json()
    assert answer["hasError"] is False
    assert answer["isPreflight"] is False
    assert answer["request"]["claims"] == {"sub": ["mia"]}
    assert answer["request"]["query"] == {"room": ["lobby"]}
    assert answer["request"]["connectionContext"]["eventType"] == 0
    assert answer["request"]["connectionContext"]["connectionId"] == "conn-7f3a"
    assert not {"physicalConnectionId", "sessionId"} & set(answer["request"]["connectionContext"])


@pytest.mark.parametrize(
    ("content_type", "body", "data", "data_type"),
    [
        ("text/plain", b"hi", "hi", "Text"),
        ("application/json", b'{"n":1}', {"n": 1}, "Json"),
        ("application/octet-stream", b"\x01\x02", "AQI=", "Binary"),
    ],
)
async def test_a_user_event_tells_its_data_type(
    client: httpx.AsyncClient, content_type: str, body: bytes, data: object, data_type: str
) -> None:
    headers = event("user", "message", **{"Content-Type": content_type, "ce-connectionState": "eyJuIjoxfQ=="})

    request = (await client.post("/events", headers=headers, content=body)).json()["request"]

    assert (request["data"], request["dataType"]) == (data, data_type)
    assert request["connectionContext"]["eventType"] == 1
    assert request["connectionContext"]["states"] == {"n": 1}


async def test_mqtt_and_group_events_carry_their_members(client: httpx.AsyncClient) -> None:
    mqtt = {"ce-physicalConnectionId": "ph-1", "ce-sessionId": "se-1"}

    left = await client.post("/events", headers=event("gp", "left"), json={"group": "lobby"})
    gone = await client.post(
        "/events",
        headers=event("sys", "disconnected", **mqtt),
        json={"reason": None, "mqtt": {"initiatedByClient": True, "disconnectPacket": {"code": 0}}},
    )
    knock = await client.post(
        "/events",
        headers=event("sys", "connect", **mqtt),
        json={"mqtt": {"protocolVersion": 5, "username": "dev", "password": "cHc="}},
    )

    assert left.json()["request"]["group"] == "lobby"
    assert left.json()["request"]["connectionContext"]["eventType"] == 2
    assert gone.json()["request"]["mqtt"]["initiatedByClient"] is True
    assert gone.json()["request"]["connectionContext"]["sessionId"] == "se-1"
    assert knock.json()["request"]["mqtt"]["username"] == "dev"
