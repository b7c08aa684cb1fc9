"""Bearer tokens of event handlers, against an issuer that runs here."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.clients.entra import EntraVerifier
from app.upstream.errors import NotAuthentic, Overloaded, WrongCaller

TENANT = "11111111-2222-3333-4444-555555555555"
AUDIENCE = "22222222-0000-0000-0000-000000000000"
CALLER = "33333333-0000-0000-0000-00000000ABCD"


class Issuer:
    """A tenant's authority: publishes keys and signs with them."""

    def __init__(self) -> None:
        self.url = ""
        self.fetches = 0
        self.down = False
        self.documents: dict[str, Any] = {}
        self.keys = {"k1": rsa.generate_private_key(public_exponent=65537, key_size=2048)}

    async def metadata(self, _: web.Request) -> web.Response:
        if self.down:
            return web.Response(status=503)
        return web.json_response(self.documents.get("metadata", {"jwks_uri": f"{self.url}/keys"}))

    async def published(self, _: web.Request) -> web.Response:
        self.fetches += 1
        keys = [
            jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"}
            for key_id, key in self.keys.items()
        ]
        return web.json_response(self.documents.get("keys", {"keys": keys}))

    def token(self, key_id: str = "k1", typ: str = "JWT", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "aud": AUDIENCE, "iss": f"{self.url}/{TENANT}/v2.0", "exp": now + 600, "nbf": now - 10, "oid": CALLER,
        } | changes  # fmt: skip
        present = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(present, self.keys[key_id], algorithm="RS256", headers={"kid": key_id, "typ": typ})


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    one = Issuer()
    app = web.Application()
    app.router.add_get(f"/{TENANT}/v2.0/.well-known/openid-configuration", one.metadata)
    app.router.add_get("/keys", one.published)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield one
    await runner.cleanup()


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncIterator[EntraVerifier]:
    async with aiohttp.ClientSession() as session:
        one = EntraVerifier(TENANT, [AUDIENCE], [CALLER.lower()], authority=issuer.url)
        one.open(session)
        yield one


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": f"api://{AUDIENCE}"},
        {"iss": f"https://sts.windows.net/{TENANT}/"},
        {"oid": None, "appid": CALLER},
        {"oid": None, "azp": CALLER},
        {"exp": int(time.time()) - 60},
    ],
    ids=str,
)
async def test_a_genuine_token_is_believed(issuer: Issuer, verifier: EntraVerifier, changes: dict[str, Any]) -> None:
    await verifier.verify(issuer.token(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "https://login.microsoftonline.com/another/v2.0"},
        {"iss": None},
        {"exp": int(time.time()) - 400},
        {"exp": None},
        {"nbf": int(time.time()) + 400},
    ],
    ids=str,
)
async def test_another_token_is_not(issuer: Issuer, verifier: EntraVerifier, changes: dict[str, Any]) -> None:
    with pytest.raises(NotAuthentic) as caught:
        await verifier.verify(issuer.token(**changes))

    assert caught.value.challenge == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+JWT"])
async def test_a_token_says_that_it_is_for_access(issuer: Issuer, verifier: EntraVerifier, typ: str) -> None:
    await verifier.verify(issuer.token(typ=typ))


@pytest.mark.parametrize("typ", ["logout+jwt", "chat+jwt", "secevent+jwt", "application/dpop+jwt", "JWE"])
async def test_what_an_issuer_signs_for_something_else_opens_nothing(
    issuer: Issuer, verifier: EntraVerifier, typ: str
) -> None:
    with pytest.raises(NotAuthentic, match="something else"):
        await verifier.verify(issuer.token(typ=typ))


async def test_a_genuine_token_of_another_caller_is_forbidden(issuer: Issuer, verifier: EntraVerifier) -> None:
    with pytest.raises(WrongCaller):
        await verifier.verify(issuer.token(oid="somebody-else"))


