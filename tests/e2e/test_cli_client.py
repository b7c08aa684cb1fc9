"""`webpubsub client` in scripts: real processes, real sockets, against the local service."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localpubsub.server import LocalPubSub
from tests.e2e.cable import Cable, cable_to
from tests.e2e.client_command import EVERYTHING, listening, run, service_variables
from tests.localpubsub.conftest import Received, RecordingUpstream, client_token, client_url, rest_headers
from tests.localpubsub.reliable_client import Losses, send_to_connection

PUBSUB = ("json", "reliable", "protobuf", "protobuf-reliable")
RELIABLE = ("reliable", "protobuf-reliable")


@pytest.fixture
async def env(service: LocalPubSub, upstream: RecordingUpstream) -> dict[str, str]:
    """The configured service; its upstream answers to `ask` and fails at `fail`."""

    def answer(received: Received) -> web.Response:
        if received.event == "ask":
            return web.Response(body=received.body.upper(), content_type="text/plain")
        return web.Response(status=400 if received.event == "fail" else 204)

    upstream.answer = answer
    return service_variables(service)


@pytest.mark.parametrize("protocol", PUBSUB)
async def test_a_client_of_every_protocol_joins_sends_and_asks(
    env: dict[str, str], protocol: str, tmp_path: Path
) -> None:
    (tmp_path / "picture").write_bytes(b"\x89PNG")

    result = await run(
        "client", "--hub", "den", "--user-id", "mia", "--protocol", protocol, *EVERYTHING,
        "--exec", "joingroup reef",
        "--exec", 'sendtogroup reef {"n": 1.10}',
        "--exec", f"sendtogroup reef --file {tmp_path}/picture",
        "--exec", "sendtogroup --no-echo reef to the others",
        "--exec", "event ask who am i",
        "--exec", "leavegroup reef",
        "--exec", "ping",
        **env,
    )  # fmt: skip

    sender = "" if protocol.startswith("protobuf") else "mia: "
    assert result.errors == []
    assert result.lines[0].startswith("connected as mia, connection ")
    assert result.lines[1:] == [
        "ok      joingroup reef",
        f'[reef] {sender}{{"n": 1.10}}',
        "ok      sendtogroup reef",
        f"[reef] {sender}(4 bytes) 89 50 4e 47",
        "ok      sendtogroup reef",
        "ok      sendtogroup reef",
        "server: WHO AM I",
        "ok      event ask",
        "ok      leavegroup reef",
        "pong",
    ]
    assert result.code == 0


async def test_a_raw_client_sends_events_and_hears_the_answers(
    env: dict[str, str], service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    upstream.answer = lambda received: web.Response(body=received.body.upper(), content_type="text/plain")

    result = await run(
        "client", "--hub", "den", "--protocol", "raw", "--exec", "event message hello", "--count", "1", **env
    )

    assert result == (0, ["connected", "HELLO"], [])


async def test_a_raw_client_publishes_to_a_group(env: dict[str, str]) -> None:
    result = await run(
        "client", "--hub", "den", "--protocol", "raw", "--group", "reef 1", "--send-to-group", "reef 1",
        "--role", "webpubsub.sendToGroup", "--exec", 'sendtogroup "reef 1" [1, 2]', "--count", "1", "--json", **env,
    )  # fmt: skip

    assert result.objects == [{"type": "opened"}, {"type": "message", "dataType": "text", "data": "[1, 2]"}]
    assert result.code == 0


async def test_two_clients_talk_and_every_line_comes_at_once(env: dict[str, str]) -> None:
    ivy_is = ("--hub", "den", "--user-id", "ivy", "--group", "reef", "--protocol", "protobuf", *EVERYTHING)
    max_is = ("--hub", "den", "--user-id", "max", "--group", "reef", *EVERYTHING)
    async with listening(*ivy_is, **env) as ivy, listening(*max_is, **env) as other:
        await ivy.until(event="connected", userId="ivy")
        await other.until(event="connected", userId="max")

        await ivy.say("sendtogroup --no-echo reef hello")
        assert await other.until(type="message") == {
            "type": "message", "from": "group", "group": "reef", "fromUserId": "ivy", "dataType": "text",
            "data": "hello",
        }  # fmt: skip
        assert await ivy.until(type="ack") == {
            "type": "ack", "ackId": 1, "command": "sendtogroup", "target": "reef", "success": True,
        }  # fmt: skip

        await other.say('sendtogroup reef {"and": "you"}')
        assert (await ivy.until(type="message"))["data"] == {"and": "you"}

        assert await ivy.stops(signal.SIGINT) == 0
        assert await other.stops(signal.SIGTERM) == 0


async def test_a_script_is_read_from_a_pipe_and_its_mistakes_are_said(env: dict[str, str]) -> None:
    result = await run(
        "client", "--hub", "den", *EVERYTHING, "--json",
        typed="# a remark\n\njoingroup reef\ndance\nevent fail now\nsendtogroup reef [1,\nquit\nping\n", **env,
    )  # fmt: skip

    connected, joined, failed = result.objects
    assert (connected["userId"], joined["success"]) == (None, True)
    assert failed == {
        "type": "ack", "ackId": 2, "command": "event", "target": "fail", "success": False,
        "error": {"name": "InternalServerError", "message": "Internal server error"},
    }  # fmt: skip
    assert result.errors[0] == "webpubsub: there is no command dance; help lists them"
    assert result.errors[1].startswith("webpubsub: this is not JSON")
    assert len(result.errors) == 2
    assert result.code == 1


async def test_a_pipe_that_stays_open_ends_no_earlier_than_it_should(env: dict[str, str]) -> None:
    """And keeps nobody from ending: nothing more is ever typed here."""
    async with listening("--hub", "den", "--group", "reef", *EVERYTHING, "--count", "2", **env) as client:
        await client.until(event="connected")
        await client.say("sendtogroup reef one\nsendtogroup reef two\nsendtogroup reef three")

        await client.until(data="two")
        async with asyncio.timeout(30):
            assert await client.process.wait() == 0


async def test_a_script_ends_when_it_was_told_to(env: dict[str, str]) -> None:
    hub = ("client", "--hub", "den", "--group", "reef", *EVERYTHING)
    say = ("--exec", "sendtogroup reef hi")

    enough, missing, elapsed = await asyncio.gather(
        run(*hub, *say, *say, "--count", "1", "--for", "300", **env),
        run("client", "--hub", "den", "--count", "1", "--for", "0.1", "--protocol", "raw", **env),
        run(*hub, "--for", "0.1", **env),
    )

    assert enough.code == 0
    assert [line.partition(" ")[0] for line in enough.lines] == ["connected", "[reef]", "ok", "ok"]
    assert missing.code == 1
    assert elapsed.code == 0


async def test_a_reader_that_has_enough_ends_the_client_quietly(env: dict[str, str]) -> None:
    for how in (("--json",), ()):
        async with listening(*how, "--hub", "den", "--group", "reef", *EVERYTHING, **env) as client:
            await client.until(event="connected")
            assert client.process.stdout is not None
            client.process.stdout._transport.close()  # type: ignore[attr-defined]  # as `head` does it
            await client.say("sendtogroup reef hi")
            assert client.process.stderr is not None
            async with asyncio.timeout(30):
                assert await client.process.stderr.read() == b""
                assert await client.process.wait() == 1


async def test_refusals_are_said_in_plain_words(
    env: dict[str, str], service: LocalPubSub, upstream: RecordingUpstream
) -> None:
    def nobody(received: Received) -> web.Response:
        return web.Response(status=403 if received.event == "connect" else 204)

    upstream.answer = nobody
    bare = f"ws://localhost:{service.port}/client/hubs/den"

    no_token, not_you, no_tls, nothing_there = await asyncio.gather(
        run("client", "--url", bare),
        run("client", "--hub", "den", **env),
        run("client", "--hub", "den", WEBPUBSUB_ENDPOINT=service.endpoint),
        run("client", "--url", "ws://localhost:1/client/hubs/den?access_token=secret", "--reconnect", "--json"),
    )

    (sentence,) = no_token.errors
    assert sentence.startswith("webpubsub: refused with 401: no token, one that is expired")
    assert no_token.code == 1
    assert not_you == (1, [], ["webpubsub: refused with 403: the upstream does not let this user in"])
    assert no_tls.errors[0].startswith("webpubsub: the service issued no token: Bearer token authentication is not")
    assert nothing_there.objects == [
        {"type": "closed", "message": "cannot connect to localhost:1: connection refused", "then": "end"}
    ]
    assert nothing_there.code == 1


async def test_a_service_that_speaks_something_else_is_told_so(upstream: RecordingUpstream) -> None:
    result = await run("client", "--url", upstream.url)

    assert result == (1, [], ["webpubsub: what answered speaks no WebSocket"])


async def test_access_from_an_upstream(env: dict[str, str], service: LocalPubSub, upstream: RecordingUpstream) -> None:
    asked: list[str] = []

    def answer(received: Received) -> web.Response:
        if received.method == "GET":
            asked.append(received.path)
            who = "mia" if "mia" in received.path else ""
            url = {"url": client_url(service, user=who), "anything": "else"}
            return web.json_response(url) if who else web.Response(status=400, text="missing user id")
        return web.Response(status=204)

    upstream.answer = answer

    let_in, refused = await asyncio.gather(
        run("client", "--negotiate", upstream.url, "--hub", "den", "--user-id", "mia", "--exec", "ping"),
        run("client", "--negotiate", f"{upstream.url}/negotiate?id="),
    )

    assert sorted(asked) == ["/negotiate?hub=den&id=mia", "/negotiate?id="]
    assert let_in.lines[0].startswith("connected as mia")
    assert let_in.code == 0
    assert refused == (1, [], ["webpubsub: refused with 400: by the upstream: missing user id"])


async def test_access_from_an_upstream_for_whoever_has_a_bearer_token(
    env: dict[str, str], service: LocalPubSub, upstream: RecordingUpstream, tmp_path: Path
) -> None:
    def answer(received: Received) -> web.Response:
        if received.method == "GET":
            if received.headers.get("Authorization") != "Bearer a.b.c":
                return web.Response(status=401)
            return web.json_response({"url": client_url(service, user="mia")})
        return web.Response(status=204)

    upstream.answer = answer
    good, empty = tmp_path / "good", tmp_path / "empty"
    good.write_text("a.b.c\n")
    empty.write_text("\n")

    let_in, refused, without, gone = await asyncio.gather(
        run("client", "--negotiate", upstream.url, "--bearer-file", str(good), "--exec", "ping"),
        run("client", "--negotiate", upstream.url, "--exec", "ping"),
        run("client", "--negotiate", upstream.url, "--bearer-file", str(empty)),
        run("client", "--negotiate", upstream.url, "--bearer-file", str(tmp_path / "none")),
    )

    assert (let_in.code, let_in.lines[0].split(",")[0][:16]) == (0, "connected as mia")
    assert refused.code == 1
    assert "refused with 401" in refused.errors[0]
    said = ["webpubsub: the bearer file cannot be read, or holds no token"]
    assert (without, gone) == ((1, [], said), (1, [], said))


async def test_a_connection_closed_by_the_upstream_ends_well_and_says_why(
    env: dict[str, str], service: LocalPubSub, session: aiohttp.ClientSession
) -> None:
    async with listening("--hub", "den", "--protocol", "reliable", **env) as client:
        connection_id = (await client.until(event="connected"))["connectionId"]
        path = f"/api/hubs/den/connections/{connection_id}"
        async with session.delete(
            f"{service.endpoint}{path}?reason=tidying%20up", headers=rest_headers(service, path)
        ) as response:
            assert response.status == 204

        assert await client.ends() == 0
        assert client.heard[1:] == [
            {"type": "system", "event": "disconnected", "message": "tidying up"},
            {
                "type": "closed",
                "code": 1000,
                "message": "closed with 1000: the service ended the connection (tidying up)",
                "then": "end",
            },
        ]


async def test_a_service_that_goes_away_is_an_error(env: dict[str, str], service: LocalPubSub) -> None:
    async with listening("--hub", "den", **env) as client:
        await client.until(event="connected")
        await service.stop()

        assert (await client.until(type="closed"))["code"] == 1001
        assert await client.ends() == 1


@pytest.fixture
async def cable(service: LocalPubSub) -> AsyncIterator[Cable]:
    async with cable_to(service.port) as one:
        yield one


def through(cable: Cable, service: LocalPubSub) -> str:
    near = f"localhost:{cable.port}/client/hubs/den"
    roles = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
    return f"ws://{near}?access_token={client_token(service, roles=roles, aud=f'http://{near}')}"


async def test_to_have_waited_for_a_connection_in_vain_is_an_error(service: LocalPubSub, cable: Cable) -> None:
    cable.pull()

    assert await run("client", "--url", through(cable, service), "--for", "0.1") == (1, [], [])


@pytest.mark.parametrize("protocol", RELIABLE)
async def test_nothing_is_lost_and_nothing_comes_twice_when_the_cable_is_pulled(
    env: dict[str, str], service: LocalPubSub, session: aiohttp.ClientSession, cable: Cable, protocol: str
) -> None:
    losses = Losses(service)
    async with listening("--protocol", protocol, "--url", through(cable, service), **env) as client:
        connection_id = (await client.until(event="connected"))["connectionId"]
        await client.say("joingroup reef")
        await client.until(command="joingroup", success=True)
        await send_to_connection(session, service, connection_id, "one", hub="den")
        await client.until(data="one")

        cable.pull()
        assert await losses.next() == connection_id
        assert (await client.until(type="closed"))["then"] == "recover"
        await client.say("sendtogroup reef said while away")
        for text in ("two", "three"):
            await send_to_connection(session, service, connection_id, text, hub="den")
        cable.plug()

        assert (await client.until(event="connected"))["connectionId"] == connection_id
        await client.until(data="said while away")
        await client.until(command="sendtogroup", success=True)
        await send_to_connection(session, service, connection_id, "four", hub="den")
        await client.until(data="four")
        assert await client.stops(signal.SIGTERM) == 0

    messages = [one for one in client.heard if one["type"] == "message"]
    assert [one["data"] for one in messages] == ["one", "two", "three", "said while away", "four"]
    assert [one["sequenceId"] for one in messages] == [1, 2, 3, 4, 5]


async def test_what_cannot_be_recovered_starts_anew_where_that_is_wanted(
    env: dict[str, str], service: LocalPubSub, session: aiohttp.ClientSession, cable: Cable
) -> None:
    async with listening("--reconnect", "--url", through(cable, service), **env) as client:
        first = (await client.until(event="connected"))["connectionId"]
        await client.say("joingroup reef")
        await client.until(command="joingroup", success=True)

        cable.pull()
        assert (await client.until(type="closed"))["then"] == "reconnect"
        cable.plug()

        assert (await client.until(event="connected"))["connectionId"] != first
        assert (await client.until(command="joingroup"))["success"]
        await client.say("sendtogroup reef back again")
        await client.until(data="back again")
        assert await client.stops(signal.SIGINT) == 0


async def test_without_that_wish_a_lost_connection_is_the_end(
    env: dict[str, str], service: LocalPubSub, cable: Cable
) -> None:
    async with listening("--url", through(cable, service), **env) as client:
        await client.until(event="connected")
        cable.pull()

        assert (await client.until(type="closed"))["then"] == "end"
        assert await client.ends() == 1
