"""What a page of the console sees of real traffic: which record follows from which."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import PRIMARY, Received, RecordingUpstream, client_url, json_client
from tests.localpubsub.console_page import Page, looking
from tests.localpubsub.rest_calls import TEXT, call

DEN = "/api/hubs/den"
EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")


def is_answered(record: dict[str, Any]) -> bool:
    return record["detail"]["answer"] is not None


async def event(page: Page, name: str) -> dict[str, Any]:
    return await page.record("event", lambda one: one["summary"] == name and is_answered(one))


async def test_a_frame_leads_to_an_event_and_that_to_what_the_client_gets(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.json_response({"n": 17}) if one.event == "roll" else web.Response(status=204)
    async with looking(session, service) as page, json_client(session, service, "den") as ivy:
        await ivy.send(type="event", event="roll", dataType="text", data="d20", ackId=4)
        roll = await event(page, "roll")
        frame = await page.record("frame", lambda one: one["detail"].get("ack"))
        delivery = await page.record("delivery")

    assert frame["summary"] == "event roll"
    assert json.loads(frame["detail"]["text"])["data"] == "d20"
    assert frame["detail"]["direction"] == "in"
    assert frame["detail"]["ack"] == {"id": 4, "success": True}
    assert frame["tookMs"] >= roll["tookMs"]
    assert (roll["cause"], roll["exact"], roll["status"]) == (frame["id"], True, 200)
    assert (roll["hub"], roll["connectionId"], roll["userId"]) == ("den", ivy.id, "ivy")
    assert roll["detail"]["url"] == f"{upstream.url}/eventhandler/roll"
    assert (roll["detail"]["body"], roll["detail"]["bodyType"]) == ("d20", "text")
    answer = roll["detail"]["answer"]
    assert (answer["status"], answer["body"], answer["bodyType"]) == (200, '{"n": 17}', "json")
    assert (delivery["cause"], delivery["connectionId"]) == (roll["id"], ivy.id)
    assert delivery["detail"] == {
        "group": None,
        "fromUserId": None,
        "receivers": 1,
        "dataType": "json",
        "preview": '{"n": 17}',
    }


async def test_an_event_is_told_before_its_answer_is_there(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    may_answer = asyncio.Event()

    async def answer(_: Received) -> web.Response:
        await may_answer.wait()
        return web.Response(status=204)

    async with looking(session, service) as page, json_client(session, service, "den") as ivy:
        await event(page, "connected")
        upstream.answer = answer
        await ivy.send(type="event", event="roll", dataType="text", data="")
        waiting = await page.record("event", lambda one: one["summary"] == "roll")
        may_answer.set()
        answered = await event(page, "roll")

    assert (waiting["status"], waiting["tookMs"], is_answered(waiting)) == (None, None, False)
    assert (answered["id"], answered["status"]) == (waiting["id"], 204)


async def test_a_connection_from_its_handshake_to_its_end(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with looking(session, service) as page:
        async with json_client(session, service, "den", groups=("lobby",)) as ivy:
            await event(page, "connected")
        await event(page, "disconnected")
        opened, closed = await page.record("open"), await page.record("close")
        events = {name: await event(page, name) for name in ("connect", "connected", "disconnected")}

    assert (events["connect"]["cause"], opened["cause"]) == (None, events["connect"]["id"])
    assert (events["connected"]["cause"], closed["cause"]) == (opened["id"], None)
    assert events["disconnected"]["cause"] == closed["id"]
    assert opened["detail"] == {"subprotocol": "json.webpubsub.azure.v1", "groups": ["lobby"]}
    assert {one["connectionId"] for one in (opened, closed, *events.values())} == {ivy.id}


async def test_a_handler_that_passes_the_trace_on_is_known_for_sure(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with looking(session, service) as page, json_client(session, service, "den", groups=("lobby",)) as ivy:
        for name in ("roll", "hold"):
            await ivy.send(type="event", event=name, dataType="text", data="")
        received = (await upstream.wait_for("roll"))[0]
        version, trace_id, _, flags = received.headers["traceparent"].split("-")
        ours = f"{version}-{trace_id}-{'a' * 16}-{flags}"
        headers = {**TEXT, "traceparent": ours}
        await call(session, service, "POST", f"{DEN}/groups/lobby/:send?x=1", data="hi", headers=headers)
        made = await page.record("call", lambda one: one["status"] is not None)
        delivery = await page.record("delivery")
        roll = await event(page, "roll")

    assert (made["cause"], made["exact"], made["status"]) == (roll["id"], True, 202)
    assert made["summary"] == "POST groups/lobby/:send"
    assert made["detail"]["path"] == f"{DEN}/groups/lobby/:send?x=1"
    assert (made["detail"]["method"], made["detail"]["body"], made["detail"]["error"]) == ("POST", "hi", None)
    assert (delivery["cause"], delivery["detail"]["group"], delivery["detail"]["receivers"]) == (made["id"], "lobby", 1)


@pytest.mark.parametrize("traceparent", [None, f"00-{'b' * 32}-{'c' * 16}-01", "nonsense"])
async def test_without_one_the_only_event_there_is_is_the_probable_cause(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, traceparent: str | None
) -> None:
    headers = {**TEXT, **({"traceparent": traceparent} if traceparent else {})}
    async with json_client(session, service, "den") as ivy, looking(session, service) as page:
        await upstream.wait_for("connected")
        await ivy.send(type="event", event="roll", dataType="text", data="")
        roll = await event(page, "roll")
        await call(session, service, "POST", f"{DEN}/:send", data="hi", headers=headers)
        await call(session, service, "POST", "/api/hubs/open/:send", data="hi", headers=headers)
        guessed = await page.record("call", lambda one: one["hub"] == "den")
        other = await page.record("call", lambda one: one["hub"] == "open")

    assert (guessed["cause"], guessed["exact"]) == (roll["id"], False)
    assert (other["cause"], other["exact"]) == (None, True)


async def test_among_several_events_nothing_is_guessed(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as ivy, looking(session, service) as page:
        for name in ("roll", "hold"):
            await ivy.send(type="event", event=name, dataType="text", data="")
            await event(page, name)
        await call(session, service, "POST", f"{DEN}/:send", data="hi", headers=TEXT)
        made = await page.record("call")

    assert made["cause"] is None


async def test_no_trace_is_sent_when_nobody_looks(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as ivy:
        await ivy.send(type="event", event="roll", dataType="text", data="")
        received = (await upstream.wait_for("roll"))[0]

    assert "traceparent" not in received.headers
    assert service.service.trace.records == ()


async def test_what_a_client_sends_to_a_group_follows_from_its_frame(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with looking(session, service) as page, json_client(session, service, roles=EVERYTHING) as ivy:
        await ivy.send(type="joinGroup", group="lobby")
        await ivy.send(type="sendToGroup", group="lobby", dataType="text", data="hi", noEcho=True)
        frame = await page.record("frame", lambda one: one["summary"] == "sendToGroup lobby")
        delivery = await page.record("delivery")

    assert (delivery["cause"], delivery["detail"]["receivers"]) == (frame["id"], 0)
    assert delivery["detail"]["fromUserId"] == "ivy"


async def test_a_refused_command_and_a_frame_that_is_none(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with looking(session, service) as page, json_client(session, service) as ivy:
        await ivy.send(type="joinGroup", group="attic", ackId=1)
        refused = await page.record("frame", lambda one: one["detail"].get("ack"))
        await ivy.socket.send_bytes(b"\xff\x00")
        broken = await page.record("frame", lambda one: "base64" in one["detail"])
        await ivy.closed()
        closed = await page.record("close")

    assert refused["detail"]["ack"]["error"]["name"] == "Forbidden"
    assert (broken["summary"][:14], broken["detail"]["base64"]) == ("not understood", "/wA=")
    assert closed["cause"] == broken["id"]


async def test_a_call_that_closes_a_connection_is_the_cause_of_its_end(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with looking(session, service) as page, json_client(session, service) as ivy:
        await call(session, service, "DELETE", f"/api/hubs/open/connections/{ivy.id}?reason=enough")
        made = await page.record("call")
        await ivy.closed()
        closed = await page.record("close")

    assert (made["connectionId"], closed["cause"]) == (ivy.id, made["id"])
    assert (closed["summary"], closed["detail"]) == ("enough", {"reason": "enough"})


async def test_a_handler_that_fails_or_is_not_there(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with looking(session, service) as page, json_client(session, service, "den") as ivy:
        upstream.answer = lambda _: web.Response(status=500, text="broken")
        await ivy.send(type="event", event="fails", dataType="text", data="")
        failed = await event(page, "fails")
        service.chaos.add("webhook-fail unreachable")
        await ivy.send(type="event", event="lost", dataType="text", data="")
        lost = await event(page, "lost")

    assert (failed["status"], failed["detail"]["answer"]["body"]) == (500, "broken")
    assert (lost["status"], lost["detail"]["answer"]["status"]) == (None, None)
    assert "fault" in lost["detail"]["answer"]["error"]


async def test_calls_that_are_refused(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = "/api/hubs/open/:send"
    async with looking(session, service) as page:
        async with session.post(service.endpoint + path, headers={"Authorization": "Bearer wrong"}, data="x"):
            pass
        unknown = await page.record("call", lambda one: one["status"] == 401)
        await call(session, service, "POST", path, data="{", headers={"Content-Type": "application/json"})
        illegal = await page.record("call", lambda one: one["status"] == 400)

    assert unknown["detail"]["error"] == "The token is missing or not valid."
    assert unknown["detail"]["headers"]["Authorization"] == "***"
    assert (illegal["detail"]["body"], illegal["detail"]["error"]) == (
        "{",
        "The body is not what its content type says.",
    )


@pytest.mark.parametrize("query", ["x=%FF", "x=%ED%A0%80", "x=a%20b&y"])
async def test_looking_on_breaks_no_call(session: aiohttp.ClientSession, service: LocalPubSub, query: str) -> None:
    async with looking(session, service) as page:
        response = await call(session, service, "POST", f"/api/hubs/open/:send?{query}", data="x", headers=TEXT)
        made = await page.record("call", lambda one: one["status"] is not None)

    assert (response.status, made["status"]) == (202, 202)


async def test_no_secret_is_told(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    url = client_url(service, "den")
    token = url.partition("access_token=")[2]

    def answer(received: Received) -> web.Response:
        return web.json_response({"url": url, "connection": service.connection_string, "was": dict(received.headers)})

    async with looking(session, service) as page, session.ws_connect(url) as raw:
        upstream.answer = answer
        await raw.send_str(f"{url} {PRIMARY}")
        await event(page, "message")
        await call(session, service, "POST", f"{DEN}/:send?x={PRIMARY}", data=url, headers=TEXT)
        await page.record("call", lambda one: one["status"] is not None)
        await page.record("delivery")
        signatures = {one.headers["ce-signature"] for one in upstream.events}
    told = json.dumps(list(page.records.values()))

    assert PRIMARY not in told
    assert token not in told
    assert token.split(".")[1] not in told
    assert not any(part.partition("=")[2] in told for one in signatures for part in one.split(","))
    assert "access_token=***" in told