def signed_with_the_public_key(claims: dict[str, Any], key: bytes) -> str:
    """The classic confusion: what everybody may know, used as a shared secret."""

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    text = part(b'{"alg":"HS256","kid":"k1"}') + b"." + part(json.dumps(claims).encode())
    return (text + b"." + part(hmac.digest(key, text, "sha256"))).decode()


async def test_algorithms_are_not_up_to_the_sender(issuer: Issuer, verifier: EntraVerifier) -> None:
    public = issuer.keys["k1"].public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    claims = {"aud": AUDIENCE, "iss": f"{issuer.url}/{TENANT}/v2.0", "exp": int(time.time()) + 600, "oid": CALLER}
    forged = [
        signed_with_the_public_key(claims, public),
        jwt.encode(claims, "", algorithm="none", headers={"kid": "k1"}),
        jwt.encode(claims, issuer.keys["k1"], algorithm="RS256"),
        "not.a.jwt",
        "",
    ]

    for token in forged:
        with pytest.raises(NotAuthentic):
            await verifier.verify(token)
    assert issuer.fetches <= 1


async def test_keys_are_fetched_once_and_a_flood_of_unknown_ones_changes_nothing(
    issuer: Issuer, verifier: EntraVerifier
) -> None:
    for _ in range(5):
        await verifier.verify(issuer.token())
    stranger = Issuer()
    stranger.url = issuer.url
    stranger.keys = {f"s{number}": stranger.keys["k1"] for number in range(20)}
    for key_id in stranger.keys:
        with pytest.raises(NotAuthentic):
            await verifier.verify(stranger.token(key_id))

    assert issuer.fetches == 1


async def test_nor_does_a_flood_while_there_are_no_keys(issuer: Issuer, verifier: EntraVerifier) -> None:
    """Whoever is down is not helped by being asked for every request."""
    issuer.documents = {"keys": {"keys": []}}

    for _ in range(10):
        with pytest.raises(Overloaded):
            await verifier.verify(issuer.token())

    assert issuer.fetches == 1


async def test_who_comes_during_the_first_fetch_waits_for_its_keys(issuer: Issuer, verifier: EntraVerifier) -> None:
    await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(3)))

    assert issuer.fetches == 1


async def test_who_comes_during_a_first_fetch_that_fails_is_asked_to_come_again(
    issuer: Issuer, verifier: EntraVerifier
) -> None:
    issuer.down = True

    outcomes = await asyncio.gather(*(verifier.verify(issuer.token()) for _ in range(3)), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes] == [Overloaded] * 3


async def test_a_rotated_key_is_found_after_the_pause(
    issuer: Issuer, verifier: EntraVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    await verifier.verify(issuer.token())
    issuer.keys = {"k2": rsa.generate_private_key(public_exponent=65537, key_size=2048)}
    with pytest.raises(NotAuthentic):
        await verifier.verify(issuer.token("k2"))

    monkeypatch.setattr("app.clients.issuer_keys.UNKNOWN_KEY_PAUSE_SECONDS", 0)

    await verifier.verify(issuer.token("k2"))


async def test_while_the_authority_is_down_the_service_is_asked_to_come_again(
    issuer: Issuer, verifier: EntraVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.clients.issuer_keys.FAILED_FETCH_PAUSE_SECONDS", 0)
    issuer.down = True
    with pytest.raises(Overloaded):
        await verifier.verify(issuer.token())
    issuer.down = False

    await verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "documents",
    [
        {"metadata": []},
        {"metadata": "x"},
        {"metadata": {}},
        {"metadata": {"jwks_uri": 7}},
        {"keys": []},
        {"keys": None},
        {"keys": {"keys": 7}},
        {"keys": {"keys": [7]}},
    ],
    ids=str,
)
async def test_documents_of_another_shape_are_an_authority_that_is_down(
    issuer: Issuer, verifier: EntraVerifier, documents: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.clients.issuer_keys.FAILED_FETCH_PAUSE_SECONDS", 0)
    issuer.documents = documents
    with pytest.raises(Overloaded):
        await verifier.verify(issuer.token())
    issuer.documents = {}

    await verifier.verify(issuer.token())
