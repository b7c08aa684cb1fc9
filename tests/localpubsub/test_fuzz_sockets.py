"""Garbage on real sockets: nothing goes wrong inside, nothing is left behind, and others are served on."""

from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from localpubsub.protocol.messages import MESSAGE_LIMIT
from localpubsub.server import LocalPubSub
from tests.localpubsub.arena import Arena, Ending, exchange, watched_service
from tests.localpubsub.conftest import JSON, client_url, json_client, rest_headers
from tests.localpubsub.garbage import (
    BINARY,
    CLOSE,
    CONTINUATION,
    TEXT,
    Sending,
    frame,
    json_messages,
    mqtt_sendings,
    protobuf_messages,
    sendings,
    tunnel_messages,
)
from tests.localpubsub.mqtt.peer import mqtt_path
from tests.localpubsub.reliable_client import PROTOBUF_RELIABLE, RELIABLE
from tests.localpubsub.tunnel_client import tunnel, tunnel_url

PROTOBUF = "protobuf.webpubsub.azure.v1"
ROLES = ("webpubsub.sendToGroup", "webpubsub.joinLeaveGroup")
TO_A_GROUP = "&webpubsub_mode=sendToGroup&group=reef&noEcho=false"
FEW = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def path_of(service: LocalPubSub, query: str = "") -> str:
    url = client_url(service, "den", query, roles=ROLES, groups=("reef", "lobby"))
    return url.removeprefix(f"ws://localhost:{service.port}")


def tunnel_path(service: LocalPubSub) -> str:
    return tunnel_url(service).removeprefix(f"ws://localhost:{service.port}")


def upgrade(service: LocalPubSub, path: str, protocol: str = "") -> bytes:
    offer = f"Sec-WebSocket-Protocol: {protocol}\r\n" if protocol else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost:{service.port}\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: 3n0pQe1mP1x9S0d8Zk2yYw==\r\n{offer}\r\n"
    ).encode()


KINDS: dict[str, tuple[Any, str, SearchStrategy[Sending]]] = {
    "raw": (path_of, "", sendings(st.binary(max_size=40), TEXT)),
    "raw to a group": (lambda one: path_of(one, TO_A_GROUP), "", sendings(st.binary(max_size=40), BINARY)),
    "json": (path_of, JSON, sendings(json_messages, TEXT)),
    "json.reliable": (path_of, RELIABLE, sendings(json_messages, TEXT)),
    "protobuf": (path_of, PROTOBUF, sendings(protobuf_messages, BINARY)),
    "protobuf.reliable": (path_of, PROTOBUF_RELIABLE, sendings(protobuf_messages, BINARY)),
    "mqtt": (lambda one: mqtt_path(one, "den", groups=("reef",)), "mqtt", mqtt_sendings()),
    "tunnel": (tunnel_path, "", sendings(tunnel_messages, BINARY)),
}


async def is_served(service: LocalPubSub) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
        async with json_client(session, service, "den", roles=ROLES, groups=("reef",)) as client:
            await client.send(type="sendToGroup", group="reef", dataType="text", data="on", ackId=1)
            assert [(await client.receive())["type"] for _ in range(2)] == ["message", "ack"]
            await client.send(type="event", event="echo", dataType="text", data="e", ackId=2)
            assert [(await client.receive())["type"] for _ in range(2)] == ["message", "ack"]
        async with tunnel(session, service) as other:
            assert (await other.rest("HEAD", "/api/hubs/den/users/nobody")).members["StatusCode"] == 404


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    with watched_service() as one:
        one.warm(is_served(one.service))
        yield one


@pytest.fixture(autouse=True)
def nothing_left(arena: Arena) -> Iterator[None]:
    before = arena.objects()
    yield
    arena.run(is_served(arena.service))
    assert arena.objects() == before


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_on_a_socket(arena: Arena, kind: str) -> None:
    path, protocol, strategy = KINDS[kind]

    @FEW
    @given(strategy)
    def holds(sending: Sending) -> None:
        async def talk() -> None:
            request = upgrade(arena.service, path(arena.service), protocol)
            await exchange(arena.service, request, *sending)

        arena.run(talk())

    holds()


def codes(answer: bytes) -> list[int]:
    """Of the close frames at the end of an answer."""
    at = answer.rfind(bytes([0x80 | CLOSE]))
    return [] if at < 0 else [int.from_bytes(answer[at + 2 : at + 4])]


LARGE = b"x" * (MESSAGE_LIMIT + 1)
OVERSIZED = {
    "one frame": [frame(TEXT, LARGE)],
    "two frames": [frame(TEXT, LARGE[:9], fin=False), frame(CONTINUATION, LARGE)],
    "a promise": [frame(TEXT, b"x", length=2**40)],
}


@pytest.mark.parametrize(("size", "protocol"), [*product(OVERSIZED, ["", JSON, RELIABLE, PROTOBUF, PROTOBUF_RELIABLE])])
def test_a_message_that_is_too_large_is_refused(arena: Arena, size: str, protocol: str) -> None:
    async def talk() -> None:
        answer = await exchange(
            arena.service, upgrade(arena.service, path_of(arena.service), protocol), OVERSIZED[size]
        )
        assert codes(answer) == [1009]

    arena.run(talk())


