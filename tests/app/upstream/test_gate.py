"""Where a caller comes from, and the secret in the URL."""

import pytest

from app.upstream.errors import NotAuthentic, WrongCaller
from app.upstream.gate import Gate, parse_network

NETWORKS = [parse_network("20.42.0.0/16"), parse_network("2603:1030::/32"), parse_network("10.0.0.7")]


@pytest.mark.parametrize("address", ["20.42.0.1", "20.42.255.255", "10.0.0.7", "2603:1030::1", "::ffff:20.42.9.9"])
def test_an_address_of_a_network_may_call(address: str) -> None:
    Gate(NETWORKS).check_address(address)


@pytest.mark.parametrize("address", ["20.43.0.1", "10.0.0.8", "2603:1031::1", "::ffff:9.9.9.9", "::1", "", "me", None])
def test_any_other_may_not(address: str | None) -> None:
    with pytest.raises(WrongCaller, match="WEBHOOK_ALLOWED_NETWORKS"):
        Gate(NETWORKS).check_address(address)


@pytest.mark.parametrize("text", ["", "20.42.0.0/33", "20.42.0.1/16", "everywhere"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address or a network"):
        parse_network(text)


@pytest.mark.parametrize("query", [b"code=s%C3%A9cret", b"x=1&code=s%C3%A9cret&y=2", b"code=wrong&code=s%C3%A9cret"])
def test_the_code_of_the_url_opens(query: bytes) -> None:
    Gate(code="sécret").check_code(query)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"code=",
        b"code=S%C3%A9cret",
        b"code=s%C3%A9cret%20",
        b"kode=s%C3%A9cret",
        b"code=\xff",
        b"a&" * 100 + b"code=s%C3%A9cret",
    ],
)
def test_another_code_does_not(query: bytes) -> None:
    with pytest.raises(NotAuthentic, match="WEBHOOK_CODE"):
        Gate(code="sécret").check_code(query)


def test_without_either_everybody_gets_to_the_signature() -> None:
    gate = Gate()

    gate.check_address(None)
    gate.check_code(b"")
