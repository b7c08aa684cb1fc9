"""The REST data plane over a real socket (spec/service.md 8)."""

import io
import time
from typing import Any

import aiohttp
import pytest
from yarl import URL

from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import JSON, SECONDARY, json_client, rest_headers
from tests.localpubsub.rest_calls import HUB, TEXT, call


async def test_health_answers_without_a_token(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.head(f"{service.endpoint}/api/health") as response:
        assert response.status == 200


@pytest.mark.parametrize("excluded", [False, True])
async def test_a_message_reaches_everybody_but_the_excluded(
    session: aiohttp.ClientSession, service: LocalPubSub, excluded: bool
) -> None:
    async with json_client(session, service) as mia, json_client(session, service) as max_:
        query = f"?excluded={max_.id}&excluded=nobody" if excluded else ""
        first = await call(session, service, "POST", f"{HUB}/:send{query}", headers=TEXT, data="hi ü".encode())
        second = await call(
            session, service, "POST", f"{HUB}/:send", headers={"Content-Type": "application/json"}, data=b"1.0"
        )

        assert (first.status, second.status) == (202, 202)
        expected = {"type": "message", "from": "server", "dataType": "text", "data": "hi ü"}
        assert await mia.receive() == expected
        if not excluded:
            assert await max_.receive() == expected
        assert (await max_.receive())["dataType"] == "json"


async def test_a_group_message_carries_metadata_and_no_sender(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service, groups=("reef.1",)) as client:
        headers = {"Content-Type": "application/json; charset=utf-8", "X-WebPubSub-Metadata-Trace": "t9"}
        response = await call(
            session, service, "POST", f"{HUB}/groups/reef.1/:send?api-version=2024-12-01", headers=headers,
            data=b'{"depth":12}',
        )  # fmt: skip

        assert response.status == 202
        assert "2024-12-01" in response.headers["api-supported-versions"]
        assert await client.receive() == {
            "type": "message", "from": "group", "group": "reef.1", "fromUserId": None, "dataType": "json",
            "data": {"depth": 12}, "metadata": {"trace": "t9"},
        }  # fmt: skip


async def test_users_and_connections_are_targets_too(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service, user="t/é") as client:
        await call(session, service, "POST", f"{HUB}/users/t%2F%C3%A9/:send", headers=TEXT, data=b"to the user")
        await call(session, service, "POST", f"{HUB}/connections/{client.id}/:send", headers=TEXT, data=b"to one")
        assert [(await client.receive())["data"], (await client.receive())["data"]] == ["to the user", "to one"]
    gone = await call(session, service, "POST", f"{HUB}/users/nobody/:send", headers=TEXT, data=b"x")
    assert gone.status == 202


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "target"),
    [
        (":send", {"Content-Type": "text/html"}, b"x", 415, None),
        (":send", {"Content-Type": "application/json"}, b"{", 400, "message"),
        (":send", {"Content-Type": "application/json"}, b"NaN", 400, "message"),
        (":send", {"Content-Type": "application/json"}, b"[" * 100_000, 400, "message"),
        (":send", TEXT, b"\xff", 400, "message"),
        (":send", TEXT, b"", 400, "message"),
        (":send", TEXT, b"x" * (1024 * 1024 + 1), 413, None),
        (":send?messageTtlSeconds=301", TEXT, b"x", 400, "messageTtlSeconds"),
        (":send?api-version=2019-01-01", TEXT, b"x", 400, "api-version"),
        (":send?api-version=2024-12-01&api-version=2024-12-01", TEXT, b"x", 400, "api-version"),
        (":send", TEXT | {"X-WebPubSub-Metadata-a": "x" * 1025}, b"x", 400, "metadata"),
        ("groups/%20/:send", TEXT, b"x", 400, "group"),
        (":generateToken?clientType=carrier", {}, b"", 400, "clientType"),
        (":generateToken?minutesToExpire=0", {}, b"", 400, "minutesToExpire"),
        (":addToGroups", {"Content-Type": "application/json"}, b'{"groups":[]}', 400, "groups"),
        (":addToGroups", {"Content-Type": "application/json"}, b'{"groups":["g"],"filter":"x"}', 400, "filter"),
        (":invoke", TEXT, b"x", 501, None),
        ("groups/g/:invoke", TEXT, b"x", 501, None),
        ("nothing", TEXT, b"x", 404, None),
        ("connections/a", TEXT, b"x", 405, None),
    ],
)
async def test_what_is_wrong_has_its_code(
    session: aiohttp.ClientSession,
    service: LocalPubSub,
    path: str,
    headers: dict[str, str],
    body: bytes,
    status: int,
    target: str | None,
) -> None:
    response = await call(session, service, "POST", f"{HUB}/{path}", headers=headers, data=io.BytesIO(body))

    error = await response.json()
    assert response.status == status
    assert error["code"] == response.headers["x-ms-error-code"]
    assert error["code"].startswith("Error.")
    assert error.get("target") == target


