"""Whose client access tokens are good, and for what."""

from time import time
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.access import KeyAccessIssuer
from app.clients.client_tokens import ClientTokens
from app.upstream.errors import NotAuthentic, WrongCaller
from app.upstream.origins import Endpoint

URL = "https://Contoso.webpubsub.azure.com"
PRIMARY, SECONDARY, STRANGER = (letter * 64 for letter in "PSX")
TOKENS = ClientTokens(
    [
        Endpoint("https://contoso.webpubsub.azure.com", (PRIMARY.encode(), SECONDARY.encode())),
        Endpoint("https://second.webpubsub.azure.com", (SECONDARY.encode(),)),
        Endpoint("https://keyless.webpubsub.azure.com"),
    ]
)


def token(key: str = PRIMARY, algorithm: str = "HS256", **claims: Any) -> str:
    usual = {"aud": f"{URL}/client/hubs/Chat", "exp": int(time()) + 600, "sub": "mia"}
    given = {name: value for name, value in (usual | claims).items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "good",
    [
        token(),
        token(SECONDARY),
        token(aud=["https://elsewhere.example", f"{URL}/client/hubs/chat"]),
        token(SECONDARY, aud="https://second.webpubsub.azure.com/client/hubs/chat"),
    ],
)
def test_a_token_of_ours_says_how_long_it_is_good(good: str) -> None:
    assert TOKENS.check(good, "chat") == pytest.approx(time() + 600, abs=60)


async def test_what_negotiate_hands_out_is_good() -> None:
    access = await KeyAccessIssuer(URL, PRIMARY.encode()).issue("Chat", user_id="mia", minutes=10)

    assert TOKENS.check(access.token, "chat") > time()


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "x",
        "a.b.c",
        token(STRANGER),
        token(exp=int(time()) - 3600),
        token(exp=None),
        token(aud=None),
        token(exp="soon", nbf=None),
        token(nbf=int(time()) + 3600),
        token(algorithm="HS512"),
        jwt.encode({"aud": f"{URL}/client/hubs/chat", "exp": int(time()) + 600}, "", algorithm="none"),
        token()[:-4] + "AAAA",
    ],
)
def test_what_is_no_token_of_ours_is_refused(bad: str) -> None:
    with pytest.raises(NotAuthentic) as caught:
        TOKENS.check(bad, "chat")

    assert caught.value.challenge == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(
    "audience",
    [
        f"{URL}/client/hubs/chatter",
        f"{URL}/client/hubs/",
        f"{URL}/api/hubs/chat",
        f"{URL}/clients/mqtt/hubs/chat",
        "https://second.webpubsub.azure.com/client/hubs/chat",
        "chat",
        5,
        [],
    ],
)
def test_a_token_of_ours_for_something_else_is_not_for_this(audience: Any) -> None:
    with pytest.raises(WrongCaller):
        TOKENS.check(token(aud=audience), "chat")


@given(st.text())
def test_no_text_is_more_than_refused(text: str) -> None:
    with pytest.raises(NotAuthentic):
        TOKENS.check(text, "chat")