def test_json_nested_too_deeply_is_refused(arena: Arena) -> None:
    async def talk() -> None:
        for text in (
            b"[" * 500_000,
            b'{"type":"event","event":"echo","data":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        ):
            answer = await exchange(
                arena.service, upgrade(arena.service, path_of(arena.service), JSON), [frame(TEXT, text)]
            )
            assert codes(answer) == [1007]

    arena.run(talk())


quoted = (st.text(max_size=5) | st.binary(max_size=3)).map(lambda one: quote(one, safe=""))
segments = quoted | st.sampled_from((
    "den", "connections", "groups", "users", "permissions", ":send", ":closeConnections", ":generateToken",
    ":addToGroups", ":removeFromGroups", ":invoke", "sendToGroup", "joinLeaveGroup", "reef", "ivy",
))  # fmt: skip
known = st.sampled_from((
    ":send", "groups/reef/:send", "users/ivy/:send", "connections/x/:send", ":addToGroups", ":removeFromGroups",
    ":generateToken", "groups/reef/connections", "permissions/sendToGroup/connections/x", ":closeConnections",
))  # fmt: skip
paths = known | st.lists(segments, max_size=5).map("/".join)
queries = st.lists(
    st.tuples(
        st.sampled_from(("filter", "top", "maxpagesize", "continuationToken", "messageTtlSeconds", "excluded",
                         "api-version", "targetName", "reason", "minutesToExpire", "clientType", "group", "role")),
        st.text(max_size=12) | st.integers().map(str) | st.sampled_from(("MQTT", "userId eq 'a'", "not" * 99, "('")),
    ),
    max_size=3,
).map(lambda pairs: "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs))  # fmt: skip
bodies = st.one_of(
    st.binary(max_size=40),
    json_messages,
    st.sampled_from((b'{"groups":["a"],"filter":"(" }', b'{"groups":[1]}', b"[" * 100_000, b"\xff", b"{}")),
)
content_types = st.sampled_from((
    "text/plain", "application/json", "application/octet-stream", "application/x-protobuf",
    "text/plain; charset=x", "/", "",
))  # fmt: skip


def test_garbage_on_the_rest_api(arena: Arena) -> None:
    service = arena.service

    @settings(FEW, max_examples=200)
    @given(
        st.sampled_from(("GET", "POST", "POST", "PUT", "DELETE", "HEAD", "PATCH", "BREW")),
        paths, queries, content_types, bodies, st.binary(max_size=9),
    )  # fmt: skip
    def holds(method: str, path: str, query: str, content_type: str, body: bytes, value: bytes) -> None:
        target = f"/api/hubs/den/{path}?{query}"
        lines = {
            "Host": f"localhost:{service.port}", "Content-Type": content_type, "Content-Length": str(len(body)),
            "X-WebPubSub-Metadata-a": quote(value), "Connection": "close",
        } | rest_headers(service, target)  # fmt: skip
        head = "".join(f"{name}: {line}\r\n" for name, line in lines.items())

        async def ask() -> None:
            answer = await exchange(service, f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
            status = int(answer.split(b" ", 2)[1])
            assert 200 <= status < 500 or (status, path.endswith(":invoke")) == (501, True)

        arena.run(ask())

    holds()


def test_garbage_instead_of_http(arena: Arena) -> None:
    starts = st.sampled_from((b"", b"GET ", b"GET / HTTP/1.1\r\n", b"POST /api/hubs/den/:send HTTP/1.1\r\nHost: x\r\n"))

    @FEW
    @given(starts, st.binary(max_size=60), st.sampled_from((Ending.HALF_CLOSE, Ending.CUT_OFF)))
    def holds(start: bytes, rest: bytes, ending: Ending) -> None:
        async def ask() -> None:
            await exchange(arena.service, start + rest, ending=ending)

        arena.run(ask())

    holds()


def test_handshakes_with_garbage_in_their_query(arena: Arena) -> None:
    names = st.sampled_from(
        ("access_token", "awps_connection_id", "awps_reconnection_token", "webpubsub_mode", "group")
    )

    @FEW
    @given(
        st.sampled_from(("/client/hubs/", "/clients/mqtt/hubs/", "/client?hub=", "/server/tunnel?hub=")),
        quoted | st.just("den"),
        st.lists(st.tuples(names, quoted), max_size=3),
        st.sampled_from(("", JSON, RELIABLE, "mqtt", "x, y", ",")),
        st.sampled_from(Ending),
    )
    def holds(path: str, hub: str, pairs: list[tuple[str, str]], protocol: str, ending: Ending) -> None:
        query = "&".join(f"{name}={value}" for name, value in pairs)
        target = f"{path}{hub}{'&' if '?' in path else '?'}{query}"

        async def knock() -> None:
            answer = await exchange(arena.service, upgrade(arena.service, target, protocol), ending=ending)
            assert ending is not Ending.WAIT or int(answer.split(b" ", 2)[1]) in {101, 400, 401, 404}

        arena.run(knock())

    holds()


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_is_gone_before_the_answer(arena: Arena, kind: str) -> None:
    path, protocol, _ = KINDS[kind]

    async def knock() -> None:
        for target, ending in product((path(arena.service), "/client/hubs/open"), (Ending.HALF_CLOSE, Ending.CUT_OFF)):
            await exchange(arena.service, upgrade(arena.service, target, protocol), ending=ending)

    arena.run(knock())
