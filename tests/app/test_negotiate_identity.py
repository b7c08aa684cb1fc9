"""Who gets a client access URL where `?id=` is not enough, how often, and from where."""

import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic_core import to_json
from starlette.requests import Request

from app.main import create_app
from app.upstream.policy import Person
from app.upstream.testing import RecordingPublisher
from tests.app.clients.test_entra import AUDIENCE, Issuer, issuer
from tests.app.conftest import MakeClient, event, settings
from tests.app.test_negotiate import claims

__all__ = ["issuer"]

POLICY = """
[[rule]]
name = "people"
who = ["signed-in"]
groups = ["lobby"]
send = ["inbox.{user}"]

[[rule]]
name = "staff"
who = ["role:admin"]
join = ["**"]
"""


async def from_cookie(request: Request) -> Person | None:
    """Stands for a host application's session."""
    name = request.cookies.get("session")
    return Person(name, {"roles": ["admin"]} if name == "mia" else {}) if name else None


@pytest.fixture
async def oidc(issuer: Issuer, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    (tmp_path / "policy.toml").write_text(POLICY.replace('["signed-in"]', '["claim:department=support"]'))
    app = create_app(
        settings(
            identity="oidc",
            identity_issuer=f"{issuer.url}/11111111-2222-3333-4444-555555555555/v2.0",
            identity_audience=AUDIENCE,
            identity_user_claim="oid",
            policy=tmp_path / "policy.toml",
        ),
        publisher_for=lambda _: RecordingPublisher(),
    )
    async with (
        app.state.services.open(),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://upstream") as client,
    ):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_claims_of_the_issuer_become_user_groups_and_roles(oidc: httpx.AsyncClient, issuer: Issuer) -> None:
    token = issuer.token(oid="mia", department="support", roles=["admin", "x"])

    answer = claims(await oidc.get("/negotiate?id=mallory", headers=bearer(token)))

    assert answer["sub"] == "mia"
    assert answer["webpubsub.group"] == ["lobby"]
    assert answer["role"] == [
        "webpubsub.joinLeaveGroup",
        "webpubsub.sendToGroup.inbox.mia",
        "webpubsub.policy.people",
        "webpubsub.policy.staff",
    ]


async def test_a_client_access_url_does_not_outlive_the_login(oidc: httpx.AsyncClient, issuer: Issuer) -> None:
    login_ends = int(time.time()) + 20 * 60 + 30
    token = issuer.token(department="support", exp=login_ends)

    assert claims(await oidc.get("/negotiate", headers=bearer(token)))["exp"] <= login_ends


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 403),
        ({"department": "support", "oid": None}, 401),
        ({"department": "support", "oid": ["mia"]}, 401),
        ({"department": "support", "aud": "somebody-else"}, 401),
        ({"department": "support", "iss": "https://login.example/tenant/v2.0"}, 401),
        ({"department": "support", "exp": 1}, 401),
        ({"department": "support", "typ": "logout+jwt"}, 401),
    ],
)
async def test_whom_no_rule_fits_and_what_is_not_genuine(
    oidc: httpx.AsyncClient, issuer: Issuer, changes: dict[str, Any], status: int
) -> None:
    response = await oidc.get("/negotiate", headers=bearer(issuer.token(**changes)))

    assert (response.status_code, response.headers["cache-control"]) == (status, "no-store")
    assert ("www-authenticate" in response.headers) == (status == 401)


@pytest.mark.parametrize("header", [{}, {"Authorization": "Basic bWlh"}, {"Authorization": "Bearer "}])
async def test_without_a_token_there_is_a_challenge(oidc: httpx.AsyncClient, header: dict[str, str]) -> None:
    response = await oidc.get("/negotiate?id=mia", headers=header)

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_while_the_issuer_is_down_the_caller_is_asked_to_come_again(
    oidc: httpx.AsyncClient, issuer: Issuer
) -> None:
    issuer.down = True

    response = await oidc.get("/negotiate", headers=bearer(issuer.token(department="support")))

    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_a_name_with_half_a_character_is_none(oidc: httpx.AsyncClient, issuer: Issuer) -> None:
    response = await oidc.get("/negotiate", headers=bearer(issuer.token(department="support", oid="mia\ud83d")))

    assert response.status_code == 400


