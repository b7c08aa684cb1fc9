"""Who gets in, and what a refusal looks like (spec/service.md 1, 2)."""

import asyncio
import json
import time

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    JSON,
    SECONDARY,
    Received,
    RecordingUpstream,
    client_token,
    client_url,
    json_client,
)


async def refusal(session: aiohttp.ClientSession, url: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect(url)
    return caught.value.status


async def test_a_client_with_a_token_is_greeted(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(client_url(service, "open"), protocols=[JSON]) as socket:
        assert socket.protocol == JSON
        frame = await socket.receive_json(timeout=5)
        assert (frame["type"], frame["event"], frame["userId"]) == ("system", "connected", "ivy")
        assert frame["connectionId"]


async def test_a_subprotocol_that_is_taken_is_not_warned_of(
    session: aiohttp.ClientSession, service: LocalPubSub, caplog: pytest.LogCaptureFixture
) -> None:
    async with session.ws_connect(client_url(service, "open"), protocols=["own.v7", JSON]) as socket:
        assert socket.protocol == JSON

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.parametrize("spelling", ["/client/?hub=open&", "/client?hub=OPEN&", "/client/hubs/Open?"])
async def test_the_old_spellings_and_any_case_lead_to_the_same_hub(
    session: aiohttp.ClientSession, service: LocalPubSub, spelling: str
) -> None:
    url = f"ws://127.0.0.1:{service.port}{spelling}access_token={client_token(service, 'open')}"

    async with session.ws_connect(url, protocols=[JSON]) as socket:
        assert (await socket.receive_json(timeout=5))["event"] == "connected"


async def test_the_token_may_come_in_the_header_signed_with_the_secondary_key(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    headers = {"Authorization": f"bearer {client_token(service, 'open', key=SECONDARY)}"}

    async with session.ws_connect(
        f"ws://localhost:{service.port}/client/hubs/open", headers=headers, protocols=[JSON]
    ) as s:
        assert (await s.receive_json(timeout=5))["userId"] == "ivy"


async def test_without_a_token_only_an_anonymous_hub_lets_one_in(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with session.ws_connect(f"ws://localhost:{service.port}/client/hubs/open", protocols=[JSON]) as socket:
        assert (await socket.receive_json(timeout=5))["userId"] == ""
    assert await refusal(session, f"ws://localhost:{service.port}/client/hubs/den") == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 400},
        {"exp": None},
        {"nbf": int(time.time()) + 4000},
        {"aud": "http://localhost:1/client/hubs/open"},
        {"aud": None},
        {"sub": 7},
        {"key": "another-key-of-thirty-two-bytes-or-more"},
    ],
    ids=str,
)
async def test_a_bad_token_is_refused_even_where_none_is_needed(
    session: aiohttp.ClientSession, service: LocalPubSub, changes: dict[str, object]
) -> None:
    url = f"ws://localhost:{service.port}/client/hubs/open?access_token="

    assert await refusal(session, url + client_token(service, "open", **changes)) == 401  # type: ignore[arg-type]
    assert await refusal(session, url + "nonsense") == 401


async def test_a_token_for_mqtt_or_another_hub_opens_nothing(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    for audience in ("/clients/mqtt/hubs/open", "/client/hubs/other", "/client/hubs/"):
        url = client_url(service, "open", aud=f"{service.endpoint}{audience}")
        assert await refusal(session, url) == 401


async def test_the_names_of_this_machine_are_one_audience(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    for host in ("127.0.0.1", "[::1]", "LOCALHOST"):
        url = client_url(service, "open", aud=f"HTTP://{host}:{service.port}/client/hubs/Open/?x=1")
        async with session.ws_connect(url, protocols=[JSON]) as socket:
            assert (await socket.receive_json(timeout=5))["event"] == "connected"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/client/hubs/1den", 400),
        ("/client/hubs/", 400),
        ("/client/", 400),
        ("/client/hubs/open?webpubsub_mode=shout", 400),
        ("/client/hubs/open?webpubsub_mode=sendToGroup", 400),
        ("/client/hubs/open?webpubsub_mode=SendToGroup&group=g&noEcho=perhaps", 400),
        ("/nowhere", 404),
        ("/client/hubs/open/", 404),
        ("/client/hubs/open/more", 404),
        ("/clients/mqtt/hubs/open/more", 404),
        ("/clients/mqtt/hubs/den", 401),
        ("/clients/socketio/hubs/open", 501),
    ],
)
async def test_what_is_asked_wrongly_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, path: str, status: int
) -> None:
    assert await refusal(session, f"ws://localhost:{service.port}{path}") == status


