"""What is left alone, and that it always comes back as it was."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.translation.protection import MAX_NAMES, Protected, is_wordless, protect


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Where is order A-1023?", ["A-1023"]),
        ("MSKU1234567 and PO#123, 2026/17 or ord_5.b", ["MSKU1234567", "PO#123", "2026/17", "ord_5.b"]),
        ("see #4711 and #general", ["#4711", "#general"]),
        ("call +4930123456 or 030123456", ["+4930123456", "030123456"]),
        ("write to a.b+c@mail.example.com.", ["a.b+c@mail.example.com"]),
        ("look: https://x.example/a?b=c#d, or www.example.org.", ["https://x.example/a?b=c#d", "www.example.org"]),
        ("@mia and @jo-ann.b, come", ["@mia", "@jo-ann.b"]),
        ("run `rm -rf /` or ```a\nb``` now", ["`rm -rf /`", "```a\nb```"]),
        ("5 kg, 12.5kg, 20\u00a0% or -18 °C", ["5 kg", "12.5kg", "20\u00a0%", "-18 °C"]),
        ("€20, 3,50 € at 14:30", ["€20", "3,50 €", "14:30"]),
        ("1,000 boxes on 12.05.2026", ["1,000", "12.05.2026"]),
        ("订单A1023已到，见https://x.example/1谢谢", ["https://x.example/1", "A1023"]),
        ("gate 5, the 3rd, 2e, 20 pallets, a/b, well-known, e.g. this", []),
        ("a ⟦0⟧ of mine ⟦", ["⟦", "⟧", "⟦"]),
    ],
)
def test_what_is_left_alone(text: str, kept: list[str]) -> None:
    protected = protect(text)

    assert sorted(protected.kept) == sorted(kept)
    assert protected.restored(protected.text) == text


def test_names_are_whole_words_with_their_case() -> None:
    assert protect("Ana, Anabel and ana met Ana María", ["Ana", "Ana María"]).kept == ("Ana", "Ana María")
    assert protect("王伟你好", ["王伟"]).text == "⟦0⟧你好"
    assert protect("C++ (beta) works", ["C++ (beta)"]).kept == ("C++ (beta)",)


def test_a_name_inside_an_address_stays_part_of_it() -> None:
    assert protect("https://x.example/Ana/1 by Ana", ["Ana"]).kept == ("https://x.example/Ana/1", "Ana")


def test_a_name_does_not_break_a_mark() -> None:
    assert protect("a@b.example and 0", ["0"]).restored("⟦1⟧ und ⟦0⟧") == "0 und a@b.example"


def test_blank_names_and_too_many_of_them_do_no_harm() -> None:
    names = ["", "  ", "x" * 1000, *(f"name{number}" for number in range(MAX_NAMES * 2))]

    assert protect("hello name1", names).kept == ("name1",)


@pytest.mark.parametrize(
    "translation",
    ["", "⟦0⟧", "⟦0⟧ ⟦1⟧ ⟦2⟧", "⟦0⟧ ⟦1", "⟦0⟧ ⟦1⟧ ⟧", "[0] ⟦1⟧", "⟦O⟧ ⟦1⟧", "⟦0⟧ ⟦-1⟧", "⟦0⟧ ⟦99999⟧"],
)
def test_a_translation_that_spoils_a_mark_is_no_translation(translation: str) -> None:
    assert Protected("⟦0⟧ ⟦1⟧", ("A-1", "B-2")).restored(translation) is None


@pytest.mark.parametrize(
    ("translation", "text"),
    [("⟦1⟧ ⟦0⟧", "B-2 A-1"), ("⟦ 0 ⟧ und ⟦1 ⟧", "A-1 und B-2"), ("⟦٠⟧⟦１⟧⟦1⟧", "A-1B-2B-2")],
)
def test_order_spaces_digits_and_repetition_are_the_translators_business(translation: str, text: str) -> None:
    assert Protected("⟦0⟧ ⟦1⟧", ("A-1", "B-2")).restored(translation) == text


def test_texts_without_a_word() -> None:
    assert is_wordless("⟦0⟧ 12 👍 ?!")
    assert not is_wordless("⟦0⟧ ok")
    assert not is_wordless("好")


TOKENS = st.sampled_from(
    ["A-1023", "#4711", "mia@mail.example.com", "https://x.example/a(b)?c", "@mia", "5 kg", "`x y`", "⟦0⟧", "⟧", "Ana"]
)


@settings(deadline=None)
@given(st.lists(st.one_of(TOKENS, st.text(max_size=20)), max_size=12).map(" ".join), st.lists(st.text(max_size=5)))
def test_nothing_is_lost_of_any_text(text: str, names: list[str]) -> None:
    protected = protect(text, ["Ana", *names])

    assert protected.restored(protected.text) == text


@settings(deadline=None)
@given(st.text(alphabet="a1@.-/#`⟦ €k\n", max_size=400))
def test_marks_are_ours_alone(text: str) -> None:
    protected = protect(text)

    rest = re.sub(r"⟦\d+⟧", "", protected.text)
    assert "⟦" not in rest
    assert "⟧" not in rest
