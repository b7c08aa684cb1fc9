"""What one kind of client sends, as the other kinds receive it (spec/service.md 3.4, 5.3, 6)."""

import asyncio
import base64
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    JSON,
    Received,
    RecordingUpstream,
    client_token,
    client_url,
    json_client,
    rest_headers,
)
from tests.localpubsub.protobuf_schema import AnyMessage, DownstreamMessage, UpstreamMessage

PROTOBUF = "protobuf.webpubsub.azure.v1"
SEND = ("webpubsub.sendToGroup",)
ANY = AnyMessage(type_url="type.googleapis.com/x", value=b"\x08\x01").SerializeToString()


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def receive(socket: aiohttp.ClientWebSocketResponse) -> Any:
    return DownstreamMessage.FromString(await socket.receive_bytes(timeout=5))


@pytest.mark.parametrize(
    ("data_type", "data", "field", "value"),
    [
        ("text", "hi", "text_data", "hi"),
        ("json", {"n": 1.0}, "json_data", '{"n": 1.0}'),
        ("binary", "AQI=", "binary_data", b"\x01\x02"),
        ("protobuf", encoded(ANY), "protobuf_data", AnyMessage.FromString(ANY)),
    ],
)
async def test_from_json_to_protobuf(
    session: aiohttp.ClientSession, service: LocalPubSub, data_type: str, data: object, field: str, value: object
) -> None:
    async with (
        session.ws_connect(client_url(service, "open", groups=("g",)), protocols=[PROTOBUF]) as receiver,
        json_client(session, service, roles=SEND) as sender,
    ):
        await receive(receiver)
        await sender.send(
            type="sendToGroup", group="g", dataType=data_type, data=data, metadata={"trace": "t9"}, ttlSeconds=30
        )
        message = (await receive(receiver)).data_message

    assert (getattr(message, "from"), message.group, dict(message.metadata)) == ("group", "g", {"trace": "t9"})
    assert message.data.WhichOneof("member") == field
    assert getattr(message.data, field) == value


@pytest.mark.parametrize(
    ("field", "value", "data_type", "data", "raw"),
    [
        ("text_data", "hi", "text", "hi", "hi"),
        ("json_data", '{"n":1.0}', "json", {"n": 1.0}, '{"n":1.0}'),
        ("binary_data", b"\x01\x02", "binary", "AQI=", b"\x01\x02"),
        ("protobuf_data", AnyMessage.FromString(ANY), "protobuf", encoded(ANY), ANY),
    ],
    ids=str,
)
async def test_from_protobuf_to_everybody(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    field: str,
    value: Any,
    data_type: str,
    data: object,
    raw: str | bytes,
) -> None:
    upstream = UpstreamMessage()
    send = upstream.send_to_group_message
    send.group, send.ack_id, send.no_echo, send.metadata["trace"] = "g", 7, True, "t9"
    if isinstance(value, AnyMessage):
        send.data.protobuf_data.CopyFrom(value)
    else:
        setattr(send.data, field, value)
    async with (
        session.ws_connect(
            client_url(service, "open", user="pb", roles=SEND, groups=("g",)), protocols=[PROTOBUF]
        ) as sender,
        json_client(session, service, groups=("g",)) as json_receiver,
        session.ws_connect(client_url(service, "open", groups=("g",))) as raw_receiver,
    ):
        await receive(sender)
        await sender.send_bytes(upstream.SerializeToString())
        ack = (await receive(sender)).ack_message
        message, frame = await json_receiver.receive(), await raw_receiver.receive(timeout=5)

    assert (ack.ack_id, ack.success) == (7, True)  # and nothing before it: there is no echo
    assert message == {
        "type": "message", "from": "group", "group": "g", "fromUserId": "pb", "dataType": data_type, "data": data,
        "metadata": {"trace": "t9"},
    }  # fmt: skip
    assert frame.data == raw


