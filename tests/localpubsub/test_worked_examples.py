"""The worked examples of spec/service.md, kept as data in tests/wire, replayed against the service."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from localpubsub.config import EventHandler, HubSettings
from localpubsub.edge.cloudevents import Response, read_answer, request_headers
from localpubsub.engine.upstream import UpstreamEvent
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    JSON,
    PRIMARY,
    SECONDARY,
    RecordingUpstream,
    client_url,
    config,
    json_client,
)
from tests.localpubsub.mqtt.peer import knocked, mqtt_url
from tests.localpubsub.reliable_client import (
    Losses,
    recovered,
    recovery_url,
    refused,
    reliable_client,
    send_to_connection,
)
from tests.localpubsub.rest_calls import call
from tests.localpubsub.tunnel_client import tunnel

EXAMPLES = json.loads((Path(__file__).parents[1] / "wire" / "worked-examples.json").read_text())


def rolling(upstream: RecordingUpstream, answer: str) -> None:
    upstream.answer = lambda received: (
        web.Response(text=answer) if received.event == "roll" else web.Response(status=204)
    )


async def test_1_6_a_handshake(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    example = EXAMPLES["1.6 handshake"]
    async with session.ws_connect(client_url(service), protocols=[example["subprotocol"]]) as socket:
        connected = await socket.receive_json(timeout=5)
        assert socket.protocol == example["subprotocol"]
    assert connected.pop("connectionId")
    assert connected == example["connected"]

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect(f"ws://localhost:{service.port}/client/hubs/den", protocols=[JSON])
    assert caught.value.status == example["without_token"]
    assert caught.value.headers is not None
    assert caught.value.headers["Content-Length"] == "0"


async def test_2_6_permissions(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    example = EXAMPLES["2.6 permissions"]
    async with json_client(session, service, roles=example["roles"], groups=example["groups"]) as client:
        for kind, expected in (("allowed", True), ("forbidden", False)):
            for number, (command, group) in enumerate(example[kind], start=100 * expected + 1):
                ack = await client.ask(type=command, group=group, dataType="text", data="x", ackId=number)
                assert ack["success"] is expected, (command, group)
        path = f"/api/hubs/open/groups/{example['heard']}/:send"
        await call(session, service, "POST", path, headers={"Content-Type": "text/plain"}, data=b"heard")
        assert (await client.receive())["data"] == "heard"


async def test_3_10_an_exchange(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    example = EXAMPLES["3.10 exchange"]
    rolling(upstream, example["roll"])
    async with json_client(session, service, "den", roles=example["roles"]) as client:
        for side, frame in example["frames"]:
            if side == "C":
                await client.socket.send_str(frame)
            elif side == "S":
                received = await client.socket.receive_str(timeout=5)
                assert json.loads(received, parse_float=str) == json.loads(frame, parse_float=str)
            else:
                assert await client.closed() == frame


async def test_4_4_a_recovery(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    example = EXAMPLES["4.4 recovery"]
    losses = Losses(service)
    async with (
        json_client(session, service, user="max", roles=("webpubsub.sendToGroup",)) as publisher,
        reliable_client(session, service, groups=("reef.1",)) as client,
    ):
        await send_to_connection(session, service, client.id, "a")
        assert await client.receive() == example["confirmed"]
        await client.send(type="sequenceAck", sequenceId=1)
        await publisher.ask(type="sendToGroup", group="reef.1", dataType="text", data="b", ackId=1)
        assert await client.receive() == example["again"][0]
        client.drop()
        await losses.next()
        await send_to_connection(session, service, client.id, "c")
        async with recovered(session, service, client) as again:
            assert (again.id, again.connected["userId"]) == (client.id, "ivy")
            assert [await again.receive() for _ in range(2)] == example["again"]
            await again.send(type="sequenceAck", sequenceId=3)
            await again.ask(type="ping")
            service.service.sessions.recovery_seconds = 0.0
            again.drop()
            await losses.next()
    assert not service.service.hub("open").connections.get(client.id)
    url = recovery_url(service, "open", client.id, client.token)
    assert list(await refused(session, url)) == example["too_late"]


async def test_7_8_mqtt(session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream) -> None:
    example = EXAMPLES["7.8 mqtt"]
    rolling(upstream, example["roll"])
    async with (
        json_client(session, service, "den", user="max", groups=("reef.1",)) as member,
        knocked(session, mqtt_url(service, "den")) as peer,
    ):
        for side, packet, *expected in example["packets"]:
            if side == "C":
                await peer.socket.send_bytes(bytes.fromhex(packet))
                continue
            received = await peer.receive()
            assert type(received).__name__ == packet
            assert said(received, expected[0]) == expected[0]
        assert await member.receive() == example["member"]


def said(packet: Any, names: dict[str, Any]) -> dict[str, Any]:
    """What the example names of it, in the words of JSON."""
    found: dict[str, Any] = {}
    for name, expected in names.items():
        value = getattr(packet, name)
        if isinstance(expected, dict):
            value = said(value, expected)
        elif isinstance(value, bytes):
            value = value.decode()
        elif isinstance(value, tuple):
            value = [list(one) if isinstance(one, tuple) else one for one in value]
        found[name] = value
    return found


async def test_8_7_a_rest_call(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    example = EXAMPLES["8.7 rest"]
    async with (
        json_client(session, service, "den", user="max", groups=("reef.1",)) as chosen,
        json_client(session, service, "den", user="ivy", groups=("reef.1",)) as excluded,
        json_client(session, service, "den", user=None, groups=("reef.1",)) as nobody,
    ):
        path, headers, body = example["path"].replace("ID", excluded.id), example["headers"], example["body"].encode()
        sent = await call(session, service, "POST", path, headers=headers, data=body)
        assert (sent.status, sent.headers["api-supported-versions"]) == (example["status"], example["versions"])
        assert {"fromUserId": None} | await chosen.receive() == example["max"]
        for silent in (excluded, nobody):
            assert (await silent.ask(type="ping"))["type"] == "pong"

        text, status, error = example["bad_filter"]
        path = f"/api/hubs/den/groups/reef.1/:send?filter={quote(text)}"
        answer = await call(session, service, "POST", path, headers=headers, data=body)
        assert (answer.status, await answer.json()) == (status, error)


def test_9_10_a_webhook() -> None:
    example = EXAMPLES["9.10 webhook"]
    hub, connection_id, family, name, number, body, content_type, user_id, subprotocol = example["event"]
    event = UpstreamEvent(
        hub, connection_id, family, name, number, body.encode(), content_type, user_id, subprotocol
    )  # fmt: skip
    headers = CIMultiDict(request_headers(event, example["origin"], (PRIMARY, SECONDARY), ""))
    assert {key: headers[key] for key in example["headers"]} == example["headers"]
    assert re.fullmatch(example["time"], headers["ce-time"])

    answered = example["answer"]
    answer = read_answer(Response(200, CIMultiDictProxy(CIMultiDict(answered["headers"])), answered["body"].encode()))
    assert (answer.body, answer.state) == (answered["body"].encode(), answered["state"])


async def test_10_7_a_tunnel(session: aiohttp.ClientSession) -> None:
    example = EXAMPLES["10.7 tunnel"]
    hubs = {"den": HubSettings(event_handlers=(EventHandler(example["url"], (), "*"),))}
    async with (
        LocalPubSub(config(hubs=hubs)) as service,
        tunnel(session, service) as far_end,
        json_client(session, service, "den") as client,
    ):
        await client.send(type="event", event="roll", dataType="text", data=example["content"], ackId=1)
        request = await far_end.receive()
        assert {name: request.members[name] for name in example["request"]} == example["request"]
        assert request.members["Headers"]["ce-id"] == ["1"]
        assert request.content == example["content"].encode()
        await far_end.answer(request, 200, example["answer"].encode(), content_type="text/plain")
        assert (await client.receive())["data"] == example["answer"]