async def test_a_hub_name_must_be_legal(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    assert (await call(session, service, "POST", "/api/hubs/1x/:send", headers=TEXT, data=b"x")).status == 400


async def test_only_a_token_for_this_path_is_accepted(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = f"{HUB}/groups/a%20b%2Fc%25"
    decoded = f"{HUB}/groups/a b/c%"
    accepted = [
        rest_headers(service, path),
        rest_headers(service, path + "?api-version=2024-12-01"),
        rest_headers(service, decoded),
        rest_headers(service, path, key=SECONDARY),
        rest_headers(service, path, aud=["http://elsewhere/x", f"http://127.0.0.1:{service.port}{path}"]),
    ]
    refused: list[dict[str, str]] = [
        {},
        {"Authorization": "Basic abc"},
        {"Authorization": "Bearer nonsense"},
        rest_headers(service, f"{HUB}/groups/other"),
        rest_headers(service, path, key="another-key-of-thirty-two-bytes-or-more"),
        rest_headers(service, path, exp=int(time.time()) - 400),
        rest_headers(service, path, aud=f"http://elsewhere.example{path}"),
    ]

    async def status(headers: dict[str, str]) -> int:
        async with session.head(URL(service.endpoint + path, encoded=True), headers=headers) as response:
            return response.status

    assert [await status(headers) for headers in accepted] == [404] * len(accepted)
    assert [await status(headers) for headers in refused] == [401] * len(refused)


async def test_membership_follows_the_connection_and_the_user(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service) as client:
        group = f"{HUB}/groups/a%2Fb"
        member = f"{group}/connections/{client.id}"

        async def exists() -> int:
            return (await call(session, service, "HEAD", group)).status

        assert await exists() == 404
        assert (await call(session, service, "PUT", member)).status == 200
        assert await exists() == 200
        assert (await call(session, service, "DELETE", member)).status == 204
        assert await exists() == 404
        assert (await call(session, service, "PUT", f"{HUB}/users/ivy/groups/a%2Fb")).status == 200
        assert await exists() == 200
        assert (await call(session, service, "DELETE", f"{HUB}/users/ivy/groups/a%2Fb")).status == 204
        assert await exists() == 404
        json_body = {"groups": ["a/b", "c"]}
        assert (await call(session, service, "POST", f"{HUB}/:addToGroups", json=json_body)).status == 200
        assert await exists() == 200
        assert (await call(session, service, "POST", f"{HUB}/:removeFromGroups", json=json_body)).status == 200
        assert await exists() == 404
        await call(session, service, "PUT", member)
        assert (await call(session, service, "DELETE", f"{HUB}/connections/{client.id}/groups")).status == 204
        assert await exists() == 404
        await call(session, service, "PUT", member)
        assert (await call(session, service, "DELETE", f"{HUB}/users/ivy/groups")).status == 204
        assert await exists() == 404
    assert (await call(session, service, "PUT", f"{HUB}/groups/g/connections/gone")).status == 404
    assert (await call(session, service, "PUT", f"{HUB}/users/gone/groups/g")).status == 404
    assert (await call(session, service, "DELETE", f"{HUB}/groups/g/connections/gone")).status == 204


async def test_permissions_are_granted_asked_and_revoked(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with json_client(session, service, roles=("webpubsub.sendToGroup",)) as client:
        path = f"{HUB}/permissions/{{}}/connections/{client.id}?targetName=g"
        send, join = path.format("sendToGroup"), path.format("joinLeaveGroup")

        assert (await call(session, service, "HEAD", send)).status == 200
        assert (await call(session, service, "HEAD", join)).status == 404
        assert (await call(session, service, "PUT", join)).status == 200
        assert (await client.ask(type="joinGroup", group="g", ackId=1))["success"] is True
        assert (await call(session, service, "DELETE", send)).status == 204
        assert (await client.ask(type="sendToGroup", group="g", data=1, ackId=2))["error"]["name"] == "Forbidden"
        assert (await call(session, service, "PUT", path.format("dance"))).status == 400
        assert (await call(session, service, "PUT", send.partition("?")[0])).status == 400


@pytest.mark.parametrize(
    "target", ["connections/{id}", "users/ivy/:closeConnections", "groups/g/:closeConnections", ":closeConnections"]
)
async def test_closing_says_goodbye_and_ends_with_1000(
    session: aiohttp.ClientSession, service: LocalPubSub, target: str
) -> None:
    async with json_client(session, service, groups=("g",)) as client:
        method = "DELETE" if target.startswith("connections") else "POST"
        path = f"{HUB}/{target.format(id=client.id)}?reason=maintenance"
        assert (await call(session, service, method, path)).status == 204
        assert await client.receive() == {"type": "system", "event": "disconnected", "message": "maintenance"}
        assert await client.closed() == 1000
        assert (await call(session, service, "HEAD", f"{HUB}/connections/{client.id}")).status == 404


async def test_the_upstream_hears_why_a_connection_was_closed(
    session: aiohttp.ClientSession, service: LocalPubSub, upstream: Any
) -> None:
    async with json_client(session, service, "den") as client:
        assert (await call(session, service, "DELETE", f"/api/hubs/den/connections/{client.id}")).status == 204
        await client.closed()

    assert (await upstream.wait_for("disconnected"))[0].body == b'{"reason": "Closed by REST API."}'


async def test_a_generated_token_opens_the_hub(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    query = "?userId=mia&role=webpubsub.joinLeaveGroup&group=a&group=b&minutesToExpire=5&clientType=default"
    response = await call(session, service, "POST", f"{HUB}/:generateToken{query}")
    token = (await response.json())["token"]

    async with session.ws_connect(
        f"ws://localhost:{service.port}/client/hubs/open?access_token={token}", protocols=[JSON]
    ) as s:
        assert (await s.receive_json(timeout=5))["userId"] == "mia"
        assert (await call(session, service, "HEAD", f"{HUB}/groups/b")).status == 200