async def test_an_event_of_a_protobuf_client_and_its_answer(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        if received.event != "ask":
            return web.Response(status=204)
        return web.Response(body=received.body, headers={"Content-Type": received.headers["Content-Type"]})

    upstream.answer = answer
    request = UpstreamMessage()
    request.event_message.event, request.event_message.ack_id = "ask", 0
    request.event_message.data.protobuf_data.CopyFrom(AnyMessage.FromString(ANY))
    async with session.ws_connect(client_url(service), protocols=[PROTOBUF]) as socket:
        await receive(socket)
        await socket.send_bytes(request.SerializeToString())
        message, ack = await receive(socket), await receive(socket)
    event = (await upstream.wait_for("ask"))[0]

    assert (event.body, event.headers["Content-Type"]) == (ANY, "application/x-protobuf")
    assert event.headers["ce-subprotocol"] == PROTOBUF
    assert getattr(message.data_message, "from") == "server"
    assert message.data_message.data.protobuf_data == AnyMessage.FromString(ANY)
    assert (ack.ack_message.HasField("error"), ack.ack_message.success) == (False, True)


async def test_a_protobuf_client_is_told_why_it_is_closed(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(client_url(service, "open"), protocols=[PROTOBUF]) as socket:
        connected = (await receive(socket)).system_message.connected_message
        path = f"/api/hubs/open/connections/{connected.connection_id}?reason=enough"
        async with session.delete(service.endpoint + path, headers=rest_headers(service, path)) as response:
            assert response.status == 204

        assert (await receive(socket)).system_message.disconnected_message.reason == "enough"
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(("chosen", "offered"), [(JSON, JSON.upper()), (JSON.upper(), JSON)])
async def test_an_upstream_may_spell_a_well_known_subprotocol_its_own_way(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, chosen: str, offered: str
) -> None:
    upstream.answer = lambda one: (
        web.json_response({"subprotocol": chosen}) if one.event == "connect" else web.Response(status=204)
    )
    async with session.ws_connect(client_url(service), protocols=["other", offered]) as socket:
        assert socket.protocol == offered
        assert (await socket.receive_json(timeout=5))["event"] == "connected"


async def test_a_custom_subprotocol_is_a_raw_client(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        if received.event == "connect":
            return web.json_response({"subprotocol": "den.v1"})
        return web.Response(text="pong") if received.event == "message" else web.Response(status=204)

    upstream.answer = answer
    async with session.ws_connect(client_url(service), protocols=[JSON, "den.v1"]) as socket:
        assert socket.protocol == "den.v1"
        await socket.send_str("ping")
        assert await socket.receive_str(timeout=5) == "pong"
    event = (await upstream.wait_for("message"))[0]

    assert (event.body, event.headers["ce-subprotocol"]) == (b"ping", "den.v1")


async def test_an_answer_of_metadata_alone_is_an_empty_text_to_a_raw_client(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.Response(
        status=204, headers={"x-webpubsub-metadata-t": "9"} if one.event == "message" else {}
    )
    async with session.ws_connect(client_url(service)) as socket:
        await socket.send_str("x")
        message = await socket.receive(timeout=5)

    assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, "")


async def test_the_mode_of_a_raw_client_works_at_the_old_address(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    token = client_token(service, "open", roles=SEND, groups=("g",))
    query = f"HUB=open&WebPubSub_Mode=SENDTOGROUP&Group=other&group=g&NOECHO=False&access_token={token}"
    async with session.ws_connect(f"ws://localhost:{service.port}/client?{query}") as socket:
        await socket.send_str("x")
        assert await socket.receive_str(timeout=5) == "x"


@pytest.mark.parametrize(
    "query", ["webpubsub_mode=x", "webpubsub_mode=sendToGroup", "webpubsub_mode=sendToGroup&group=g&noEcho=1"]
)
async def test_a_mode_that_makes_no_sense_is_refused_whatever_subprotocol_is_offered(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, query: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect(client_url(service, "den", f"&{query}"), protocols=[JSON])

    assert caught.value.status == 400
    assert upstream.events == []


async def test_the_upstream_hears_of_a_client_that_did_not_wait_for_its_answer(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    """`connect` let it in, so there is an end to be told."""
    connecting: asyncio.Task[Any] | None = None

    async def answer(received: Received) -> web.Response:
        if received.event == "connect" and connecting is not None:
            connecting.cancel()
            server: Any = service._runner and service._runner.server
            while any(one.connected for one in server.connections):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0)
        return web.Response(status=204)

    upstream.answer = answer
    connecting = asyncio.create_task(session.ws_connect(client_url(service)).__aenter__())
    await asyncio.gather(connecting, return_exceptions=True)
    await upstream.wait_for("disconnected")

    assert [one.event for one in upstream.events] == ["connect", "disconnected"]


async def test_a_handshake_that_cannot_succeed_is_refused_before_the_upstream_is_asked(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    url = client_url(service).replace("ws:", "http:")
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "12"}

    async with session.get(url, headers=headers) as response:
        assert response.status == 400
    assert upstream.events == []
