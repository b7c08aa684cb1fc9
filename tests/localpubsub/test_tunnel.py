"""Event handlers and REST through a tunnel (spec/service.md 10)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from localpubsub.config import EventHandler, HubSettings
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import PRIMARY, SECONDARY, config, json_client
from tests.localpubsub.tunnel_client import TunnelClient, tunnel, tunnel_url

USER_EVENTS = HubSettings(event_handlers=(EventHandler("tunnel:///hooks/{hub}/{event}?x=1", (), "*"),))
EVERYTHING = HubSettings(
    event_handlers=(EventHandler("tunnel:///hooks", ("connect", "connected", "disconnected"), "*"),)
)
EVENT: dict[str, Any] = {"type": "event", "event": "roll", "dataType": "text", "data": "d20", "ackId": 1}


@pytest.fixture
async def service() -> AsyncIterator[LocalPubSub]:
    """The upstream of `den` is behind a tunnel for user events, that of `deep` for every event."""
    hubs = {"den": USER_EVENTS, "deep": EVERYTHING, "open": HubSettings(anonymous_connect=True)}
    async with LocalPubSub(config(hubs=hubs, retry_delays=())) as one:
        yield one


async def test_an_event_goes_through_the_tunnel_and_its_answer_comes_back(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with tunnel(session, service, "Den") as upstream, json_client(session, service, "den") as client:
        await client.send(**EVENT)
        request = await upstream.receive()
        await upstream.answer(request, 200, b"17", content_type="text/plain", ce_connectionState="s1")
        first = [await client.receive(), await client.receive()]
        await client.send(**EVENT | {"ackId": 2})
        again = await upstream.receive()

    headers = request.members["Headers"]
    assert (request.type, request.content) == (1, b"d20")
    assert (request.members["HttpMethod"], request.members["Url"]) == ("POST", "tunnel:///hooks/den/roll?x=1")
    assert (request.members["LocalRouting"], request.members["ChannelName"]) == (False, "")
    assert headers["ce-eventName"] == ["roll"]
    assert headers["ce-signature"][0].startswith("sha256=")
    assert not {"host", "content-length", "connection"} & {name.lower() for name in headers}
    assert {"type": "message", "from": "server", "dataType": "text", "data": "17"} in first
    assert {"type": "ack", "ackId": 1, "success": True} in first
    assert again.members["AckId"] != request.members["AckId"]
    assert again.members["Headers"]["ce-connectionState"] == ["s1"]


async def test_every_kind_of_event_takes_the_tunnel(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with tunnel(session, service, "deep") as upstream:

        async def connect() -> dict[str, Any]:
            async with json_client(session, service, "deep") as client:
                return client.connected

        opening = asyncio.create_task(connect())
        request = await upstream.receive()
        await upstream.answer(request, 200, b'{"userId":"mia"}', content_type="application/json")
        connected = await opening
        names = [request.members["Headers"]["ce-eventName"]]
        for _ in range(2):
            request = await upstream.receive()
            names.append(request.members["Headers"]["ce-eventName"])
            await upstream.answer(request, 204)

    assert connected["userId"] == "mia"
    assert names == [["connect"], ["connected"], ["disconnected"]]


async def test_a_refusal_by_the_upstream_reaches_the_client(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with tunnel(session, service, "deep") as upstream:
        opening = asyncio.create_task(json_client(session, service, "deep").__aenter__())
        await upstream.answer(await upstream.receive(), 403)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await opening

    assert refused.value.status == 403


async def test_without_a_tunnel_the_upstream_is_out_of_reach(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with tunnel(session, service, "deep"), json_client(session, service, "den") as client:
        ack = await client.ask(**EVENT)

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with json_client(session, service, "deep"):
            pass

    assert (ack["success"], ack["error"]["name"]) == (False, "InternalServerError")
    assert refused.value.status == 500


async def test_a_large_body_and_an_answer_in_pieces(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with tunnel(session, service) as upstream, json_client(session, service, "den") as client:
        await client.send(**EVENT | {"data": "x" * 1_000_000})
        request = await upstream.receive()
        await upstream.answer(request, 200, b"a" * 700_000, more=True, content_type="text/plain")
        await upstream.answer(request, 200, b"b" * 700_000, more=True)
        await upstream.answer(request, 200)
        frames = [await client.receive(), await client.receive()]

    assert request.content == b"x" * 1_000_000
    assert next(frame["data"] for frame in frames if frame["type"] == "message") == "a" * 700_000 + "b" * 700_000


async def test_an_answer_past_sixteen_megabytes_fails_the_event(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with tunnel(session, service) as upstream, json_client(session, service, "den") as client:
        await client.send(**EVENT)
        request = await upstream.receive()
        for _ in range(17):
            await upstream.answer(request, 200, b"a" * 1024 * 1024, more=True, content_type="text/plain")
        assert (await client.receive())["success"] is False
        # What comes too late is no one's, and the tunnel lives on.
        await upstream.answer(request, 200)
        assert (await upstream.rest("HEAD", "/api/hubs/den/users/ivy")).members["StatusCode"] == 200


async def test_tunnels_take_turns_and_answers_may_cross(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with (
        tunnel(session, service) as one,
        tunnel(session, service) as other,
        json_client(session, service, "den", user="a") as a,
        json_client(session, service, "den", user="b") as b,
        json_client(session, service, "den", user="c") as c,
    ):
        seen: list[tuple[TunnelClient, Any]] = []
        for client, upstream in ((a, one), (b, other), (c, one)):
            await client.send(**EVENT)
            seen.append((upstream, await upstream.receive()))
        for upstream, request in reversed(seen):
            await upstream.answer(
                request, 200, request.members["Headers"]["ce-userId"][0].encode(), content_type="text/plain"
            )
        for client, user in ((a, "a"), (b, "b"), (c, "c")):
            frames = [await client.receive(), await client.receive()]
            assert user in [frame.get("data") for frame in frames]


@pytest.fixture
async def patient() -> AsyncIterator[LocalPubSub]:
    """Tries events again."""
    async with LocalPubSub(config(hubs={"den": USER_EVENTS}, retry_delays=(0.01,) * 10)) as one:
        yield one


async def test_what_a_broken_tunnel_held_is_tried_on_another(
    session: aiohttp.ClientSession, patient: LocalPubSub
) -> None:
    async with tunnel(session, patient) as other, json_client(session, patient, "den") as client:
        async with tunnel(session, patient) as breaking:
            first = asyncio.create_task(breaking.receive())
            second = asyncio.create_task(other.receive())
            await client.send(**EVENT)
            done, _ = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
            if second in done:  # the turn was the other's: the next event is for the one that breaks
                await other.answer(second.result(), 204)
                assert (await client.receive())["success"] is True
                second = asyncio.create_task(other.receive())
                await client.send(**EVENT | {"ackId": 2})
            lost = await first
        again = await second
        await other.answer(again, 204)
        ack = await client.receive()

    assert (again.content, again.members["Headers"]["ce-id"]) == (lost.content, lost.members["Headers"]["ce-id"])
    assert ack["success"] is True


async def test_a_tunnel_that_comes_back_takes_up_the_work(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service, "den") as client:
        for ack_id in (1, 2):
            async with tunnel(session, service) as upstream:
                await client.send(**EVENT | {"ackId": ack_id})
                await upstream.answer(await upstream.receive(), 204)
                assert (await client.receive())["success"] is True


@pytest.mark.parametrize(
    ("method", "path", "content", "content_type", "status"),
    [
        ("POST", "/api/hubs/den/:send?api-version=2023-07-01&filter=userId%20eq%20'ivy'", b"x", "text/plain", 202),
        ("POST", "/api/hubs/Den/groups/g%2Fh/:send?api-version=2023-07-01", b"x", "text/plain", 202),
        ("POST", "/api/hubs/den/:addToGroups", b'{"groups":["g"],"filter":"true"}', "application/json", 200),
        ("POST", "/api/hubs/den/:removeFromGroups", b'{"groups":["g"]}', "application/json", 200),
        ("DELETE", "/api/hubs/den/groups/g/connections/c", None, "", 204),
        ("HEAD", "/api/hubs/den/users/nobody", None, "", 404),
        ("POST", "/api/hubs/den/:invoke", b"x", "text/plain", 501),
        ("POST", "/api/hubs/den/:send?filter=x", b"x", "text/plain", 400),
        ("POST", "/api/hubs/den/:send", b"x" * (1024 * 1024 + 1), "text/plain", 413),
        ("POST", "/api/hubs/open/:send", b"x", "text/plain", 403),
        ("POST", "/api/hubs/den%2Fx/:send", b"x", "text/plain", 403),
        ("POST", "/elsewhere", b"x", "text/plain", 404),
        ("POST", "[/", b"x", "text/plain", 400),
        ("DANCE", "/api/hubs/den/:send", b"x", "text/plain", 405),
    ],
)
async def test_rest_through_the_tunnel(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    method: str,
    path: str,
    content: bytes | None,
    content_type: str,
    status: int,
) -> None:
    async with tunnel(session, service) as upstream, json_client(session, service, "den", groups=("g/h",)) as client:
        answer = await upstream.rest(method, path, content, content_type)

        assert (answer.type, answer.members["StatusCode"]) == (2, status)
        assert (answer.members["AckId"], answer.members["ChannelName"], answer.members["LocalRouting"]) == (
            9,
            "ch",
            True,
        )
        assert answer.members["NotCompleted"] is False
        if status == 202:
            assert (await client.receive())["data"] == "x"


async def test_a_page_of_members_through_the_tunnel(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with tunnel(session, service) as upstream, json_client(session, service, "den", groups=("g",)) as client:
        answer = await upstream.rest("GET", "/api/hubs/den/groups/g/connections")

    assert answer.content == b'{"value": [{"connectionId": "' + client.id.encode() + b'", "userId": "ivy"}]}'
    assert answer.members["Headers"]["Content-Type"] == ["application/json"]


REFUSED = [
    ("den", {"key": "another-key-of-thirty-two-bytes-or-more"}, 401),
    ("den", {"exp": 1}, 401),
    ("den", {"aud": "ws://localhost/server/tunnel?hub=den"}, 401),
    ("1den", {}, 400),
    ("", {}, 400),
]


@pytest.mark.parametrize(("hub", "changes", "status"), REFUSED)
async def test_a_tunnel_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, hub: str, changes: dict[str, Any], status: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(tunnel_url(service, hub, **changes))

    assert refused.value.status == status


async def test_a_tunnel_needs_a_token_and_a_web_socket(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    url = tunnel_url(service)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url.partition("&")[0])
    async with session.get(url.replace("ws:", "http:")) as plain:
        assert (refused.value.status, plain.status) == (401, 400)


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
async def test_either_key_opens_a_tunnel_and_no_subprotocol_is_chosen(
    session: aiohttp.ClientSession, service: LocalPubSub, key: str
) -> None:
    url, _, token = tunnel_url(service, key=key).partition("&access_token=")
    async with session.ws_connect(url, headers={"Authorization": f"Bearer {token}"}) as socket:
        assert socket.protocol is None
        assert (await TunnelClient(socket).receive()).type == 10


@pytest.mark.parametrize(("data", "code"), [("text", 1003), (b"\x01\x00\x00\x00\xff", 1007), (b"", 1007)])
async def test_what_is_no_frame_ends_the_tunnel(
    session: aiohttp.ClientSession, service: LocalPubSub, data: str | bytes, code: int
) -> None:
    async with tunnel(session, service) as upstream:
        await (upstream.socket.send_str(data) if isinstance(data, str) else upstream.socket.send_bytes(data))
        await upstream.socket.receive(timeout=5)

        assert upstream.socket.close_code == code


async def test_messages_of_the_service_are_ignored_when_a_client_sends_them(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with tunnel(session, service) as upstream:
        for kind in (3, 5, 7, 127):
            await upstream.send(kind, Message="x")
        await upstream.send(2, AckId=99, StatusCode=200)

        assert (await upstream.rest("HEAD", "/api/hubs/den/users/nobody")).members["StatusCode"] == 404


async def test_a_stop_lets_the_tunnel_come_back(session: aiohttp.ClientSession) -> None:
    async with LocalPubSub(config(hubs={"den": EVERYTHING})) as service:
        socket = await session.ws_connect(tunnel_url(service))
        await TunnelClient(socket).receive()
    goodbye = await socket.receive(timeout=5)

    assert (goodbye.type, goodbye.data) == (aiohttp.WSMsgType.CLOSE, 1001)
