"""The official service SDK for JavaScript, unmodified: every verb once (spec/service.md 8.3, 13)."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from localpubsub.server import LocalPubSub
from tests.e2e.node_programs import Program, running
from tests.localpubsub.conftest import JSON, JsonClient, json_client

GROUP = "a b/c%東"
USER = "žofie/1"


class Sdk:
    def __init__(self, program: Program) -> None:
        self._program = program

    async def __call__(self, verb: str, *args: Any, group: str | None = None, binary: bytes | None = None) -> Any:
        """The value of the verb. Fails the test where the SDK throws."""
        answer = await self.refused(verb, *args, group=group, binary=binary)
        assert "value" in answer, answer
        return answer["value"]

    async def refused(self, verb: str, *args: Any, group: str | None = None, binary: bytes | None = None) -> Any:
        message: dict[str, Any] = {"verb": verb, "args": args}
        if group is not None:
            message["group"] = group
        if binary is not None:
            message["binary"] = list(binary)
        return await self._program.ask(message)


@pytest.fixture
async def sdk(service: LocalPubSub) -> AsyncIterator[Sdk]:
    async with running("service_sdk.cjs", service.connection_string, "Open") as program:
        yield Sdk(program)


@pytest.fixture
async def client(session: aiohttp.ClientSession, service: LocalPubSub) -> AsyncIterator[JsonClient]:
    async with json_client(session, service, user=USER, groups=("here",)) as one:
        yield one


async def test_every_way_to_send(sdk: Sdk, client: JsonClient) -> None:
    text = {"contentType": "text/plain"}
    await sdk("addConnection", client.id, group=GROUP)
    await sdk("sendToAll", {"n": 1.5}, {"filter": "userId ne null"})
    await sdk("sendToAll", "not you", text | {"excludedConnections": [client.id]})
    await sdk("sendToAll", "not you", text | {"filter": "'here' in groups and userId eq 'max'"})
    await sdk("sendToUser", USER, "user", text | {"messageTtlSeconds": 300})
    await sdk("sendToConnection", client.id, "connection", text)
    await sdk("sendToAll", "group", text, group=GROUP)
    await sdk("sendToAll", binary=b"\x01\x02")

    frames = [await client.receive() for _ in range(5)]
    assert [(frame["dataType"], frame["data"]) for frame in frames] == [
        ("json", {"n": 1.5}), ("text", "user"), ("text", "connection"), ("text", "group"), ("binary", "AQI="),
    ]  # fmt: skip
    assert frames[3]["group"] == GROUP


async def test_membership(sdk: Sdk, client: JsonClient) -> None:
    async def is_in() -> bool:
        return bool(await sdk("groupExists", GROUP))

    seen = []
    for enter, leave in (
        (("addConnection", (client.id,), GROUP), ("removeConnection", (client.id,), GROUP)),
        (("addUser", (USER,), GROUP), ("removeUser", (USER,), GROUP)),
        (("addUser", (USER,), GROUP), ("removeUserFromAllGroups", (USER,), None)),
        (("addConnection", (client.id,), GROUP), ("removeConnectionFromAllGroups", (client.id,), None)),
        (
            ("addConnectionsToGroups", ([GROUP, "x"], f"userId eq '{USER}'"), None),
            ("removeConnectionsFromGroups", ([GROUP], f"'{GROUP}' in groups"), None),
        ),
    ):
        for verb, args, group in (enter, leave):
            await sdk(verb, *args, group=group)
            seen.append(await is_in())

    assert seen == [True, False] * 5
    assert await sdk("groupExists", "x")


async def test_existence_and_permissions(sdk: Sdk, client: JsonClient) -> None:
    target = {"targetName": GROUP}
    seen = [
        await sdk("connectionExists", client.id),
        await sdk("connectionExists", "gone"),
        await sdk("userExists", USER),
        await sdk("userExists", "gone"),
        await sdk("hasPermission", client.id, "joinLeaveGroup", target),
        await sdk("grantPermission", client.id, "joinLeaveGroup", target),
        await sdk("hasPermission", client.id, "joinLeaveGroup", target),
        await sdk("revokePermission", client.id, "joinLeaveGroup", target),
        await sdk("hasPermission", client.id, "joinLeaveGroup", target),
    ]

    assert [one if isinstance(one, bool) else None for one in seen] == [
        True, False, True, False, False, None, True, None, False,
    ]  # fmt: skip


async def test_listing_goes_through_every_page(
    sdk: Sdk, session: aiohttp.ClientSession, service: LocalPubSub, client: JsonClient
) -> None:
    async with (
        json_client(session, service, user="u1", groups=(GROUP,)) as one,
        json_client(session, service, user="u2", groups=(GROUP,)) as two,
        json_client(session, service, user="u3", groups=(GROUP,)) as three,
    ):
        pages = await sdk("listConnections", {"maxPageSize": 2}, group=GROUP)
        top = await sdk("listConnections", {"top": 1}, group=GROUP)

    assert [len(page) for page in pages] == [2, 1]
    assert [member["connectionId"] for page in pages for member in page] == sorted([one.id, two.id, three.id])
    assert [len(page) for page in top] == [1]


@pytest.mark.parametrize(
    ("verb", "args", "group"),
    [
        ("closeConnection", ["{id}", {"reason": "bye"}], None),
        ("closeUserConnections", [USER, {"reason": "bye"}], None),
        ("closeAllConnections", [{"reason": "bye", "excluded": ["another"]}], None),
        ("closeAllConnections", [{"reason": "bye"}], "here"),
    ],
)
async def test_closing(sdk: Sdk, client: JsonClient, verb: str, args: list[Any], group: str | None) -> None:
    await sdk(verb, *(client.id if one == "{id}" else one for one in args), group=group)

    assert (await client.receive())["message"] == "bye"
    assert await client.closed() == 1000


async def test_a_token_of_the_sdk_opens_the_hub(sdk: Sdk, session: aiohttp.ClientSession) -> None:
    token = await sdk("getClientAccessToken", {"userId": USER, "groups": ["g"], "roles": ["webpubsub.sendToGroup"]})
    async with session.ws_connect(token["url"], protocols=[JSON]) as socket:
        assert (await socket.receive_json(timeout=5))["userId"] == USER
        assert await sdk("groupExists", "g")


async def test_errors_arrive_as_the_sdk_knows_them(sdk: Sdk) -> None:
    bad_filter = await sdk.refused("sendToAll", "x", {"contentType": "text/plain", "filter": "nick eq 'x'"})
    gone = await sdk.refused("addConnection", "gone", group="g")

    assert (bad_filter["status"], bad_filter["code"]) == (400, "Error.BadRequest")
    assert "Token 'nick' is not supported" in bad_filter["text"]
    assert (gone["status"], gone["code"]) == (404, "Error.NotFound")
