"""MQTT libraries, unmodified, against the local service (spec/service.md 7, 13)."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from localpubsub.server import LocalPubSub
from tests.e2e.cable import Cable, cable_to
from tests.e2e.node_programs import Program, running
from tests.e2e.paho_client import Connected, Disconnected, Published, Said, Subscribed, paho
from tests.localpubsub.conftest import Received, RecordingUpstream, json_client
from tests.localpubsub.mqtt.peer import EVERYTHING, mqtt_path

VERSIONS = pytest.mark.parametrize("version", [MQTTv311, MQTTv5])
ROLL = "$webpubsub/server/events/roll"


def of(kind: int, **members: Any) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in members.items():
        setattr(properties, name, value)
    return properties


def lasting(version: int) -> dict[str, Any]:
    return {"properties": of(PacketTypes.CONNECT, SessionExpiryInterval=30)} if version == MQTTv5 else {}


def through(cable: Cable) -> str:
    """The audience of a token for a client that knows the near end only."""
    return f"http://localhost:{cable.port}/clients/mqtt/hubs/open"


def answer(received: Received) -> web.Response:
    if received.event == "roll":
        return web.Response(text="4", headers={"mqtt-trace": "t9"})
    return web.Response(status=403 if received.event == "steal" else 204, text=None)


@VERSIONS
async def test_paho_connects_and_is_told_what_there_is(service: LocalPubSub, version: int) -> None:
    async with paho(service.port, mqtt_path(service), version, keepalive=180) as (_, connected):
        assert (connected.reason, connected.session_present) == ("Success", False)
        if version == MQTTv5:
            assert connected.properties["WildcardSubscriptionAvailable"] == 0
            assert connected.properties["ReceiveMaximum"] == 100


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_paho_publishes_and_hears_itself(service: LocalPubSub, version: int, qos: int) -> None:
    async with paho(service.port, mqtt_path(service), version) as (client, _):
        client.client.subscribe("reef.1", qos)
        assert await client.hear() == Subscribed([qos])
        for number in range(5):
            client.client.publish("reef.1", f"{number}".encode(), qos)
        heard = [await client.hear() for _ in range(10)]

    assert heard.count(Published("Success")) == 5
    assert [(one.payload, one.qos) for one in heard if isinstance(one, Said)] == [
        (f"{number}".encode(), qos) for number in range(5)
    ]


@VERSIONS
async def test_paho_is_refused_what_it_may_not_do(service: LocalPubSub, version: int) -> None:
    path = mqtt_path(service, roles=("webpubsub.joinLeaveGroup.reef.1",))
    async with paho(service.port, path, version) as (client, _):
        client.client.subscribe([("reef.1", 0), ("attic", 0), ("reef/+", 0)])
        assert await client.hear() == Subscribed([0, 0x87, 0xA2] if version == MQTTv5 else [0, 0x80, 0x80])
        client.client.publish("reef.1", b"", 1)
        assert await client.hear() == Published("Not authorized" if version == MQTTv5 else "Success")


@VERSIONS
async def test_paho_finds_its_session_again_after_a_dropped_socket(service: LocalPubSub, version: int) -> None:
    async with (
        cable_to(service.port) as cable,
        paho(service.port, mqtt_path(service), version, "other") as (other, _),
        paho(cable.port, mqtt_path(service, aud=through(cable)), version, clean=False, **lasting(version)) as (
            client,
            _,
        ),
    ):
        client.client.subscribe("reef.1", 1)
        await client.hear()
        cable.pull()
        assert isinstance(await client.hear(), Disconnected)
        other.client.publish("reef.1", b"while away", 1)
        await other.hear()
        cable.plug()
        again = await client.hear()
        assert isinstance(again, Connected)
        assert again.session_present
        said = await client.hear()
        assert (said.payload, said.qos) == (b"while away", 1)


@VERSIONS
async def test_the_will_of_paho_is_sent(service: LocalPubSub, version: int) -> None:
    path = mqtt_path(service, groups=("wills",))
    will = {"topic": "wills", "payload": b"gone", "qos": 1}
    async with (
        cable_to(service.port) as cable,
        paho(service.port, path, version, "other") as (other, _),
        paho(cable.port, mqtt_path(service, aud=through(cable)), version, will=will),
    ):
        cable.pull()
        said = await other.hear()
        cable.plug()

    assert (said.topic, said.payload) == ("wills", b"gone")


@VERSIONS
async def test_paho_asks_the_upstream(service: LocalPubSub, upstream: RecordingUpstream, version: int) -> None:
    upstream.answer = answer
    five = version == MQTTv5
    own: dict[str, Any] = {}
    if five:
        own["properties"] = of(
            PacketTypes.PUBLISH, CorrelationData=b"\x09", ContentType="text/plain", UserProperty=("zone", "a")
        )
    async with paho(service.port, mqtt_path(service, "den"), version) as (client, _):
        client.client.publish(ROLL, b"d6", 0, **own)
        assert await client.hear() == Published("Success")
        said = await client.hear()
        client.client.publish("$webpubsub/server/events/steal", b"", 0)
        await client.hear()
        failed = await client.hear()
    (rolled,) = await upstream.wait_for("roll")

    assert (said.topic, said.payload, said.qos) == (f"{ROLL}/succeeded", b"4", 0)
    assert failed.topic == "$webpubsub/server/events/steal/failed"
    assert rolled.body == b"d6"
    if five:
        assert said.properties["CorrelationData"] == b"\x09"
        assert said.properties["UserProperty"] == [("trace", "t9"), ("azure-status-code", "200")]
        assert failed.properties["UserProperty"] == [("azure-status-code", "403")]
        assert (rolled.headers["mqtt-zone"], rolled.headers["Content-Type"]) == ("a", "text/plain")


@VERSIONS
async def test_paho_is_refused_by_the_upstream(service: LocalPubSub, upstream: RecordingUpstream, version: int) -> None:
    code = 138 if version == MQTTv5 else 5
    body = {"mqtt": {"code": code, "reason": "retired"}}
    upstream.answer = lambda _: web.json_response(body, status=403)
    async with paho(service.port, mqtt_path(service, "den"), version) as (_, connected):
        assert connected.reason == ("Banned" if version == MQTTv5 else "Not authorized")
    mqtt = json.loads(upstream.events[0].body)["mqtt"]

    assert mqtt["protocolVersion"] == version


@VERSIONS
async def test_paho_and_a_json_client_share_a_group(
    session: aiohttp.ClientSession, service: LocalPubSub, version: int
) -> None:
    async with (
        json_client(session, service, user="max", roles=EVERYTHING, groups=("reef.1",)) as other,
        paho(service.port, mqtt_path(service, user="ivy", groups=("reef.1",)), version) as (client, _),
    ):
        await other.send(type="sendToGroup", group="reef.1", dataType="json", data={"n": 1.0}, noEcho=True)
        said = await client.hear()
        client.client.publish("reef.1", b"\x01")
        frame = await other.receive()

    assert (said.topic, json.loads(said.payload), said.qos) == ("reef.1", {"n": 1.0}, 1)
    assert (frame["fromUserId"], frame["dataType"], frame["data"]) == ("ivy", "binary", "AQ==")
    if version == MQTTv5:
        assert (said.properties["ContentType"], said.properties["PayloadFormatIndicator"]) == ("application/json", 1)


class MqttJs:
    """What clients are told between two requests waits until somebody listens."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._heard: list[dict[str, Any]] = []

    async def do(self, client: str, verb: str, **members: Any) -> dict[str, Any]:
        await self._program.say({"client": client, "verb": verb} | members)
        while "done" not in (message := await self._program.hear()):
            self._heard.append(message)
        return message

    async def hear(self, client: str, event: str) -> dict[str, Any]:
        """The next of its kind; others stay where they are."""
        while True:
            for message in self._heard:
                if (message["client"], message["event"]) == (client, event):
                    self._heard.remove(message)
                    return message
            self._heard.append(await self._program.hear())

    async def connect(self, port: int, path: str, version: int, name: str = "buoy7", **options: Any) -> dict[str, Any]:
        own = {"clientId": name, "protocolVersion": version, "reconnectPeriod": 50, "clean": True} | options
        await self.do(name, "connect", url=f"ws://127.0.0.1:{port}{path}", options=own)
        return await self.hear(name, "connect")


