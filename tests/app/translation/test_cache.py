"""What is kept of translations, and how much."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.translation.cache import ENTRY_BYTES, Cache
from app.upstream.translation import Translation


def german(text: str) -> Translation:
    return Translation(text, "de", is_translated=True)


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache = Cache(max_entries=2)
    cache.put(("a", "en", "de"), german("A"))
    cache.put(("b", "en", "de"), german("B"))
    cache.get(("a", "en", "de"))

    cache.put(("c", "en", "de"), german("C"))

    assert cache.get(("a", "en", "de")) == german("A")
    assert cache.get(("b", "en", "de")) is None
    assert len(cache) == 2


def test_the_source_is_part_of_the_question() -> None:
    cache = Cache()
    cache.put(("no", "en", "de"), german("nein"))

    assert cache.get(("no", "es", "de")) is None
    assert cache.get(("no", None, "de")) is None


def test_an_entry_larger_than_everything_is_not_kept() -> None:
    cache = Cache(max_bytes=ENTRY_BYTES + 10)

    cache.put(("ü" * 6, "de", "en"), german("u"))

    assert len(cache) == 0
    assert cache.bytes == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=60),
    st.integers(1, 10),
    st.integers(0, 10 * ENTRY_BYTES),
)
def test_it_never_holds_more_than_allowed(puts: list[tuple[str, str]], entries: int, size: int) -> None:
    cache = Cache(max_entries=entries, max_bytes=size)

    for text, translation in puts:
        cache.put((text, "en", "de"), german(translation))

        assert len(cache) <= entries
        assert cache.bytes <= size
        assert (cache.bytes == 0) == (len(cache) == 0)
