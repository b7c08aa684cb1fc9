"""Close codes and refusals in plain words."""

import pytest

from app.client.endings import Closed, Refused
from app.client.reaching import unreachable


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (Closed(1000), "closed with 1000: the service ended the connection"),
        (Closed(1006), "closed with 1006: the connection was cut off; the network or the service may be down"),
        (
            Closed(1007, "not JSON"),
            "closed with 1007: the service could not read what this client sent (not JSON)",
        ),
        (Closed(4321), "closed with 4321: the upstream closed the connection with a code of its own"),
        (Closed(3999), "closed with 3999: the connection was closed for an unusual reason"),
        (Refused(403), "refused with 403: the upstream does not let this user in"),
        (Refused(418), "refused with 418: the service gave an unusual answer"),
        (Refused(400, "by the upstream: missing user id"), "refused with 400: by the upstream: missing user id"),
    ],
)
def test_a_sentence_says_what_happened(ending: Closed | Refused, words: str) -> None:
    assert ending.sentence == words


def test_only_a_normal_close_is_a_clean_end() -> None:
    assert [Closed(code).is_clean for code in (1000, 1001, 1005, 1006, 1008)] == [True, False, False, False, False]
    assert not Refused(401).is_clean


def test_a_handshake_that_breaks_is_said_without_the_address() -> None:
    """It may hold a token."""
    sentence = unreachable(ValueError("ws://h/?access_token=secret")).sentence

    assert sentence == "the connection broke before it was open"
    assert unreachable(TimeoutError()).sentence == "nobody answered in time"
