"""What the console does on request."""

import asyncio
import base64
import io
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from localpubsub.config import EventHandler, HubSettings
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, PRIMARY, RecordingUpstream, config, json_client
from tests.localpubsub.console_page import OWN, base, command, looking


async def test_a_token_opens_a_connection(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    roles = ["webpubsub.joinLeaveGroup"]
    status, made = await command(
        session, service, "token", hub="den", userId="max", roles=roles, groups=["lobby"], minutes=5, protocol="default"
    )
    async with session.ws_connect(made["url"], protocols=[JSON]) as socket:
        connected = await socket.receive_json(timeout=5)
    claims = jwt.decode(made["token"], PRIMARY, algorithms=["HS256"], options={"verify_aud": False})

    assert (status, connected["userId"]) == (200, "max")
    assert (claims["role"], claims["webpubsub.group"], claims["exp"] - claims["iat"]) == (roles, ["lobby"], 300)


async def test_a_token_for_mqtt_has_an_address_of_its_own(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    _, made = await command(session, service, "token", hub="den", protocol="mqtt")

    assert made["url"] == f"ws://localhost:{service.port}/clients/mqtt/hubs/den?access_token={made['token']}"


@pytest.mark.parametrize(
    ("target", "gets_it"),
    [
        ({"kind": "all"}, True),
        ({"kind": "group", "name": "lobby"}, True),
        ({"kind": "user", "name": "ivy"}, True),
        ({"kind": "connection", "name": "{id}"}, True),
        ({"kind": "group", "name": "attic"}, False),
        ({"kind": "connection", "name": "nobody"}, False),
    ],
)
async def test_a_message_reaches_its_target(
    session: aiohttp.ClientSession, service: LocalPubSub, target: dict[str, str], gets_it: bool
) -> None:
    async with json_client(session, service, groups=("lobby",)) as ivy:
        whom = {name: value.format(id=ivy.id) for name, value in target.items()}
        status, sent = await command(session, service, "publish", hub="open", target=whom, dataType="text", data="hi")
        if gets_it:
            message = await ivy.receive()
            assert (message["data"], message.get("group")) == ("hi", "lobby" if whom["kind"] == "group" else None)

    assert (status, sent) == (200, {"receivers": int(gets_it)})


@pytest.mark.parametrize(
    ("data_type", "data", "seen"),
    [("json", '{"a": 1.0}', {"a": 1.0}), ("json", {"a": 1}, {"a": 1}), ("binary", "AQI=", "AQI="), ("text", "ö", "ö")],
)
async def test_every_type_of_data(
    session: aiohttp.ClientSession, service: LocalPubSub, data_type: str, data: Any, seen: Any
) -> None:
    async with looking(session, service) as page, json_client(session, service) as ivy:
        await command(session, service, "publish", hub="open", target={"kind": "all"}, dataType=data_type, data=data)
        message = await ivy.receive()
        delivery = await page.record("delivery")

    assert (message["dataType"], message["data"]) == (data_type, seen)
    assert (delivery["cause"], delivery["detail"]["receivers"]) == (None, 1)


async def test_a_connection_is_closed(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as ivy:
        status, _ = await command(session, service, "close", hub="open", connectionId=ivy.id, reason="enough")
        goodbye = await ivy.receive()
        assert await ivy.closed() == 1000
        again, sentence = await command(session, service, "close", hub="open", connectionId=ivy.id)

    assert (status, goodbye["message"]) == (204, "enough")
    assert (again, sentence) == (404, "There is no such connection any more.")


async def test_an_event_is_sent_again_and_the_client_hears_nothing_of_it(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with looking(session, service) as page, json_client(session, service, "den") as ivy:
        upstream.answer = lambda _: web.Response(text="17")
        await ivy.ask(type="event", event="roll", dataType="text", data="d20")
        first = await page.record("event", lambda one: one["summary"] == "roll")
        status, _ = await command(session, service, "replay", recordId=first["id"])
        second = await page.record("event", lambda one: one["cause"] == first["id"] and one["detail"]["answer"])
        again = await ivy.ask(type="ping")
    one, other = await upstream.wait_for("roll", 2)

    assert status == 204
    assert (second["status"], second["detail"]["answer"]["body"]) == (200, "17")
    assert again == {"type": "pong"}
    assert (one.body, one.headers["ce-connectionId"]) == (other.body, other.headers["ce-connectionId"])
    assert one.headers["ce-id"] != other.headers["ce-id"]


async def test_an_event_is_sent_again_after_its_connection_is_gone_and_may_fail(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with looking(session, service) as page:
        async with json_client(session, service, "den"):
            gone = await page.record("event", lambda one: one["summary"] == "connect" and one["status"])
        upstream.answer = lambda _: web.Response(status=401)
        await command(session, service, "replay", recordId=gone["id"])
        again = await page.record("event", lambda one: one["cause"] == gone["id"] and one["status"])

    assert again["status"] == 401


async def test_a_repeat_that_is_not_answered_does_not_keep_the_service(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    service = LocalPubSub(config(upstream))
    await service.start()
    never = asyncio.Event()

    async def answer(_: Any) -> web.Response:
        await never.wait()
        return web.Response()

    async with looking(session, service) as page:
        async with json_client(session, service, "den"):
            told = await page.record("event", lambda one: one["summary"] == "connected" and one["status"])
        await page.record("event", lambda one: one["summary"] == "disconnected" and one["status"])
        upstream.answer = answer
        await command(session, service, "replay", recordId=told["id"])
        await upstream.wait_for("connected", 2)
        async with asyncio.timeout(5):
            await asyncio.gather(service.stop(), page.socket.receive())
        never.set()


async def test_what_is_not_kept_cannot_be_sent_again(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with looking(session, service) as page, json_client(session, service, "den") as ivy:
        await ivy.send(type="event", event="large", dataType="text", data="x" * 70_000)
        large = await page.record("event", lambda one: one["summary"] == "large")
        too_large = await command(session, service, "replay", recordId=large["id"])
        frame = await page.record("frame")
        no_event = await command(session, service, "replay", recordId=frame["id"])
        unknown = await command(session, service, "replay", recordId=10**9)

    assert too_large == (400, "Its body is larger than 64 KiB and was not kept: it cannot be sent again.")
    assert no_event == unknown == (400, "There is no such event any more.")


async def test_faults_are_added_listed_and_removed(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    form: dict[str, Any] = {"hub": "open", "group": "", "user": "", "what": "delay", "value": 200, "probability": 0.5}
    _, delay = await command(session, service, "chaos", **form)
    _, drop = await command(session, service, "chaos", rule="drop group=lobby")
    _, both = await command(session, service, "chaos", "GET")
    removed, _ = await command(session, service, "chaos", "DELETE", id=delay["id"])
    again = await command(session, service, "chaos", "DELETE", id=delay["id"])
    left = [str(one.rule) for one in service.chaos.rules]
    cleared, _ = await command(session, service, "chaos", "DELETE")

    assert both == {"rules": [delay, drop]}
    assert {**form, "rule": "delay 0.2s hub=open p=0.5"}.items() <= delay.items()
    assert (removed, again) == (204, (400, "There is no such fault any more."))
    assert left == ["drop group=lobby"]
    assert (cleared, service.chaos.rules) == (204, ())


@pytest.mark.parametrize(
    ("form", "rule"),
    [
        ({"what": "delay", "value": 1500}, "delay 1.5s"),
        ({"what": "drop", "value": None}, "drop"),
        ({"what": "duplicate", "user": "ivy"}, "duplicate user=ivy"),
        ({"what": "close", "value": 1008}, "close 1008"),
        ({"what": "429", "value": 7}, "rest 429 retry-after=7"),
        ({"what": "5xx", "value": 502}, "rest 502"),
        ({"what": "webhook-delay"}, "webhook-delay 0.5s"),
        ({"what": "webhook-fail"}, "webhook-fail unreachable"),
    ],
)
async def test_every_fault_of_the_form(
    session: aiohttp.ClientSession, service: LocalPubSub, form: dict[str, Any], rule: str
) -> None:
    status, added = await command(session, service, "chaos", **form)

    assert (status, added["rule"], added["what"]) == (200, rule, form["what"])
    assert form.get("value") in (None, added["value"])


PUBLISH = {"hub": "open", "target": {"kind": "all"}, "dataType": "text", "data": ""}


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("token", {}, "hub is missing."),
        ("token", {"hub": "9"}, "The hub name is not legal."),
        ("token", {"hub": 9}, "hub is a text."),
        ("token", {"hub": "a", "minutes": "x"}, "minutes is a whole number."),
        ("token", {"hub": "a", "minutes": 0}, "minutes must be 1 to 2147483647."),
        ("token", {"hub": "a", "roles": "r"}, "roles is a list of texts."),
        ("token", {"hub": "a", "groups": [" "]}, "The group name is not legal."),
        ("token", {"hub": "a", "protocol": "amqp"}, "protocol is Default or MQTT."),
        ("publish", PUBLISH | {"hub": ""}, "hub is missing."),
        ("publish", PUBLISH | {"target": "all"}, 'target is an object, as {"kind": "group", "name": "lobby"}.'),
        ("publish", PUBLISH | {"target": {"kind": "group"}}, "name is missing."),
        ("publish", PUBLISH | {"target": {"kind": "group", "name": " "}}, "The group name is not legal."),
        ("publish", PUBLISH | {"target": {"kind": "x", "name": "y"}}, "target.kind is all, group, user or connection."),
        ("publish", PUBLISH | {"dataType": "xml"}, "dataType is text, json or binary."),
        ("publish", PUBLISH | {"dataType": "json", "data": "{"}, "The data is not JSON."),
        ("publish", PUBLISH | {"dataType": "binary", "data": "é"}, "The data is not base64."),
        ("publish", PUBLISH | {"data": "\ud800"}, "The data is not legal text."),
        ("publish", PUBLISH | {"data": "x" * (1024 * 1024 + 1)}, "A message has at most 1 MiB."),
        ("close", {"hub": "open"}, "connectionId is missing."),
        ("replay", {"recordId": "x"}, "There is no such event any more."),
        ("chaos", {"what": "explode"}, "what is one of delay, drop"),
        ("chaos", {"what": "drop", "probability": 2}, "This is no fault: p is above 0 and at most 1."),
        ("chaos", {"what": "drop", "probability": "x"}, "probability is a number."),
        ("chaos", {"what": "close", "value": 1e300}, "value is a number."),
        ("chaos", {"what": "drop", "hub": 5}, "hub, group and user are texts."),
        ("chaos", {"rule": "explode"}, "This is no fault: 'explode': it begins with none of"),
    ],
)
async def test_what_makes_no_sense_is_said_in_a_sentence(
    session: aiohttp.ClientSession, service: LocalPubSub, name: str, values: dict[str, Any], sentence: str
) -> None:
    status, text = await command(session, service, name, **values)

    assert status == 400
    assert text.startswith(sentence)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "text/plain", 400),
        (b"", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"x" * (2 * 1024 * 1024 + 1), "application/json", 413),
    ],
)
async def test_a_command_is_a_json_object(
    session: aiohttp.ClientSession, service: LocalPubSub, body: bytes, content_type: str, status: int
) -> None:
    headers = {**OWN, "Content-Type": content_type}
    async with session.post(f"{base(service)}/console/api/publish", data=io.BytesIO(body), headers=headers) as response:
        text = await response.text()

    assert response.status == status
    assert text.endswith(".")


@pytest.mark.parametrize("header", [{}, {"X-Console": ""}, {"X-Console": "2"}])
@pytest.mark.parametrize(("method", "name"), [("POST", "token"), ("GET", "chaos"), ("DELETE", "chaos")])
async def test_a_page_from_elsewhere_cannot_command(
    session: aiohttp.ClientSession, service: LocalPubSub, header: dict[str, str], method: str, name: str
) -> None:
    service.chaos.add("drop")
    url = f"{base(service)}/console/api/{name}"
    async with session.request(method, url, json={"hub": "den"}, headers=header) as response:
        assert response.status == 403
    async with session.options(url, headers={"Origin": "http://evil.example"}) as preflight:
        assert not any(name.startswith("Access-Control") for name in preflight.headers)

    assert len(service.chaos.rules) == 1


@pytest.mark.parametrize(("method", "name", "status"), [("GET", "token", 405), ("POST", "else", 404)])
async def test_there_are_no_other_commands(
    session: aiohttp.ClientSession, service: LocalPubSub, method: str, name: str, status: int
) -> None:
    assert await command(session, service, name, method) == (status, "There is no such command.")


async def test_a_raw_client_is_told_why_it_is_closed(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.ws_connect(f"{base(service)}/client/hubs/open") as raw:
        [connection] = service.service.hub("open").connections.values()
        await command(session, service, "close", hub="open", connectionId=connection.id)
        message = await raw.receive(timeout=5)

    assert (message.data, message.extra) == (1000, "Closed from the console.")


async def test_a_binary_event_is_sent_again_byte_for_byte(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    hubs = {"raw": HubSettings(anonymous_connect=True, event_handlers=(EventHandler(upstream.url, (), "*"),))}
    async with (
        LocalPubSub(config(hubs=hubs)) as service,
        looking(session, service) as page,
        session.ws_connect(f"{base(service)}/client/hubs/raw") as raw,
    ):
        await raw.send_bytes(b"\x00\xff")
        event = await page.record("event", lambda one: one["detail"]["answer"])
        await command(session, service, "replay", recordId=event["id"])
        received = await upstream.wait_for("message", 2)

    assert (event["detail"]["body"], event["detail"]["bodyType"]) == (base64.b64encode(b"\x00\xff").decode(), "base64")
    assert [one.body for one in received] == [b"\x00\xff"] * 2