@pytest.fixture
async def js() -> AsyncIterator[MqttJs]:
    async with running("mqtt_client.cjs") as program:
        yield MqttJs(program)


@VERSIONS
async def test_mqtt_js_publishes_and_hears_itself(js: MqttJs, service: LocalPubSub, version: int) -> None:
    connected = await js.connect(service.port, mqtt_path(service), version)
    assert connected["sessionPresent"] is False
    for qos in (0, 1, 2):
        assert (await js.do("buoy7", "subscribe", topic="reef.1", options={"qos": qos}))["granted"] == [qos]
        assert "failed" not in await js.do("buoy7", "publish", topic="reef.1", payload="hi", options={"qos": qos})
        said = await js.hear("buoy7", "message")
        assert (said["topic"], said["payload"], said["qos"]) == ("reef.1", "hi", qos)
    await js.do("buoy7", "unsubscribe", topic="reef.1")
    assert not service.service.hub("open").group("reef.1")


@VERSIONS
async def test_mqtt_js_finds_its_session_again_and_its_will_is_sent(
    js: MqttJs, service: LocalPubSub, version: int
) -> None:
    path = mqtt_path(service)
    will = {"topic": "wills", "payload": "gone", "qos": 1}
    properties: dict[str, Any] = {"properties": {"sessionExpiryInterval": 30}} if version == MQTTv5 else {}
    async with cable_to(service.port) as cable:
        await js.connect(service.port, path, version, "other")
        await js.do("other", "subscribe", topic="wills", options={"qos": 0})
        near = mqtt_path(service, aud=through(cable))
        await js.connect(cable.port, near, version, clean=False, will=will, resubscribe=False, **properties)
        await js.do("buoy7", "subscribe", topic="reef.1", options={"qos": 2})
        cable.pull()
        assert (await js.hear("other", "message"))["payload"] == "gone"
        await js.do("other", "publish", topic="reef.1", payload="while away", options={"qos": 2})
        cable.plug()
        assert (await js.hear("buoy7", "connect"))["sessionPresent"] is True
        said = await js.hear("buoy7", "message")
        assert (said["payload"], said["qos"]) == ("while away", 2)
        await js.do("buoy7", "end")


