"""Which hosts may call, and with which keys they sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.upstream.origins import Endpoint, Origins

CONTOSO = Endpoint("https://contoso.webpubsub.azure.com", (b"contoso",))
FABRIKAM = Endpoint("https://fabrikam.webpubsub.azure.com", (b"fabrikam",))
LOCAL = Endpoint("http://localhost:8081", (b"local",))

near_misses = st.builds("{}contoso.webpubsub.azure.com{}".format, *[st.text("abc.-:01@/", max_size=3)] * 2)
hosts = st.text("abcdef.-:0123456789", min_size=1, max_size=40) | near_misses


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("contoso.webpubsub.azure.com", "contoso.webpubsub.azure.com"),
        ("CONTOSO.webpubsub.azure.com", "contoso.webpubsub.azure.com"),
        (" other.example , contoso.webpubsub.azure.com ", "contoso.webpubsub.azure.com"),
        (",,contoso.webpubsub.azure.com,", "contoso.webpubsub.azure.com"),
        ("contoso.webpubsub.azure.com.evil.example", None),
        ("evilcontoso.webpubsub.azure.com", None),
        ("contoso.webpubsub.azure.co", None),
        ("contoso.webpubsub.azure.com:444", None),
        ("*", None),
        ("", None),
        (" , ", None),
    ],
)
def test_a_host_matches_as_a_whole(header: str, allowed: str | None) -> None:
    assert Origins([CONTOSO]).allowed(header) == allowed


@given(hosts)
def test_no_other_host_ever_matches(host: str) -> None:
    assert (Origins([CONTOSO]).allowed(host) is not None) is (host.lower() == "contoso.webpubsub.azure.com")


def test_a_port_that_is_not_the_default_may_be_left_out_by_the_service() -> None:
    origins = Origins([LOCAL])

    assert origins.allowed("localhost:8081") == "localhost:8081"
    assert origins.allowed("localhost") == "localhost"
    assert origins.allowed("localhost:8082") is None


def test_keys_are_those_of_the_calling_endpoint() -> None:
    origins = Origins([CONTOSO, FABRIKAM])

    assert origins.keys("contoso.webpubsub.azure.com") == (b"contoso",)
    assert origins.keys("Fabrikam.webpubsub.azure.com") == (b"fabrikam",)
    assert origins.keys("fabrikam.webpubsub.azure.com, contoso.webpubsub.azure.com") == (b"fabrikam", b"contoso")
    assert origins.keys("evil.example") is None


def test_an_endpoint_named_twice_has_both_keys() -> None:
    rotated = Endpoint(CONTOSO.url, (b"new",))

    assert Origins([CONTOSO, rotated]).keys("contoso.webpubsub.azure.com") == (b"contoso", b"new")


def test_a_custom_domain_signs_with_any_key() -> None:
    origins = Origins([CONTOSO, FABRIKAM], ["chat.example.net"])

    assert origins.allowed("chat.example.net") == "chat.example.net"
    assert origins.keys("chat.example.net") == (b"contoso", b"fabrikam")


def test_a_star_allows_every_host_that_says_who_it_is() -> None:
    origins = Origins([CONTOSO], ["*"])

    assert origins.allowed("any.example") == "*"
    assert origins.allowed("") is None
    assert origins.keys("any.example") == (b"contoso",)
    assert origins.keys(" ") is None
    assert origins.keys(" , ") is None


def test_with_nobody_configured_every_host_is_allowed_and_none_has_a_key() -> None:
    origins = Origins([])

    assert (origins.allowed("any.example"), origins.keys("any.example")) == ("*", ())
    assert (origins.allowed(""), origins.keys("")) == (None, None)
    assert Origins([], ["chat.example.net"]).allowed("any.example") is None
