"""What clients do to each other and hear from the service (spec/service.md 3, 6)."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import (
    JSON,
    JsonClient,
    Received,
    RecordingUpstream,
    client_url,
    config,
    json_client,
    rest_headers,
)

EVERYTHING = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")


async def test_the_worked_exchange(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.Response(text="17") if one.event == "roll" else web.Response(status=204)
    roles = ("webpubsub.sendToGroups.reef.*", "webpubsub.joinLeaveGroup.reef.1")

    async with json_client(session, service, "den", roles=roles) as client:
        assert await client.ask(type="joinGroup", group="reef.1", ackId=1) == {
            "type": "ack",
            "ackId": 1,
            "success": True,
        }
        message = {"type": "sendToGroup", "group": "reef.1", "dataType": "json", "data": {"n": 1.0}, "ackId": 2}
        await client.send(**message, metadata={"trace": "t9"})
        assert await client.receive() == {
            "type": "message", "from": "group", "group": "reef.1", "fromUserId": "ivy", "dataType": "json",
            "data": {"n": 1.0}, "metadata": {"trace": "t9"},
        }  # fmt: skip
        assert await client.receive() == {"type": "ack", "ackId": 2, "success": True}
        assert await client.ask(**message) == {
            "type": "ack", "ackId": 2, "success": False,
            "error": {"name": "Duplicate", "message": "Message with ack-id: 2 has been processed"},
        }  # fmt: skip
        assert (await client.ask(type="joinGroup", group="attic", ackId=3))["error"] == {
            "name": "Forbidden",
            "message": "The client does not have permission to join group 'attic'.",
        }
        reply = await client.ask(type="event", event="roll", dataType="text", data="d20", ackId=4)
        assert reply == {"type": "message", "from": "server", "dataType": "text", "data": "17"}
        assert await client.receive() == {"type": "ack", "ackId": 4, "success": True}
        assert await client.ask(type="ping") == {"type": "pong"}
        await client.send(type="joinGroup")
        assert await client.closed() == 1007


async def test_a_refused_command_without_an_ack_id_is_silent(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service) as client:
        await client.send(type="joinGroup", group="attic")
        await client.send(type="sendToGroup", group="attic", data=1)
        assert await client.ask(type="ping") == {"type": "pong"}


async def test_a_failed_command_may_be_tried_again_with_its_ack_id(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service) as client:
        first = await client.ask(type="joinGroup", group="attic", ackId=9)
        path = f"/api/hubs/open/permissions/joinLeaveGroup/connections/{client.id}?targetName=attic"
        async with session.put(service.endpoint + path, headers=rest_headers(service, path)) as response:
            assert response.status == 200
        second = await client.ask(type="joinGroup", group="attic", ackId=9)

    assert (first["success"], second["success"]) == (False, True)


async def test_no_echo_leaves_the_sender_out_and_nobody_else(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with (
        json_client(session, service, user="mia", roles=EVERYTHING, groups=("g",)) as mia,
        json_client(session, service, user="max", groups=("g",)) as max_,
    ):
        await mia.send(type="sendToGroup", group="g", dataType="text", data="quiet", noEcho=True, ackId=1)
        assert (await mia.receive())["type"] == "ack"
        assert (await max_.receive())["data"] == "quiet"


async def test_who_left_a_group_hears_nothing_of_it(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service, roles=EVERYTHING, groups=("g",)) as client:
        await client.ask(type="leaveGroup", group="g", ackId=1)
        assert (await client.ask(type="sendToGroup", group="g", data=1, ackId=2))["type"] == "ack"


@pytest.mark.parametrize(
    ("data_type", "data", "kind", "frame"),
    [
        ("text", "hi", aiohttp.WSMsgType.TEXT, "hi"),
        ("json", "hi", aiohttp.WSMsgType.TEXT, '"hi"'),
        ("json", {"a": [1, 2]}, aiohttp.WSMsgType.TEXT, '{"a": [1, 2]}'),
        ("binary", "AQI=", aiohttp.WSMsgType.BINARY, b"\x01\x02"),
        ("protobuf", "CgFhEgEC", aiohttp.WSMsgType.BINARY, b"\n\x01a\x12\x01\x02"),
    ],
)
async def test_a_raw_client_gets_the_bytes_alone(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    data_type: str,
    data: object,
    kind: aiohttp.WSMsgType,
    frame: object,
) -> None:
    async with (
        session.ws_connect(client_url(service, "open", groups=("g",))) as raw,
        json_client(session, service, roles=EVERYTHING) as client,
    ):
        await client.send(type="sendToGroup", group="g", dataType=data_type, data=data)
        message = await raw.receive(timeout=5)

    assert (message.type, message.data) == (kind, frame)


async def test_a_raw_client_in_group_mode_publishes_each_frame(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    query = "&webpubsub_mode=sendToGroup&group=reef.1&noEcho=true"
    url = client_url(service, "open", query, roles=("webpubsub.sendToGroup.reef.1",), groups=("reef.1",))
    async with (
        json_client(session, service, user="max", groups=("reef.1",)) as client,
        session.ws_connect(url) as raw,
    ):
        await raw.send_bytes(b"\x01\x02")
        assert await client.receive() == {
            "type": "message", "from": "group", "group": "reef.1", "fromUserId": "ivy", "dataType": "binary",
            "data": "AQI=",
        }  # fmt: skip


async def test_a_raw_client_without_the_permission_is_closed_with_1008(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with session.ws_connect(client_url(service, "open", "&webpubsub_mode=sendToGroup&group=g")) as raw:
        await raw.send_str("x")
        await raw.receive(timeout=5)
        assert raw.close_code == 1008


async def test_frames_of_a_raw_client_are_events_and_the_answer_is_a_frame(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def answer(received: Received) -> web.Response:
        if received.event != "message":
            return web.Response(status=204)
        return web.Response(body=received.body, headers={"Content-Type": received.headers["Content-Type"]})

    upstream.answer = answer
    async with session.ws_connect(client_url(service)) as raw:
        await raw.send_str("grüße")
        assert (await raw.receive(timeout=5)).data == "grüße"
        await raw.send_bytes(b"\x00\xff")
        assert (await raw.receive(timeout=5)).data == b"\x00\xff"

    text, binary = await upstream.wait_for("message", 2)
    assert (text.headers["Content-Type"], text.body) == ("text/plain; charset=utf-8", "grüße".encode())
    assert binary.headers["Content-Type"] == "application/octet-stream"
    assert "ce-subprotocol" not in text.headers


async def test_an_event_that_fails_closes_a_raw_client_and_is_a_negative_ack_for_others(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda one: web.Response(status=400 if one.event in ("message", "boom") else 204)
    async with session.ws_connect(client_url(service)) as raw:
        await raw.send_str("x")
        await raw.receive(timeout=5)
        assert raw.close_code == 1011
    async with json_client(session, service, "den") as client:
        ack = await client.ask(type="event", event="boom", data=1, ackId=1)
        assert ack["error"] == {"name": "InternalServerError", "message": "Internal server error"}
        assert await client.ask(type="ping") == {"type": "pong"}


async def test_an_event_nobody_handles_is_a_negative_ack(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service) as client:
        ack = await client.ask(type="event", event="lost", data=1, ackId=1)

    assert ack["error"]["name"] == "InternalServerError"


@pytest.mark.parametrize(
    ("answer", "frame"),
    [
        (web.Response, None),
        (lambda: web.Response(body=b'{"a": 1.0}', content_type="application/json"), ("json", {"a": 1.0})),
        (
            lambda: web.Response(body=b"\x01\x02", headers={"Content-Type": "application/octet-stream"}),
            ("binary", "AQI="),
        ),
        (
            lambda: web.Response(body=b"\x08\x01", headers={"Content-Type": "application/x-protobuf"}),
            ("protobuf", "CAE="),
        ),
        (lambda: web.Response(status=204, headers={"x-webpubsub-metadata-T": "a, b"}), ("text", "")),
    ],
)
async def test_the_answer_to_an_event_arrives_before_its_ack(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream, answer: object, frame: object
) -> None:
    upstream.answer = lambda one: answer() if one.event == "ask" else web.Response(status=204)  # type: ignore[operator]
    async with json_client(session, service, "den") as client:
        first = await client.ask(type="event", event="ask", data=1, ackId=1)
        if frame is not None:
            assert (first["dataType"], first["data"]) == frame
            if first["data"] == "":
                assert first["metadata"] == {"t": "b"}
            first = await client.receive()

    assert first == {"type": "ack", "ackId": 1, "success": True}


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"<p>", {"Content-Type": "text/html"}),
        (b"{", {"Content-Type": "application/json"}),
        (b"\xff", {"Content-Type": "text/plain"}),
        (b"\xff", {"Content-Type": "application/x-protobuf"}),
        (b"x", {"Content-Type": "text/plain", "X-WebPubSub-Metadata-A": "é"}),
        (b"", {"X-WebPubSub-Metadata-A": "x" * 1025}),
    ],
    ids=str,
)
async def test_an_answer_no_client_can_be_sent_is_a_failure(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    upstream: RecordingUpstream,
    body: bytes,
    headers: dict[str, str],
) -> None:
    upstream.answer = lambda one: (
        web.Response(body=body, headers=headers) if one.event == "ask" else web.Response(status=204)
    )
    async with json_client(session, service, "den") as client:
        ack = await client.ask(type="event", event="ask", data=1, ackId=1)

    assert ack["success"] is False


async def test_events_of_a_connection_arrive_one_at_a_time_in_order(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        for number in range(20):
            await client.send(type="event", event=f"e{number}", data=number)
        await client.ask(type="event", event="last", data=1, ackId=1)
    await upstream.wait_for("disconnected")

    names = [one.event for one in upstream.events]
    assert names == ["connect", "connected", *(f"e{number}" for number in range(20)), "last", "disconnected"]
    assert [one.headers["ce-id"] for one in upstream.events] == [str(number) for number in range(24)]


async def test_the_upstream_may_call_back_while_it_is_asked(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    """The answer to the event waits for the REST call that its handler makes."""
    path = "/api/hubs/den/:send"

    async def call_back(received: Received) -> web.Response:
        if received.event != "ask":
            return web.Response(status=204)
        headers = rest_headers(service, path) | {"Content-Type": "text/plain"}
        async with session.post(service.endpoint + path, headers=headers, data=b"to all") as response:
            return web.Response(text=f"answered {response.status}")

    upstream.answer = call_back
    async with json_client(session, service, "den") as client:
        assert (await client.ask(type="event", event="ask", data=1))["data"] == "to all"
        assert (await client.receive())["data"] == "answered 202"


async def test_disconnected_carries_the_clients_reason(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    async with json_client(session, service, "den") as client:
        await client.socket.close(code=1000, message=b"good night")

    assert (await upstream.wait_for("disconnected"))[0].body == b'{"reason": "good night"}'


@pytest.mark.parametrize(("sent", "echoed"), [(1000, 1000), (4001, 4001)])
async def test_a_close_is_answered_with_its_code(
    session: aiohttp.ClientSession, service: LocalPubSub, sent: int, echoed: int
) -> None:
    async with json_client(session, service) as client:
        await client.socket.close(code=sent)

        assert client.socket.close_code == echoed


async def test_the_service_waits_for_the_other_half_of_the_closing_handshake(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service) as client:
        transport = client.socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        path = f"/api/hubs/open/connections/{client.id}"
        async with session.delete(service.endpoint + path, headers=rest_headers(service, path)) as response:
            assert response.status == 204
        transport.resume_reading()  # type: ignore[union-attr]

        assert await client.closed() == 1000


async def test_the_wrong_kind_and_size_of_frame_have_their_codes(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service) as client:
        await client.socket.send_bytes(b"{}")
        assert await client.closed() == 1003
    async with json_client(session, service) as client:
        await client.socket.send_str("x" * (1024 * 1024 + 1))
        assert await client.closed() == 1009


async def test_a_message_of_one_mebibyte_passes(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    url = client_url(service, "open", "&webpubsub_mode=sendToGroup&group=g", roles=EVERYTHING, groups=("g",))
    async with session.ws_connect(url, max_msg_size=0) as raw:
        await raw.send_str("x" * 1024 * 1024)
        assert len((await raw.receive(timeout=5)).data) == 1024 * 1024


async def test_a_client_that_does_not_read_is_cut_off_and_delays_nobody(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    sent = 48
    async with (
        LocalPubSub(config(upstream, close_seconds=0.1)) as service,
        json_client(session, service, "den", user="fast", groups=("g",), roles=EVERYTHING) as fast,
        json_client(session, service, "den", user="slow", groups=("g",)) as slow,
    ):
        # Nothing is taken from the slow client's socket any more, so its buffers fill.
        transport = slow.socket._response.connection.transport  # type: ignore[union-attr]
        transport.pause_reading()  # type: ignore[union-attr]
        for _ in range(sent):
            await fast.send(type="sendToGroup", group="g", dataType="text", data="x" * 1_000_000)
            assert (await fast.receive())["dataType"] == "text"
        gone = (await upstream.wait_for("disconnected"))[0]
        transport.abort()  # type: ignore[union-attr]  # its side of the closing handshake will never come

    assert gone.headers["ce-userId"] == "slow"
    assert gone.body == b'{"reason": "The client reads too slowly."}'


async def test_a_client_that_answers_no_ping_is_dropped(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    quick = config(upstream, ping_seconds=0.05, silence_seconds=0.2, close_seconds=0.1)
    async with (
        LocalPubSub(quick) as service,
        json_client(session, service, "den", user="alive") as alive,
        json_client(session, service, "den", user="silent"),
    ):
        # Reading is what answers pings; the silent client never does.
        reading = asyncio.create_task(alive.socket.receive(timeout=30))
        gone = (await upstream.wait_for("disconnected"))[0]
        assert not reading.done()
        reading.cancel()

    assert gone.headers["ce-userId"] == "silent"
    assert gone.body == b'{"reason": "PingTimeout"}'


async def test_who_is_at_the_door_when_it_stops_is_to_try_again(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    asked, may_answer, statuses = asyncio.Event(), asyncio.Event(), []

    async def answer(received: Received) -> web.Response:
        if received.event == "connect":
            asked.set()
            await may_answer.wait()
        return web.Response(status=204)

    async def knock() -> None:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(client_url(service))
        statuses.append(refusal.value.status)

    async def while_it_stops() -> None:
        may_answer.set()
        await asyncio.gather(first, knock())
        await close()

    close, upstream.answer = service._console.close, answer
    first = asyncio.create_task(knock())
    await asyncio.wait_for(asked.wait(), 30)
    service._console.close = while_it_stops  # type: ignore[method-assign]
    await service.stop()

    assert statuses == [503, 503]
    assert [one.event for one in upstream.events] == ["connect", "disconnected"]
    assert upstream.events[-1].body == b'{"reason": "service reload"}'


async def test_a_stop_says_goodbye_to_clients_and_upstreams(
    session: aiohttp.ClientSession, upstream: RecordingUpstream
) -> None:
    service = LocalPubSub(config(upstream))
    await service.start()
    socket = await session.ws_connect(client_url(service), protocols=[JSON])
    client = JsonClient(socket, await socket.receive_json(timeout=5))

    stopping = asyncio.create_task(service.stop())
    assert await client.receive() == {"type": "system", "event": "disconnected", "message": "service reload"}
    assert await client.closed() == 1001
    await stopping

    assert (await upstream.wait_for("disconnected"))[0].body == b'{"reason": "service reload"}'
