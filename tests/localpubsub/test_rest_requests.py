"""What every REST request has: a version, a path, headers, a body (spec/service.md 8.2, 8.4, 8.6)."""

import io
import itertools
import json
from collections.abc import AsyncIterator

import aiohttp
import jwt
import pytest
from multidict import CIMultiDict
from yarl import URL

from localpubsub.edge.rest_call import BODY_LIMIT
from localpubsub.protocol.roles import LITERAL_LIMIT, Permission
from localpubsub.server import LocalPubSub
from tests.localpubsub.conftest import json_client, rest_headers
from tests.localpubsub.rest_calls import HUB, TEXT, call

JSON_TYPE = {"Content-Type": "application/json"}
META = "X-WebPubSub-Metadata-"
VERSIONS = "2021-10-01, 2022-11-01, 2023-07-01, 2024-01-01, 2024-12-01"


@pytest.mark.parametrize("version", [*VERSIONS.split(", "), "2021-08-01-preview", "2022-10-01-preview"])
async def test_every_version_is_understood(session: aiohttp.ClientSession, service: LocalPubSub, version: str) -> None:
    response = await call(session, service, "POST", f"{HUB}/:send?api-version={version}", headers=TEXT, data=b"x")

    assert (response.status, response.headers["api-supported-versions"]) == (202, VERSIONS)


@pytest.mark.parametrize(
    "query", ["api-version=2025-01-01", "api-version=", "api-version=2024-12-01&api-version=2024-12-01"]
)
async def test_an_unknown_or_repeated_version_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, query: str
) -> None:
    response = await call(session, service, "POST", f"{HUB}/:send?{query}", headers=TEXT, data=b"x")

    assert (response.status, (await response.json())["target"]) == (400, "api-version")
    assert response.headers["api-supported-versions"] == VERSIONS


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", ":send", 405, "POST"),
        ("POST", "connections/c", 405, "HEAD, DELETE"),
        ("GET", "groups/g", 405, "HEAD"),
        ("PATCH", "permissions/sendToGroup/connections/c", 405, "HEAD, PUT, DELETE"),
        ("OPTIONS", ":send", 405, "POST"),
        ("POST", ":dance", 404, None),
        ("POST", ":send/", 404, None),
        ("POST", "users//:send", 404, None),
        ("HEAD", "connections/", 404, None),
        ("GET", "", 404, None),
        ("POST", "groups/g/h/:send", 404, None),
    ],
)
async def test_a_method_or_a_path_nobody_knows(
    session: aiohttp.ClientSession, service: LocalPubSub, method: str, path: str, status: int, allowed: str | None
) -> None:
    response = await call(
        session, service, method, f"{HUB}/{path}", headers=TEXT, data=b"x" if method != "HEAD" else None
    )
    body = await response.read()

    assert (response.status, response.headers.get("Allow")) == (status, allowed)
    assert response.headers["x-ms-error-code"] == {404: "Error.NotFound", 405: "Error.MethodNotAllowed"}[status]
    if method != "HEAD":
        assert json.loads(body)["code"] == response.headers["x-ms-error-code"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "connections/gone", 404),
        ("HEAD", "groups/gone", 404),
        ("HEAD", "users/gone", 404),
        ("HEAD", "permissions/sendToGroup/connections/gone?targetName=g", 404),
        ("HEAD", "permissions/dance/connections/gone?targetName=g", 400),
        ("DELETE", "connections/gone", 204),
        ("DELETE", "connections/gone/groups", 204),
        ("DELETE", "groups/g/connections/gone", 204),
        ("DELETE", "users/gone/groups", 204),
        ("DELETE", "users/gone/groups/g", 204),
        ("DELETE", "permissions/sendToGroup/connections/gone?targetName=g", 204),
        ("PUT", "permissions/sendToGroup/connections/gone?targetName=g", 404),
    ],
)  # fmt: skip
async def test_what_is_not_there(
    session: aiohttp.ClientSession, service: LocalPubSub, method: str, path: str, status: int
) -> None:
    response = await call(session, service, method, f"{HUB}/{path}")

    assert response.status == status
    assert bool(await response.read()) is (method == "PUT")


