"""MQTT clients at the service's door, and beside its other clients (spec/service.md 7.1 to 7.4, 8)."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from localpubsub.engine import mqtt_client
from localpubsub.protocol.mqtt import packets as p
from localpubsub.protocol.mqtt.encoder import encode
from localpubsub.protocol.mqtt.packets import V3, V5
from localpubsub.protocol.mqtt.properties import Properties
from localpubsub.protocol.mqtt.reasons import Reason
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    Received,
    RecordingUpstream,
    client_token,
    config,
    json_client,
    rest_headers,
)
from tests.localpubsub.mqtt.peer import EVERYTHING, Peer, connected, knocked, mqtt_path, mqtt_url

CONNECT = p.Connect("buoy7", keep_alive=60)


async def refusal(session: aiohttp.ClientSession, url: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await session.ws_connect(url, protocols=["mqtt"])
    return caught.value.status


@pytest.mark.parametrize(
    ("offered", "echoed"),
    [
        (["mqtt"], "mqtt"),
        (["MQTT"], "MQTT"),
        (["mqttv3.1.1"], "mqttv3.1.1"),
        (["soap", "mqttv5", "mqtt"], "mqttv5"),
        ([], None),
    ],
)
async def test_the_subprotocol_is_named_as_it_was_offered(
    session: aiohttp.ClientSession, service: LocalPubSub, offered: list[str], echoed: str | None
) -> None:
    async with session.ws_connect(mqtt_url(service), protocols=offered) as socket:
        assert socket.protocol == echoed
        assert isinstance(await Peer(socket, V5).ask(CONNECT), p.ConnAck)


async def test_the_token_is_looked_at_before_anything_else(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    base = f"ws://localhost:{service.port}/clients/mqtt/hubs/"
    default = client_token(service, "open")

    assert await refusal(session, f"{base}den") == 401
    assert await refusal(session, f"{base}open?access_token=nonsense") == 401
    assert await refusal(session, f"{base}open?access_token={default}") == 401
    assert await refusal(session, mqtt_url(service, "open", exp=1)) == 401
    assert await refusal(session, mqtt_url(service, "open", groups=(" ",))) == 400
    assert await refusal(session, f"{base}no-hub") == 400
    async with session.get(f"{service.endpoint}{mqtt_path(service)}") as response:
        assert response.status == 400


async def test_the_header_will_do_for_the_token_and_both_claims_for_the_groups(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    token = mqtt_url(service, "den", groups=("a",), group=["b"]).partition("access_token=")[2]
    url = f"ws://localhost:{service.port}/clients/mqtt/hubs/DEN"
    async with session.ws_connect(url, protocols=["mqtt"], headers={"Authorization": f"Bearer {token}"}) as socket:
        await Peer(socket, V5).ask(CONNECT)
        assert service.service.hub("den").connections["buoy7"].groups == {"a", "b"}


async def test_a_hub_that_lets_anybody_in_lets_mqtt_in(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with connected(session, f"ws://localhost:{service.port}/clients/mqtt/hubs/open") as peer:
        connection = service.service.hub("open").connections["buoy7"]
        assert connection.user_id is None
        assert await peer.ask(p.Subscribe(1, (p.Subscription("g"),))) == p.SubAck(1, (Reason.NOT_AUTHORIZED,))


async def test_rest_makes_tokens_for_mqtt(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = "/api/hubs/den/:generateToken?clientType=mqtt&userId=mia&group=g"
    async with session.post(service.endpoint + path, headers=rest_headers(service, path)) as response:
        token = (await response.json())["token"]
    url = f"ws://localhost:{service.port}/clients/mqtt/hubs/den?access_token={token}"

    async with connected(session, url):
        connection = service.service.hub("den").connections["buoy7"]
        assert (connection.user_id, connection.groups) == ("mia", {"g"})


async def test_packets_may_share_frames_and_span_them(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with knocked(session, mqtt_url(service)) as peer:
        together = encode(CONNECT, V5) + encode(p.PingReq(), V5) + encode(p.Subscribe(1, (p.Subscription("g"),)), V5)
        for start in range(0, len(together), 7):
            await peer.socket.send_bytes(together[start : start + 7])
        answers = [await peer.receive() for _ in range(3)]

    assert [type(one) for one in answers] == [p.ConnAck, p.PingResp, p.SubAck]


@pytest.mark.parametrize(("version", "code"), [(V5, 1000), (V3, 1002)])
async def test_a_packet_too_large_ends_the_connection(
    session: aiohttp.ClientSession, service: LocalPubSub, version: int, code: int
) -> None:
    async with connected(session, mqtt_url(service), version=version) as peer:
        await peer.send(p.Publish("g", bytes(1024 * 1024)))
        if version == V5:
            packet = await peer.receive()
            assert isinstance(packet, p.Disconnect)
            assert packet.reason is Reason.PACKET_TOO_LARGE
        assert await peer.closed() == code


async def test_text_is_not_mqtt(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with connected(session, mqtt_url(service)) as peer:
        await peer.socket.send_str("hi")
        assert await peer.closed() == 1003


async def test_who_never_connects_is_hung_up_on(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    service._mqtt_clients.connect_seconds = 0.01
    async with knocked(session, mqtt_url(service)) as peer:
        assert await peer.closed() == 1002


def slowly(name: str) -> Callable[[Received], Awaitable[web.Response]]:
    """Takes its time over the events of that name."""

    async def answer(received: Received) -> web.Response:
        if received.event == name:
            answered = asyncio.Event()
            asyncio.get_running_loop().call_later(0.1, answered.set)
            await answered.wait()
        return web.Response(status=204)

    return answer


async def test_a_client_is_not_hung_up_on_for_a_slow_upstream(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    service._mqtt_clients.connect_seconds = 0.03
    upstream.answer = slowly("connect")
    async with knocked(session, mqtt_url(service, "den")) as peer:
        assert isinstance(await peer.ask(CONNECT), p.ConnAck)


async def test_a_stop_waits_for_the_events_on_their_way(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    upstream.answer = slowly("roll")
    async with LocalPubSub(config(upstream)) as service, connected(session, mqtt_url(service, "den")) as peer:
        await peer.send(p.Publish("$webpubsub/server/events/roll"), p.Disconnect())
        await upstream.wait_for("roll")

    assert [event.event for event in upstream.events] == ["connect", "connected", "roll", "disconnected"]


async def test_who_falls_silent_is_hung_up_on_and_is_not_when_it_speaks(
    session: aiohttp.ClientSession, service: LocalPubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_client, "PATIENCE", 0.5)
    async with connected(session, mqtt_url(service), keep_alive=1) as peer:
        for _ in range(20):
            assert await peer.ask(p.PingReq()) == p.PingResp()
        packet = await peer.receive()
        assert isinstance(packet, p.Disconnect)
        assert packet.reason is Reason.KEEP_ALIVE_TIMEOUT
        assert await peer.closed() == 1000


async def test_a_websocket_ping_is_answered(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(mqtt_url(service), protocols=["mqtt"], autoping=False) as socket:
        await socket.ping(b"x")
        answer = await socket.receive(timeout=5)
        assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"x")


async def test_a_bug_of_ours_is_not_the_end_of_the_service(
    session: aiohttp.ClientSession, service: LocalPubSub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(session, mqtt_url(service)) as peer:
        monkeypatch.setattr(service.mqtt, "subscribe", lambda *_: 1 / 0)
        packet = await peer.ask(p.Subscribe(1, (p.Subscription("g"),)))
        assert isinstance(packet, p.Disconnect)
        assert packet.reason is Reason.UNSPECIFIED_ERROR
        assert await peer.closed() == 1000


async def test_the_upstream_gets_the_headers_of_mqtt(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        if received.event != "roll":
            return web.Response(status=204)
        return web.Response(status=201, text="4", headers={"mqtt-trace": "t9", "ce-connectionState": "s"})

    upstream.answer = answer
    roll = "$webpubsub/server/events/roll"
    own = Properties(correlation_data=b"\x09", user_properties=(("Zone", "ä"),))
    async with connected(session, mqtt_url(service, "den")) as peer:
        reply = await peer.ask(p.Publish(roll, b"d6", properties=own))
        await peer.send(p.Disconnect())
        assert await peer.closed() == 1000
    (disconnected,) = await upstream.wait_for("disconnected")
    connect, opened, rolled, _ = upstream.events

    assert reply == p.Publish(
        f"{roll}/succeeded",
        b"4",
        properties=Properties(
            payload_format=1,
            content_type="text/plain; charset=utf-8",
            correlation_data=b"\x09",
            user_properties=(("trace", "t9"), ("azure-status-code", "201")),
        ),
    )
    physical = connect.headers["ce-physicalConnectionId"]
    for event in upstream.events:
        assert event.headers["ce-connectionId"] == "buoy7"
        assert event.headers["ce-subprotocol"] == "mqtt"
        assert event.headers["ce-physicalConnectionId"] == physical
        assert event.headers["ce-source"] == f"/hubs/den/client/buoy7/{physical}"
    assert "ce-sessionId" not in connect.headers
    assert len({event.headers["ce-sessionId"] for event in (opened, rolled, disconnected)}) == 1
    assert rolled.headers["mqtt-zone"].encode("utf-8", "surrogateescape").decode() == "ä"
    assert (rolled.body, rolled.headers["Content-Type"]) == (b"d6", "application/octet-stream")
    assert disconnected.headers["ce-connectionState"] == "s"
    assert json.loads(connect.body)["subprotocols"] == ["mqtt"]
    assert "access_token" not in json.loads(connect.body)["query"]


async def test_an_upstream_that_is_not_there_lets_nobody_in(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda _: web.Response(status=500)
    async with knocked(session, mqtt_url(service, "den")) as peer:
        assert await peer.ask(CONNECT) == p.ConnAck(Reason.UNSPECIFIED_ERROR)
        assert await peer.closed() == 1000


async def test_mqtt_and_json_clients_meet_in_a_group(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with (
        json_client(session, service, user="max", roles=EVERYTHING, groups=("reef.1",)) as other,
        connected(session, mqtt_url(service, user="ivy")) as five,
        connected(session, mqtt_url(service), "buoy8", V3) as three,
    ):
        for peer in (five, three):
            await peer.ask(p.Subscribe(1, (p.Subscription("reef.1", 1, no_local=peer is five),)))
        await five.send(p.Publish("reef.1", b'{"t":4}', properties=Properties(content_type="application/json")))
        assert await other.receive() == {
            "type": "message", "from": "group", "group": "reef.1", "fromUserId": "ivy", "dataType": "json",
            "data": {"t": 4},
        }  # fmt: skip
        assert await three.receive() == p.Publish("reef.1", b'{"t":4}')
        await three.send(p.Publish("reef.1", b"\x01"))
        assert (await other.receive())["data"] == "AQ=="
        for peer in (five, three):
            assert await peer.receive() == p.Publish("reef.1", b"\x01")
        await other.send(type="sendToGroup", group="reef.1", dataType="text", data="hi", noEcho=True, ttlSeconds=60)
        own = Properties(payload_format=1, content_type="text/plain", message_expiry=60)
        assert await five.receive() == p.Publish("reef.1", b"hi", 1, 1, properties=own)
        assert await three.receive() == p.Publish("reef.1", b"hi", 1, 1)


async def test_rest_reaches_mqtt_clients(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async def call(method: str, path: str, **options: object) -> int:
        headers = rest_headers(service, f"/api/hubs/open/{path}") | {"Content-Type": "text/plain"}
        url = f"{service.endpoint}/api/hubs/open/{path}"
        async with session.request(method, url, headers=headers, **options) as response:  # type: ignore[arg-type]
            return response.status

    own = Properties(payload_format=1, content_type="text/plain")
    messages = "$webpubsub/server/messages"
    async with connected(session, mqtt_url(service, user="ivy"), properties=Properties(session_expiry=20)) as peer:
        assert await call("PUT", "groups/g/connections/buoy7") == 200
        for number, (path, topic) in enumerate(
            (("groups/g/:send", "g"), ("connections/buoy7/:send", messages), ("users/ivy/:send", messages)), 1
        ):
            assert await call("POST", path, data="hi") == 202
            assert await peer.receive() == p.Publish(topic, b"hi", 1, number, properties=own)
        peer.socket._response.close()  # the network is gone
    assert await call("HEAD", "connections/buoy7") == 200
    assert await call("DELETE", "connections/buoy7?reason=enough") == 204
    assert await call("HEAD", "connections/buoy7") == 404


async def test_a_client_closed_by_rest_is_told_why(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = "/api/hubs/open/connections/buoy7?reason=enough"
    async with connected(session, mqtt_url(service)) as peer:
        async with session.delete(service.endpoint + path, headers=rest_headers(service, path)) as response:
            assert response.status == 204
        assert await peer.receive() == p.Disconnect(Reason.ADMINISTRATIVE_ACTION, Properties(reason_string="enough"))
        assert await peer.closed() == 1000


async def test_a_stop_says_goodbye_and_tells_the_upstream(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    service = LocalPubSub(config(upstream))
    await service.start()
    async with (
        connected(session, mqtt_url(service, "den")) as peer,
        knocked(session, mqtt_url(service, "den")) as stranger,
    ):
        stop = asyncio.create_task(service.stop())
        assert await peer.receive() == p.Disconnect(Reason.SERVER_SHUTTING_DOWN)
        assert await peer.closed() == 1001
        assert await stranger.closed() == 1001
        await stop
    assert [event.event for event in upstream.events] == ["connect", "connected", "disconnected"]
    assert json.loads(upstream.events[-1].body)["reason"] == "service reload"


async def test_the_service_may_be_lenient_with_client_ids(session: aiohttp.ClientSession) -> None:
    async with (
        LocalPubSub(config(mqtt_lenient_client_ids=True)) as service,
        connected(session, mqtt_url(service), "mqttjs_ab12"),
    ):
        assert "mqttjs_ab12" in service.service.hub("open").connections


async def test_a_fault_on_purpose_ends_a_client_at_its_next_packet(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    service.chaos.add("close 4001 hub=open every=2")
    async with connected(session, mqtt_url(service)) as peer:
        assert await peer.ask(p.PingReq()) == p.PingResp()
        await peer.send(p.PingReq())

        assert await peer.closed() == 4001
