"""Filters on REST operations (spec/service.md 8.4, 8.5); their language is in `test_odata`."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import quote

import aiohttp
import pytest

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, json_client
from tests.localpubsub.rest_calls import HUB, TEXT, call

JSON_TYPE = {"Content-Type": "application/json"}
Clients = dict[str, JsonClient]


@pytest.fixture
async def clients(session: aiohttp.ClientSession, service: LocalPubSub) -> AsyncIterator[Clients]:
    """Ivy and Max are in `reef.1`, Mia is nowhere."""
    async with AsyncExitStack() as stack:
        yield {
            user: await stack.enter_async_context(json_client(session, service, user=user, groups=groups))
            for user, groups in {"ivy": ("reef.1",), "max": ("reef.1", "lobby"), "mia": ()}.items()
        }


async def heard(session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients) -> set[str]:
    """Who has a message waiting: everybody is sent a last one, and those who read another one first had it."""
    await call(session, service, "POST", f"{HUB}/:send", headers=TEXT, data=b"the end")
    found = set()
    for user, client in clients.items():
        while (await client.receive())["data"] != "the end":
            found.add(user)
    return found


@pytest.mark.parametrize(
    ("target", "text", "expected"),
    [
        ("", "userId eq 'ivy'", {"ivy"}),
        ("", "not (userId eq 'ivy')", {"max", "mia"}),
        ("", "'lobby' in groups or userId in ('mia')", {"max", "mia"}),
        ("", "length(groups) ge 1 and startswith(userId,'i')", {"ivy"}),
        ("", "protocol eq 'json.webpubsub.azure.v1'", {"ivy", "max", "mia"}),
        ("", "", {"ivy", "max", "mia"}),
        ("", "false", set()),
        ("groups/reef.1/", "userId ne 'max'", {"ivy"}),
        ("users/max/", "'lobby' in groups", {"max"}),
        ("users/ivy/", "'lobby' in groups", set()),
    ],
)
async def test_a_message_goes_to_those_the_filter_means(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients, target: str, text: str, expected: set[str]
) -> None:
    path = f"{HUB}/{target}:send?filter={quote(text)}"

    assert (await call(session, service, "POST", path, headers=TEXT, data=b"x")).status == 202
    assert await heard(session, service, clients) == expected


async def test_excluded_connections_are_out_whatever_the_filter_says(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients
) -> None:
    path = f"{HUB}/:send?filter=userId+ne+null&excluded={clients['ivy'].id}"
    await call(session, service, "POST", path, headers=TEXT, data=b"x")

    assert await heard(session, service, clients) == {"max", "mia"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nick eq 'x'", "Invalid syntax for 'nick eq 'x'': Token 'nick' is not supported."),
        ("not length(userId)", "Invalid syntax for 'not length(userId)': Type 'null', expect 'bool'."),
        ("userId gt 1", "Invalid syntax for 'userId gt 1': Type 'string', expect 'int'."),
        (" ", "Unexpected end of the expression, a value is expected."),
        ("(" * 101, "nested more than 100 levels deep."),
    ],
)
async def test_a_filter_that_is_not_understood_reaches_nobody(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients, text: str, message: str
) -> None:
    response = await call(session, service, "POST", f"{HUB}/:send?filter={quote(text)}", headers=TEXT, data=b"x")
    error = await response.json()

    assert (response.status, error["code"], error["target"]) == (400, "Error.BadRequest", "filter")
    assert error["message"].endswith(f"{message} (Parameter 'filter')")
    assert await heard(session, service, clients) == set()


async def test_two_filters_are_refused(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = f"{HUB}/:send?filter=true&filter=false"

    assert (await call(session, service, "POST", path, headers=TEXT, data=b"x")).status == 400


@pytest.mark.parametrize(
    "path", [":closeConnections", "users/ivy/:closeConnections", "groups/reef.1/:closeConnections"]
)
async def test_closing_knows_no_filter_and_closes_nobody(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients, path: str
) -> None:
    assert (await call(session, service, "POST", f"{HUB}/{path}?filter=userId+eq+'x'")).status == 400
    assert (await call(session, service, "HEAD", f"{HUB}/connections/{clients['ivy'].id}")).status == 200


async def change(session: aiohttp.ClientSession, service: LocalPubSub, verb: str, body: object) -> int:
    return (
        await call(session, service, "POST", f"{HUB}/:{verb}", headers=JSON_TYPE, data=json.dumps(body).encode())
    ).status


async def members(session: aiohttp.ClientSession, service: LocalPubSub, group: str) -> set[str]:
    page = await (await call(session, service, "GET", f"{HUB}/groups/{group}/connections")).json()
    return {member["userId"] for member in page["value"]}


async def test_groups_are_changed_for_those_the_filter_means(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients
) -> None:
    newcomers = {"groups": ["reef.1", "new"], "filter": "not ('reef.1' in groups)"}
    assert await change(session, service, "addToGroups", newcomers) == 200
    assert await members(session, service, "reef.1") == {"ivy", "max", "mia"}
    assert await members(session, service, "new") == {"mia"}

    # The filter asks for the group that is left: everybody is chosen before anybody leaves.
    leavers = {"groups": ["reef.1", "lobby"], "filter": "'reef.1' in groups and userId ne 'ivy'"}
    assert await change(session, service, "removeFromGroups", leavers) == 200
    assert await members(session, service, "reef.1") == {"ivy"}
    assert await members(session, service, "lobby") == set()


@pytest.mark.parametrize("text", [None, ""])
async def test_no_filter_is_everybody(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients, text: str | None
) -> None:
    assert await change(session, service, "addToGroups", {"groups": ["all"], "filter": text}) == 200
    assert await members(session, service, "all") == {"ivy", "max", "mia"}


@pytest.mark.parametrize("text", [5, ["true"], {}, False, "userId", "userId gt 1"])
async def test_groups_stay_as_they_are_under_a_filter_that_is_not_understood(
    session: aiohttp.ClientSession, service: LocalPubSub, clients: Clients, text: object
) -> None:
    assert await change(session, service, "addToGroups", {"groups": ["all"], "filter": text}) == 400
    assert await change(session, service, "removeFromGroups", {"groups": ["reef.1"], "filter": text}) == 400
    assert await members(session, service, "all") == set()
    assert await members(session, service, "reef.1") == {"ivy", "max"}
