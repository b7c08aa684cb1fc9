"""Which access key counts, and who is told."""

import pytest
import structlog

from app.clients.keys import AccessKeys, AnotherService
from app.upstream.connection_string import ConnectionString, connection_strings

A, B, C = (letter * 44 for letter in "ABC")


def of(*keys: str, host: str = "contoso") -> tuple[ConnectionString, ...]:
    return connection_strings("\n".join(f"Endpoint=https://{host}.webpubsub.azure.com;AccessKey={key}" for key in keys))


def watched(keys: AccessKeys) -> list[bytes]:
    """The current key after each change."""
    seen: list[bytes] = []
    keys.changed = lambda: seen.append(keys.current)
    return seen


def test_the_first_key_is_the_one_to_send_with_and_every_key_may_sign() -> None:
    keys = AccessKeys(of(A, B), of(C, host="other"), "https://keyless.webpubsub.azure.com")

    assert keys.current == A.encode()
    assert [one.access_keys for one in keys.endpoints] == [(A.encode(),), (B.encode(),), (C.encode(),), ()]


def test_other_keys_count_at_once_and_those_beside_them_stay() -> None:
    keys = AccessKeys(of(A, B), of(C, host="other"))
    seen = watched(keys)

    keys.replace(of(B))

    assert seen == [B.encode()]
    assert [one.access_keys for one in keys.endpoints] == [(B.encode(),), (C.encode(),)]


def test_another_service_is_refused_and_nothing_changes() -> None:
    keys = AccessKeys(of(A))
    seen = watched(keys)

    with pytest.raises(AnotherService, match=r"for https://other\..*serves https://contoso\.") as caught:
        keys.replace(of(B, host="other"))

    assert (seen, keys.current) == ([], A.encode())
    assert B not in str(caught.value)


def test_a_refused_key_gives_way_to_the_other_one_once_however_many_are_refused_with_it() -> None:
    keys = AccessKeys(of(A), (*of(C, host="other"), *of(B)))
    seen = watched(keys)

    assert [keys.refused(A.encode()) for _ in range(3)] == [True] * 3

    assert seen == [B.encode()]


def test_keys_that_are_both_refused_take_turns_and_are_named_once() -> None:
    keys = AccessKeys(of(A, B))
    seen = watched(keys)

    with structlog.testing.capture_logs() as logs:
        for key in (A, B, A, B):
            assert keys.refused(key.encode())

    assert seen == [key.encode() for key in (B, A, B, A)]
    assert [(one["number"], one["has_another"]) for one in logs] == [(1, True), (2, True)]
    assert A not in str(logs)


def test_the_only_key_stays_though_it_is_refused() -> None:
    keys = AccessKeys(of(A), of(C, host="other"))
    seen = watched(keys)

    assert not keys.refused(A.encode())

    assert (seen, keys.current) == ([], A.encode())