@VERSIONS
async def test_mqtt_js_asks_the_upstream(
    js: MqttJs, service: LocalPubSub, upstream: RecordingUpstream, version: int
) -> None:
    upstream.answer = answer
    properties = {"correlationData": "09", "contentType": "text/plain", "userProperties": {"zone": "a"}}
    options = {"qos": 1} | ({"properties": properties} if version == MQTTv5 else {})
    await js.connect(service.port, mqtt_path(service, "den"), version)
    await js.do("buoy7", "publish", topic=ROLL, payload="d6", options=options)
    said = await js.hear("buoy7", "message")

    assert (said["topic"], said["payload"], said["qos"]) == (f"{ROLL}/succeeded", "4", 1)
    if version == MQTTv5:
        assert said["properties"]["userProperties"] == {"trace": "t9", "azure-status-code": "200"}
        assert bytes(said["properties"]["correlationData"]["data"]) == b"09"
        assert said["properties"]["contentType"] == "text/plain; charset=utf-8"
    await js.do("buoy7", "end")
    (disconnected,) = await upstream.wait_for("disconnected")
    packet = {"code": 0, "userProperties": None}
    assert json.loads(disconnected.body)["mqtt"] == {"initiatedByClient": True, "disconnectPacket": packet}


@VERSIONS
async def test_mqtt_js_and_a_json_client_share_a_group(
    js: MqttJs, session: aiohttp.ClientSession, service: LocalPubSub, version: int
) -> None:
    async with json_client(session, service, user="max", roles=EVERYTHING, groups=("reef.1",)) as other:
        await js.connect(service.port, mqtt_path(service, user="ivy", groups=("reef.1",)), version)
        await other.send(type="sendToGroup", group="reef.1", dataType="text", data="hi", noEcho=True)
        assert (await js.hear("buoy7", "message"))["payload"] == "hi"
        properties = {"properties": {"contentType": "application/json"}} if version == MQTTv5 else {}
        await js.do("buoy7", "publish", topic="reef.1", payload='{"t":4}', options={"qos": 0} | properties)
        frame = await other.receive()

    assert frame["fromUserId"] == "ivy"
    assert frame["data"] == ({"t": 4} if version == MQTTv5 else "eyJ0Ijo0fQ==")


async def test_mqtt_js_hears_that_another_took_its_place(js: MqttJs, service: LocalPubSub) -> None:
    path = mqtt_path(service)
    await js.connect(service.port, path, MQTTv5, reconnectPeriod=0)
    async with paho(service.port, path):
        assert (await js.hear("buoy7", "disconnect"))["reasonCode"] == 0x8E