async def test_a_plain_request_is_no_client(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.get(f"{service.endpoint}/client/hubs/open") as response:
        assert response.status == 400


async def test_a_group_of_the_token_must_be_legal(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    assert await refusal(session, client_url(service, "open", groups=(" ",))) == 400


async def test_an_unknown_subprotocol_is_not_confirmed(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(client_url(service, "open"), protocols=["x.custom"]) as socket:
        assert socket.protocol is None


async def test_connect_hears_of_the_client_and_may_change_everything(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        if received.event != "connect":
            return web.Response(status=204)
        body = {"userId": "max", "groups": ["reef.1"], "roles": ["webpubsub.sendToGroup.reef.1"], "subprotocol": JSON}
        return web.json_response(body, headers={"ce-connectionState": "eyJuIjoxfQ=="})

    upstream.answer = answer
    url = client_url(service, query="&room=attic&room=cellar", groups=("lobby",), tags=["a", 7])
    async with session.ws_connect(url, protocols=["x.custom", JSON], headers={"Cookie": "a=b"}) as socket:
        assert (await socket.receive_json(timeout=5))["userId"] == "max"
        assert socket.protocol == JSON
        await socket.send_json({"type": "sendToGroup", "group": "reef.1", "dataType": "text", "data": "x", "ackId": 1})
        assert (await socket.receive_json(timeout=5))["fromUserId"] == "max"

    connect, connected = upstream.events[0], (await upstream.wait_for("connected"))[0]
    body = json.loads(connect.body)
    assert body["query"] == {"room": ["attic", "cellar"]}
    assert body["claims"]["sub"] == ["ivy"]
    assert body["claims"]["tags"] == ["a", "7"]
    assert body["subprotocols"] == ["x.custom", JSON]
    assert body["headers"]["Cookie"] == ["a=b"]
    assert connect.headers["ce-id"] == "0"
    assert "ce-subprotocol" not in connect.headers
    assert connect.headers["ce-userId"] == "ivy"
    assert (connected.headers["ce-userId"], connected.headers["ce-id"]) == ("max", "1")
    assert connected.headers["ce-connectionState"] == "eyJuIjoxfQ=="
    assert connected.headers["ce-subprotocol"] == JSON


async def test_what_is_no_text_reaches_the_upstream_as_a_question_mark(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    token = client_token(service, half="\ud800")
    writer.write(
        f"GET /client/hubs/den?access_token={token} HTTP/1.1\r\nHost: localhost:{service.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: 3n0pQe1mP1x9S0d8Zk2yYw==\r\nX-Old: caf\xe9\r\n\r\n".encode("latin-1")
    )
    async with asyncio.timeout(30):
        answer = await reader.readline()
    writer.close()
    body = json.loads(upstream.events[0].body)

    assert answer.startswith(b"HTTP/1.1 101 ")
    assert (body["claims"]["half"], body["headers"]["X-Old"]) == (["?"], ["caf?"])


@pytest.mark.parametrize(("answered", "seen"), [(401, 401), (403, 403), (418, 418), (500, 500), (503, 503), (302, 500)])
async def test_a_refusal_of_the_upstream_is_the_clients(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, answered: int, seen: int
) -> None:
    upstream.answer = lambda _: web.Response(status=answered, text="a secret")

    assert await refusal(session, client_url(service)) == seen
    assert {one.event for one in upstream.events} == {"connect"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"groups":[" "]}',
        b'{"roles":"x"}',
        b'{"userId":7}',
        b'{"subprotocol":"not.offered"}',
        b'{"userId":"\\ud800"}',
        b'{"groups":["\\ud800"]}',
        b'{"roles":["\\ud800"]}',
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_500(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, body: bytes
) -> None:
    upstream.answer = lambda _: web.Response(body=body)

    assert await refusal(session, client_url(service)) == 500
    assert not service.service.hub("den").connections


@pytest.mark.parametrize("body", [b"", b"null", b"{}", b'{"userId":null,"groups":[],"unknown":1}'])
async def test_an_answer_without_changes_keeps_what_the_token_says(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, body: bytes
) -> None:
    upstream.answer = lambda received: web.Response(body=body if received.event == "connect" else b"")
    roles = ("webpubsub.sendToGroup.lobby",)

    async with json_client(session, service, "den", groups=("lobby",), roles=roles) as client:
        assert client.connected["userId"] == "ivy"
        answer = await client.ask(type="sendToGroup", group="lobby", dataType="text", data="here", ackId=1)
        assert answer["data"] == "here"


async def test_empty_roles_take_the_roles_of_the_token_away(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda _: web.json_response({"roles": []})

    async with json_client(session, service, "den", roles=("webpubsub.joinLeaveGroup",)) as client:
        answer = await client.ask(type="joinGroup", group="g", ackId=1)
        assert answer["error"]["name"] == "Forbidden"