async def test_the_session_of_the_host_application_counts(connect_to: MakeClient, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    client = connect_to(identity="tests.app.test_negotiate_identity:from_cookie", policy=tmp_path / "policy.toml")

    signed_in = claims(await client.get("/negotiate", headers={"Cookie": "session=mia"}))
    assert (signed_in["sub"], signed_in["role"][0]) == ("mia", "webpubsub.joinLeaveGroup")
    assert (
        "webpubsub.joinLeaveGroup"
        not in claims(await client.get("/negotiate", headers={"Cookie": "session=jo"}))["role"]
    )
    assert (await client.get("/negotiate?id=mia")).status_code == 401


def principal(**changes: Any) -> str:
    told = {
        "auth_typ": "aad", "name_typ": "name", "role_typ": "http://roles",
        "claims": [{"typ": "name", "val": "Mia"}, {"typ": "http://roles", "val": "admin"}, {"typ": "x"}, 7],
    }  # fmt: skip
    return b64encode(to_json(told | changes)).decode()


@pytest.mark.parametrize(
    ("header", "is_staff"),
    [
        (principal(), True),
        (principal(role_typ="name"), False),
        (principal(claims=[{"typ": "roles", "val": "admin"}]), True),
        (principal(claims={"roles": "admin"}), False),
        (b64encode(b"[]").decode(), False),
        ("!", False),
        ("", False),
    ],
)
async def test_the_claims_of_an_app_service_principal_are_there_for_the_policy(
    connect_to: MakeClient, tmp_path: Path, header: str, is_staff: bool
) -> None:
    (tmp_path / "policy.toml").write_text(POLICY)
    client = connect_to(identity="app-service", policy=tmp_path / "policy.toml")
    headers = {"x-ms-client-principal-id": "mia", "x-ms-client-principal": header}

    answer = claims(await client.get("/negotiate", headers=headers))

    assert answer["sub"] == "mia"
    assert ("webpubsub.joinLeaveGroup" in answer["role"]) is is_staff


async def test_an_address_may_ask_so_often(connect_to: MakeClient) -> None:
    client = connect_to(negotiate_limit="2 per minute")

    statuses = [(await client.get("/negotiate?id=mia")).status_code for _ in range(3)]
    refused = await client.get("/negotiate?id=mia")

    assert statuses == [200, 200, 429]
    assert 1 <= int(refused.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("addresses", "statuses"),
    [
        (["2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:DB8:0:1::3"], [200, 200, 429]),
        (["2001:db8:0:1::1", "2001:db8:0:2::1", "2001:db8:0:3::1"], [200, 200, 200]),
        (["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"], [200, 200, 429]),
        (["192.0.2.1", "192.0.2.2", "192.0.2.3"], [200, 200, 200]),
    ],
)
async def test_who_has_many_addresses_is_counted_once(addresses: list[str], statuses: list[int]) -> None:
    """An IPv6 subscriber has 2**64 of them."""
    app = create_app(settings(negotiate_limit="2 per minute"), publisher_for=lambda _: RecordingPublisher())
    found = []
    for address in addresses:
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://upstream") as client:
            found.append((await client.get("/negotiate?id=mia")).status_code)

    assert found == statuses


@pytest.mark.parametrize("path", ["tests.app.test_negotiate_identity:from_cookie", "app-service"])
async def test_who_comes_without_a_token_is_not_believed_either(connect_to: MakeClient, path: str) -> None:
    """Lazy authentication by `?id=` is for where `/negotiate` takes it, too."""
    for identity, status in ((path, 401), ("query", 200)):
        client = connect_to(identity=identity, hubs="app.hubs.chat:ChatHub")
        headers = event("sys", "connect", ce_hub="Sample_ChatApp")
        answer = await client.post("/eventhandler", headers=headers, json={"query": {"id": ["boss"]}})
        assert answer.status_code == status


ORIGIN = {"Origin": "https://shop.example"}


async def test_pages_of_listed_sites_may_read_the_answer(connect_to: MakeClient) -> None:
    client = connect_to(cors_origins="https://SHOP.example/, https://other.example")

    answer = await client.get("/negotiate?id=mia", headers=ORIGIN)
    preflight = await client.options("/negotiate", headers=ORIGIN | {"Access-Control-Request-Method": "POST"})

    for response in (answer, preflight):
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["vary"] == "Origin"
    assert (answer.status_code, preflight.status_code) == (200, 204)
    assert "Authorization" in preflight.headers["access-control-allow-headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "https://shop.example.evil.example", "null", ""])
async def test_pages_of_other_sites_may_not(connect_to: MakeClient, origin: str) -> None:
    client = connect_to(cors_origins="https://shop.example")

    for response in (
        await client.get("/negotiate?id=mia", headers={"Origin": origin}),
        await client.options("/negotiate", headers={"Origin": origin}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_without_listed_sites_nothing_is_said(client: httpx.AsyncClient) -> None:
    assert "access-control-allow-origin" not in (await client.get("/negotiate?id=mia", headers=ORIGIN)).headers
    assert (await client.options("/negotiate", headers=ORIGIN)).status_code == 405


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"identity": "everybody"}, "must be query"),
        ({"identity": "oidc"}, "IDENTITY_ISSUER"),
        ({"identity_issuer": "https://login.example", "identity_audience": "a"}, "IDENTITY=oidc"),
        ({"negotiate_limit": "often"}, "not of the form"),
    ],
)
def test_half_a_configuration_does_not_start(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        settings(**changes)


@pytest.mark.parametrize(
    "path", ["tests.app.nowhere:identify", "tests.app.conftest:nothing", "tests.app.conftest:KEY", ":identify"]
)
def test_a_function_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(ValueError, match="IDENTITY names no function"):
        create_app(settings(identity=path))
