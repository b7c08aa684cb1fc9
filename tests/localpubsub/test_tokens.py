"""Who a bearer token lets in (spec/service.md 2.1, 2.2, 8.1, 10.1)."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.edge.tokens import MQTT_PATH, InvalidToken, Tokens
from tests.localpubsub.conftest import PRIMARY, SECONDARY

HOST = "localhost:8080"
URL = f"http://{HOST}"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
AUDIENCE = "https://webpubsub.azure.com"


@pytest.fixture
def tokens() -> Tokens:
    return Tokens((PRIMARY, SECONDARY), ["https://front.example"])


@pytest.fixture
def trusting() -> Tokens:
    return Tokens((PRIMARY,), accept_entra=True)


def from_now(seconds: int) -> Callable[[], int]:
    """A time that counts from when the token is made: the tests were collected long before."""
    return lambda: int(time.time()) + seconds


def signed(aud: Any, key: Any = PRIMARY, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {"aud": aud, "exp": from_now(60)} | changes
    settled = {name: value() if callable(value) else value for name, value in claims.items() if value is not None}
    return jwt.encode(settled, key, algorithm=algorithm)


def unsigned(claims: object, header: object = None) -> str:
    parts = (json.dumps(part).encode() for part in (header or {"alg": "none", "typ": "JWT"}, claims))
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])


def rest(tokens: Tokens, token: str, raw_path: str = "/api/hubs/den/:send", host: str = HOST) -> bool:
    try:
        tokens.rest(token, raw_path=raw_path, host=host)
    except InvalidToken:
        return False
    return True


@pytest.mark.parametrize("key", [PRIMARY, SECONDARY])
def test_either_access_key_signs(tokens: Tokens, key: str) -> None:
    assert rest(tokens, signed(f"{URL}/api/hubs/den/:send", key))
    assert not rest(tokens, signed(f"{URL}/api/hubs/den/:send", key + "x"))


@pytest.mark.parametrize(
    ("audience", "accepted"),
    [
        (f"{URL}/api/hubs/den/:send", True),
        (f"{URL}/api/hubs/den/:send?api-version=2024-12-01&filter=x", True),
        ("HTTP://LOCALHOST:8080/api/hubs/den/:send", True),
        ("http://127.0.0.1:8080/api/hubs/den/:send", True),
        ("http://[::1]:8080/api/hubs/den/:send", True),
        ("https://front.example/api/hubs/den/:send", True),
        ("https://front.example:443/api/hubs/den/:send", True),
        (["urn:x", f"{URL}/api/hubs/den/:send"], True),
        (f"{URL}/api/hubs/den/:closeConnections", False),
        (f"{URL}/api/hubs/DEN/:send", False),
        ("http://localhost:8081/api/hubs/den/:send", False),
        ("http://front.example/api/hubs/den/:send", False),
        ("http://elsewhere:8080/api/hubs/den/:send", False),
        ("http://[/api/hubs/den/:send", False),
        ("http://localhost:99999/api/hubs/den/:send", False),
        ("/api/hubs/den/:send", False),
        ("", False),
        ([], False),
        (None, False),
        (5, False),
        ([5], False),
    ],
)
def test_the_audience_names_the_request(tokens: Tokens, audience: Any, accepted: bool) -> None:
    assert rest(tokens, signed(audience)) is accepted


@pytest.mark.parametrize(
    ("raw", "audience", "accepted"),
    [
        ("/api/hubs/den/groups/a%20b%2Fc", "/api/hubs/den/groups/a%20b%2Fc", True),
        ("/api/hubs/den/groups/a%20b%2Fc", "/api/hubs/den/groups/a%20b%2fc", True),
        ("/api/hubs/den/groups/a%20b%2Fc", "/api/hubs/den/groups/a b/c", True),
        ("/api/hubs/den/groups/a%2Fconnections%2Fb", "/api/hubs/den/groups/a%252Fconnections%252Fb", False),
        ("/api/hubs/den/groups/a/connections/b", "/api/hubs/den/groups/a%2Fconnections%2Fb", False),
    ],
)
def test_paths_compare_segment_by_segment_or_decoded(tokens: Tokens, raw: str, audience: str, accepted: bool) -> None:
    assert rest(tokens, signed(URL + audience), raw) is accepted


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"exp": from_now(-200)}, True),  # the skew
        ({"exp": from_now(-400)}, False),
        ({"exp": None}, False),
        ({"exp": "soon"}, False),
        ({"exp": []}, False),
        ({"exp": float("inf")}, False),
        ({"nbf": from_now(200)}, True),
        ({"nbf": from_now(4000)}, False),
        ({"iat": from_now(9999)}, True),
        ({"iss": "anybody", "sub": "x"}, True),
    ],
)
def test_the_lifetime_counts(tokens: Tokens, changes: dict[str, Any], accepted: bool) -> None:
    assert rest(tokens, signed(f"{URL}/api/hubs/den/:send", **changes)) is accepted


def test_no_other_algorithm_is_accepted() -> None:
    aud, key = f"{URL}/api/hubs/den/:send", "k" * 64
    tokens = Tokens((key,))
    others = [signed(aud, key, "HS384"), signed(aud, key, "HS512"), signed(aud, RSA, "RS256")]

    assert rest(tokens, signed(aud, key))
    assert [rest(tokens, token) for token in [*others, unsigned({"aud": aud, "exp": 2**33})]] == [False] * 4


def claims_of(tokens: Tokens, path: str, **claims: Any) -> Any:
    return tokens.client(signed(f"{URL}{path}Den", **claims), path=path, hub="den", host=HOST)


def test_a_token_of_one_kind_of_client_is_none_of_another(tokens: Tokens) -> None:
    assert claims_of(tokens, "/client/hubs/", sub="ivy").user_id == "ivy"
    with pytest.raises(InvalidToken):
        tokens.client(signed(f"{URL}{MQTT_PATH}den"), path="/client/hubs/", hub="den", host=HOST)
    with pytest.raises(InvalidToken):
        tokens.client(signed(f"{URL}/client/hubs/den"), path=MQTT_PATH, hub="den", host=HOST)


def test_groups_have_a_second_name_for_mqtt(tokens: Tokens) -> None:
    groups: dict[str, Any] = {"webpubsub.group": "a", "group": ["b"]}

    assert claims_of(tokens, MQTT_PATH, **groups).groups == ("a", "b")
    assert claims_of(tokens, "/client/hubs/", **groups).groups == ("a",)


@pytest.mark.parametrize(
    ("audience", "accepted"),
    [
        (f"ws://{HOST}/server/tunnel?hub=Den", True),
        (f"http://{HOST}/server/tunnel?hub=den&target=x", True),
        (f"ws://{HOST}/server/tunnel/?hub=den", True),
        (f"ws://{HOST}/server/tunnel?hub=other", False),
        (f"ws://{HOST}/server/tunnel?hub=den&hub=other", False),
        (f"ws://{HOST}/server/tunnel", False),
        (f"ws://{HOST}/client/hubs/den", False),
        ("ws://elsewhere:8080/server/tunnel?hub=den", False),
    ],
)
def test_a_tunnel_is_of_its_hub(tokens: Tokens, audience: str, accepted: bool) -> None:
    token = signed(audience, sub="me")
    if accepted:
        assert tokens.tunnel(token, hub="den", host=HOST) == "me"
    else:
        with pytest.raises(InvalidToken):
            tokens.tunnel(token, hub="den", host=HOST)


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"aud": f"{AUDIENCE}/"}, True),
        ({"aud": ["urn:x", AUDIENCE]}, True),
        ({"iss": "https://anybody.example"}, True),
        ({"aud": "https://management.azure.com"}, False),
        ({"aud": None}, False),
        ({"exp": from_now(-400)}, False),
        ({"exp": None}, False),
        ({"exp": float("inf")}, False),
        ({"nbf": from_now(4000)}, False),
    ],
)
def test_an_entra_token_is_looked_at_where_that_is_allowed(
    tokens: Tokens, trusting: Tokens, changes: dict[str, Any], accepted: bool
) -> None:
    token = signed(**({"aud": AUDIENCE} | changes), key=RSA, algorithm="RS256")

    assert rest(trusting, token) is accepted
    assert rest(tokens, token) is False
    if accepted:
        assert trusting.tunnel(token, hub="den", host=HOST) is None
    with pytest.raises(InvalidToken):
        trusting.client(token, path="/client/hubs/", hub="den", host=HOST)


def test_access_keys_count_beside_entra(trusting: Tokens) -> None:
    assert rest(trusting, signed(f"{URL}/api/hubs/den/:send"))
    assert not rest(trusting, signed(AUDIENCE))
    assert not rest(trusting, signed(f"{URL}/api/hubs/den/:send", SECONDARY))


json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=4)


@given(st.dictionaries(st.sampled_from(["aud", "exp", "nbf", "sub", "role", "webpubsub.group", "x"]), json_values))
def test_any_claims_raise_nothing_but_an_invalid_token(claims: dict[str, Any]) -> None:
    with suppress(UnicodeEncodeError):
        texts = [jwt.encode(claims, PRIMARY), unsigned(claims), unsigned(claims, {"alg": "RS256"})]
        garbage(*texts)


@given(st.text(), st.text())
def test_any_text_raises_nothing_but_an_invalid_token(text: str, host: str) -> None:
    garbage(text, signed(text.encode("utf-8", "ignore").decode()), "." * len(text), host=host)


def test_absurd_nesting_is_no_token() -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 100_000 + b"}").decode()
    garbage(f"{deep}.{deep}.x", f"e30.{deep}.x")


def garbage(*texts: str, host: str = HOST) -> None:
    tokens = Tokens((PRIMARY,), accept_entra=True)
    for text in texts:
        with suppress(InvalidToken):
            tokens.rest(text, raw_path="/api/hubs/den/:send", host=host)
        with suppress(InvalidToken):
            tokens.tunnel(text, hub="den", host=host)
        with suppress(InvalidToken):
            tokens.client(text, path="/client/hubs/", hub="den", host=host)
