"""Which signature lists are believed."""

from hypothesis import given
from hypothesis import strategies as st

from app.upstream.signature import is_signed, sign

KEY = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
SECONDARY = b"zyxwvutsrqponmlkjihgfedcba9876543210zyxwvuts"
PUBLISHED = b"sha256=27fb61e76fe4b4f020661e1649e7744fe60c99a7447dd400de8d7203644b4cd0"

garbage = st.binary(max_size=80).filter(lambda entry: b"," not in entry and b"sha256=" not in entry.lower())
blanks = st.sampled_from([b"", b" ", b"\t "])


def test_the_published_example_holds() -> None:
    assert sign(KEY, b"conn-7f3a") == PUBLISHED
    assert sign(SECONDARY, b"conn-7f3a") == b"sha256=967328aadd782141d7fc042c98272cac7d7fc6e372528dec1933663cb05e5c69"


@given(st.lists(garbage, max_size=4), st.integers(0, 4), blanks, blanks, st.booleans(), st.binary(min_size=1))
def test_one_good_entry_anywhere_is_enough(
    others: list[bytes], place: int, before: bytes, after: bytes, shout: bool, connection_id: bytes
) -> None:
    good = sign(SECONDARY, connection_id)
    entry = before + (good.upper() if shout else good) + after
    header = b",".join([*others[:place], entry, *others[place:]])

    assert is_signed(header, connection_id, (KEY, SECONDARY))


@given(st.lists(garbage | st.just(sign(b"another key", b"conn-7f3a")), max_size=5))
def test_without_a_good_entry_nothing_is_believed(entries: list[bytes]) -> None:
    assert not is_signed(b",".join(entries), b"conn-7f3a", (KEY, SECONDARY))


@given(st.binary(min_size=1), st.binary(min_size=1))
def test_a_signature_is_good_for_its_own_connection_only(one: bytes, other: bytes) -> None:
    assert is_signed(sign(KEY, one), other, (KEY,)) is (one == other)


def test_nothing_is_believed_without_a_key() -> None:
    assert not is_signed(PUBLISHED, b"conn-7f3a", ())


def test_a_shortened_or_doubled_prefix_is_no_signature() -> None:
    for header in (
        PUBLISHED[:-1],
        PUBLISHED.removeprefix(b"sha256="),
        b"sha256=" + PUBLISHED,
        b"sha512=" + PUBLISHED[7:],
    ):
        assert not is_signed(header, b"conn-7f3a", (KEY,))
