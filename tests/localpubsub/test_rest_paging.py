"""Listing the members of a group (spec/service.md 8.4)."""

import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localpubsub.edge import cursors
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JsonClient, json_client
from tests.localpubsub.rest_calls import HUB, call

LIST = f"{HUB}/groups/a%2Fb/connections"


@pytest.fixture
async def five(session: aiohttp.ClientSession, service: LocalPubSub) -> AsyncIterator[list[JsonClient]]:
    """Members of `a/b`, by connection id; one has no user."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(json_client(session, service, groups=("a/b",), user=user))
            for user in ("u0", "u1", "u2", "u3", None)
        ]
        yield sorted(clients, key=lambda client: client.id)


async def pages(session: aiohttp.ClientSession, service: LocalPubSub, query: str) -> list[list[str]]:
    found: list[list[str]] = []
    link = f"{service.endpoint}{LIST}{query}"
    while link:
        assert link.startswith(service.endpoint)
        response = await call(session, service, "GET", link.removeprefix(service.endpoint))
        assert response.status == 200
        page = await response.json()
        found.append([member["connectionId"] for member in page["value"]])
        link = page.get("nextLink")
    return found


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("", [5]),
        ("?maxpagesize=2", [2, 2, 1]),
        ("?maxpagesize=5", [5]),
        ("?maxpagesize=200&top=3", [3]),
        ("?maxpagesize=2&top=3&api-version=2024-01-01", [2, 1]),
        ("?maxpagesize=2&top=4", [2, 2]),
        ("?top=9", [5]),
    ],
)
async def test_pages_hold_every_member_once_in_order(
    session: aiohttp.ClientSession, service: LocalPubSub, five: list[JsonClient], query: str, sizes: list[int]
) -> None:
    found = await pages(session, service, query)

    assert [len(page) for page in found] == sizes
    assert [one for page in found for one in page] == [client.id for client in five][: sum(sizes)]


async def test_a_next_link_keeps_what_was_asked(
    session: aiohttp.ClientSession, service: LocalPubSub, five: list[JsonClient]
) -> None:
    response = await call(session, service, "GET", f"{LIST}?api-version=2023-07-01&maxpagesize=2&top=4")
    query = parse_qs(urlsplit((await response.json())["nextLink"]).query)

    assert query.pop("continuationToken")
    assert query == {"api-version": ["2023-07-01"], "maxpagesize": ["2"], "top": ["2"]}


async def test_who_leaves_between_two_pages_hides_nobody(
    session: aiohttp.ClientSession, service: LocalPubSub, five: list[JsonClient]
) -> None:
    first = await (await call(session, service, "GET", f"{LIST}?maxpagesize=2")).json()
    for gone in five[:3]:
        await call(session, service, "DELETE", f"{LIST}/{gone.id}")
    second = await (await call(session, service, "GET", first["nextLink"].removeprefix(service.endpoint))).json()

    assert [member["connectionId"] for member in second["value"]] == [client.id for client in five[3:]]
    assert "nextLink" not in second


async def test_a_member_without_a_user_has_no_user_id(
    session: aiohttp.ClientSession, service: LocalPubSub, five: list[JsonClient]
) -> None:
    page = await (await call(session, service, "GET", LIST)).json()

    assert sorted(member.get("userId", "") for member in page["value"]) == ["", "u0", "u1", "u2", "u3"]


async def test_a_group_nobody_is_in_is_an_empty_page(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    response = await call(session, service, "GET", f"{HUB}/groups/nobody/connections")

    assert (response.status, await response.json()) == (200, {"value": []})


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("maxpagesize=0", "maxpagesize"),
        ("maxpagesize=201", "maxpagesize"),
        ("maxpagesize=-1", "maxpagesize"),
        ("maxpagesize=1_0", "maxpagesize"),
        ("maxpagesize=%D9%A3", "maxpagesize"),
        ("maxpagesize=" + "9" * 5000, "maxpagesize"),
        ("top=0", "top"),
        ("top=x", "top"),
        ("continuationToken=abc", "continuationToken"),
    ],
)
async def test_what_a_page_cannot_be_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, query: str, target: str
) -> None:
    response = await call(session, service, "GET", f"{LIST}?{query}")

    assert (response.status, (await response.json())["target"]) == (400, target)


@pytest.mark.parametrize("top", [2**31 - 1, 2**63 - 1])
async def test_the_largest_numbers_clients_have_mean_all_members(
    session: aiohttp.ClientSession, service: LocalPubSub, top: int
) -> None:
    response = await call(session, service, "GET", f"{LIST}?top={top}")

    assert (response.status, await response.json()) == (200, {"value": []})


@given(st.text(), st.text(min_size=1))
@example("", "x")
@example("/", "/")
def test_a_cursor_is_read_for_its_own_group_and_no_other(group: str, after: str) -> None:
    try:
        cursor = cursors.write("den", group, after)
    except UnicodeEncodeError:
        return

    assert cursors.read(cursor, "den", group) == after
    for hub, other in (("den", group + "x"), ("pit", group)):
        with pytest.raises(ValueError, match="another group"):
            cursors.read(cursor, hub, other)


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever its text
        cursors.read(cursor, "den", "g")