async def test_health_is_asked_with_head_or_get(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.post(f"{service.endpoint}/api/health") as response:
        assert (response.status, response.headers["Allow"]) == (405, "HEAD, GET")


@pytest.mark.parametrize(
    ("segment", "user"),
    [
        ("t%2F%C3%A9", "t/é"),
        ("t%2f%c3%a9", "t/é"),
        ("%252F", "%2F"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%E6%9D%B1", "東"),
        ("a:b@c;d=e,f$g", "a:b@c;d=e,f$g"),
        ("%3Asend", ":send"),
        ("%2E%2E", ".."),
        ("%3F%23", "?#"),
    ],
)
async def test_an_id_of_the_path_is_decoded_once_and_fully(
    session: aiohttp.ClientSession, service: LocalPubSub, segment: str, user: str
) -> None:
    async with json_client(session, service, user=user) as client:
        path = f"{HUB}/users/{segment}"
        assert (await call(session, service, "HEAD", path)).status == 200
        assert (await call(session, service, "POST", f"{path}/:send", headers=TEXT, data=b"x")).status == 202
        assert (await client.receive())["data"] == "x"
        assert (await call(session, service, "PUT", f"{HUB}/users/{segment}/groups/{segment}")).status == 200
        assert (await call(session, service, "HEAD", f"{HUB}/groups/{segment}")).status == 200


async def test_a_path_that_is_not_utf8_is_refused(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    assert (await call(session, service, "POST", f"{HUB}/users/%FF/:send", headers=TEXT, data=b"x")).status == 400


METADATA_LIMITS = [
    ({"a" * 256: "x"}, 202),
    ({"a" * 257: "x"}, 400),
    ({"a": "x" * 1024}, 202),
    ({"a": "x" * 1025}, 400),
    ({f"k{n}": "x" * 1022 for n in range(8)}, 202),
    ({f"k{n}": "x" * (1023 if n == 0 else 1022) for n in range(8)}, 400),
    ({"a": "ü"}, 400),
    ({"": "x"}, 400),
]


@pytest.mark.parametrize(("metadata", "status"), METADATA_LIMITS)
async def test_metadata_keeps_within_its_limits(
    session: aiohttp.ClientSession, service: LocalPubSub, metadata: dict[str, str], status: int
) -> None:
    headers = TEXT | {f"{META}{key}": value for key, value in metadata.items()}

    assert (await call(session, service, "POST", f"{HUB}/:send", headers=headers, data=b"x")).status == status


async def test_metadata_given_twice_is_refused(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    path = f"{HUB}/:send"
    headers = CIMultiDict([*rest_headers(service, path).items(), *TEXT.items(), (f"{META}a", "1"), (f"{META}a", "2")])
    async with session.post(f"{service.endpoint}{path}", headers=headers, data=b"x") as response:
        assert (response.status, (await response.json())["target"]) == (400, "metadata")


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream"])
async def test_an_empty_message_may_carry_metadata(
    session: aiohttp.ClientSession, service: LocalPubSub, content_type: str
) -> None:
    headers = {"Content-Type": content_type, f"{META}Trace": "t9"}
    async with json_client(session, service) as client:
        assert (await call(session, service, "POST", f"{HUB}/:send", headers=headers, data=b"")).status == 202
        frame = await client.receive()

    assert (frame["dataType"], frame["data"], frame["metadata"]) == ("text", "", {"trace": "t9"})


async def test_json_may_hold_a_number_of_any_length(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    number = b"[" + b"9" * 5000 + b"]"
    async with json_client(session, service) as client:
        assert (await call(session, service, "POST", f"{HUB}/:send", headers=JSON_TYPE, data=number)).status == 202
        assert (await client.socket.receive_str(timeout=5)).encode().endswith(b'"data":' + number + b"}")


async def test_a_serialised_any_is_passed_on(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    async with json_client(session, service) as client:
        assert (await call(session, service, "POST", f"{HUB}/:send", headers=headers, data=b"\xff")).status == 400
        assert (await call(session, service, "POST", f"{HUB}/:send", headers=headers, data=b"\x0a\x00")).status == 202
        assert (await client.receive())["dataType"] == "protobuf"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_may_have_a_megabyte_and_no_byte_more(
    session: aiohttp.ClientSession, service: LocalPubSub, chunked: bool
) -> None:
    async def status(size: int) -> int:
        data = pieces(size) if chunked else io.BytesIO(b"x" * size)
        return (await call(session, service, "POST", f"{HUB}/users/u/:send", headers=TEXT, data=data)).status

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 65536):
            yield b"x" * min(65536, size - start)

    assert [await status(BODY_LIMIT), await status(BODY_LIMIT + 1)] == [202, 413]


@pytest.mark.parametrize("content_type", ["text/html", "", "application/xml", "text", "application/json5"])
@pytest.mark.parametrize("operation", [":send", ":addToGroups"])
async def test_a_content_type_nobody_is_sent_is_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, operation: str, content_type: str
) -> None:
    response = await call(
        session, service, "POST", f"{HUB}/{operation}", headers={"Content-Type": content_type}, data=b"x"
    )

    assert (response.status, (await response.json())["code"]) == (415, "Error.UnsupportedMediaType")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"groups":"a"}', b'{"groups":[1]}', b'{"groups":[" "]}', b"[" * 100_000]
)
async def test_groups_that_are_none_are_refused(
    session: aiohttp.ClientSession, service: LocalPubSub, body: bytes
) -> None:
    for verb in ("addToGroups", "removeFromGroups"):
        assert (await call(session, service, "POST", f"{HUB}/:{verb}", headers=JSON_TYPE, data=body)).status == 400


@pytest.mark.parametrize(
    ("value", "status"), [("0", 202), ("300", 202), ("301", 400), ("-1", 400), ("1.5", 400), ("", 400), ("x", 400)]
)
async def test_a_time_to_live_is_0_to_300_seconds(
    session: aiohttp.ClientSession, service: LocalPubSub, value: str, status: int
) -> None:
    path = f"{HUB}/:send?messageTtlSeconds={value}"

    assert (await call(session, service, "POST", path, headers=TEXT, data=b"x")).status == status


@pytest.mark.parametrize("target", ["", "groups/g/", "users/ivy/", "connections/{id}/"])
async def test_a_message_past_its_time_is_not_delivered(
    session: aiohttp.ClientSession, service: LocalPubSub, target: str
) -> None:
    async with json_client(session, service, groups=("g",)) as client:
        connection = service.service.hub("open").connections[client.id]
        # Twenty seconds pass between any two looks at the clock: first when it is queued, then when it is written.
        connection.outbound._clock = itertools.count(0, 20).__next__
        path = f"{HUB}/{target.format(id=client.id)}:send?messageTtlSeconds="
        for ttl in (10, 300, 0):
            await call(session, service, "POST", f"{path}{ttl}", headers=TEXT, data=str(ttl).encode())

        assert [(await client.receive())["data"], (await client.receive())["data"]] == ["300", "0"]


async def test_a_thousand_rules_are_the_limit_of_a_connection(
    session: aiohttp.ClientSession, service: LocalPubSub
) -> None:
    async with json_client(session, service, roles=("webpubsub.joinLeaveGroup",)) as client:
        path = f"{HUB}/permissions/sendToGroup/connections/{client.id}?targetName="
        permissions = service.service.hub("open").connections[client.id].permissions
        for number in range(LITERAL_LIMIT):
            permissions.grant(Permission.SEND_TO_GROUP, f"g{number}")
        refused = await call(session, service, "PUT", f"{path}more")

        assert (refused.status, refused.headers["x-ms-error-code"]) == (409, "Error.Conflict")
        assert (await call(session, service, "HEAD", f"{path}more")).status == 404
        assert (await call(session, service, "PUT", f"{path}g1")).status == 200
        assert (await call(session, service, "DELETE", f"{path}g1")).status == 204
        assert (await call(session, service, "HEAD", f"{path}g1")).status == 404


@pytest.mark.parametrize(
    ("client_type", "path"),
    [("", "client/hubs"), ("Default", "client/hubs"), ("MQTT", "clients/mqtt/hubs"), ("mqtt", "clients/mqtt/hubs")],
)
async def test_a_token_is_made_for_each_kind_of_client(
    session: aiohttp.ClientSession, service: LocalPubSub, client_type: str, path: str
) -> None:
    query = f"?clientType={client_type}&role=a&role=b&group=g&userId=t%2F%C3%A9&minutesToExpire=3"
    response = await call(session, service, "POST", f"/api/hubs/Open/:generateToken{query if client_type else '?'}")
    token = (await response.json())["token"]
    claims = jwt.decode(token, options={"verify_signature": False})

    assert claims["aud"] == f"{service.endpoint}/{path}/Open"
    if client_type:
        assert claims["exp"] - claims["iat"] == 180
        assert (claims["role"], claims["webpubsub.group"], claims["sub"]) == (["a", "b"], ["g"], "t/é")
    else:
        assert claims["exp"] - claims["iat"] == 3600
        assert set(claims) == {"aud", "iat", "exp"}


@pytest.mark.parametrize(
    ("minutes", "status"), [("0", 400), ("-1", 400), ("x", 400), ("1", 200), ("2147483647", 200), ("9" * 30, 400)]
)
async def test_a_token_may_last_for_any_number_of_minutes(
    session: aiohttp.ClientSession, service: LocalPubSub, minutes: str, status: int
) -> None:
    response = await call(session, service, "POST", f"{HUB}/:generateToken?minutesToExpire={minutes}")

    assert response.status == status


async def test_the_refused_get_an_error_body_too(session: aiohttp.ClientSession, service: LocalPubSub) -> None:
    async with session.post(URL(f"{service.endpoint}{HUB}/:send"), headers=TEXT, data=b"x") as response:
        assert response.status == 401
        assert (await response.json())["code"] == response.headers["x-ms-error-code"] == "Error.Unauthorized"
