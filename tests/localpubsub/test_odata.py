"""Filters by example (spec/service.md 8.5); the properties are in `test_odata_properties`."""

import pytest

from localpubsub.protocol.odata import FilterError, Subject, parse

IVY = Subject("ivy", "c1", frozenset({"reef.1", "lobby"}), "json.webpubsub.azure.v1")
NOBODY = Subject(None, "c2")


def message(text: str) -> str:
    with pytest.raises(FilterError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "ivy", "nobody"),
    [
        ("userId eq 'ivy'", True, False),
        ("userId eq null", False, True),
        ("not (userId eq null)", True, False),
        ("USERID ne 'max' and ConnectionId eq 'c1'", True, False),
        ("'reef.1' in groups", True, False),
        ("'reef.1' in (groups)", True, False),
        ("'REEF.1' in groups", False, False),
        ("not ('reef.1' in groups)", False, True),
        ("userId in ('max','ivy')", True, False),
        ("userId in (null)", False, True),
        ("userId in (1, 'ivy')", True, False),
        ("length(userId) gt 2", True, False),
        ("length(groups) eq 2", True, False),
        ("length(userId) le 10 and length(userId) gt 3 or connectionId eq 'c2'", False, True),
        ("true or true and false", True, True),
        ("(true or true) and false", False, False),
        ("not false and false", False, False),
        ("not startswith(userId, 'i')", False, True),
        ("not true eq false", True, True),
        ("indexof(userId,'y') eq 2", True, False),
        ("indexof(userId,'x') lt 0", True, True),
        ("substring(userId,1) eq 'vy'", True, False),
        ("substring(userId,1,1) eq 'v'", True, False),
        ("substring(userId,3) eq ''", True, False),
        ("substring(userId,4) eq null", True, True),
        ("substring(userId,1,9) eq null", True, True),
        ("substring(userId,-1) eq null", True, True),
        ("concat(userId,'!') eq 'ivy!'", True, False),
        ("concat(userId,'!') eq '!'", False, True),
        ("concat(null,userId) eq userId", True, True),
        ("toupper(tolower(trim(' Ivy '))) eq toupper(userId)", True, False),
        ("contains(userId,'v') and endswith(userId,'y')", True, False),
        ("contains(userId,null)", False, False),
        ("protocol eq 'json.webpubsub.azure.v1'", True, False),
        ("protocol eq null", False, True),
        ("1 eq '1'", False, False),
        ("true eq 1", False, False),
        ("-1 lt +1", True, True),
        ("null gt 1", False, False),
        ("userId gt null", False, False),
        ("9223372036854775807 gt -9223372036854775808", True, True),
        ("'it''s' eq 'it''s'", True, True),
        ("''eq''", True, True),
        ("length('😀') eq 2", True, True),
    ],
)  # fmt: skip
def test_a_filter_chooses(text: str, ivy: bool, nobody: bool) -> None:
    wanted = parse(text)

    assert (wanted.matches(IVY), wanted.matches(NOBODY)) == (ivy, nobody)


def test_text_beyond_the_basic_plane_is_found_in_users_and_groups() -> None:
    subject = Subject("a😀b", "c", frozenset({"😀"}))

    assert parse("indexof(userId,'b') eq 3").matches(subject)
    assert parse("substring(userId,1,2) in groups").matches(subject)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("not length(userId)", "Invalid syntax for 'not length(userId)': Type 'null', expect 'bool'."),
        ("not length(userId) gt 5", "Invalid syntax for 'not length(userId)': Type 'null', expect 'bool'."),
        ("nick eq 'x'", "Invalid syntax for 'nick eq 'x'': Token 'nick' is not supported."),
    ],
)
def test_errors_read_as_the_service_writes_them(text: str, expected: str) -> None:
    assert message(text) == f"{expected} (Parameter 'filter')"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "for ''"),
        (" ", "Unexpected end"),
        ("userId", "for 'userId': Type 'null', expect 'bool'"),
        ("connectionId", "Type 'string', expect 'bool'"),
        ("groups", "Type 'collection', expect 'bool'"),
        ("length(groups)", "Type 'int', expect 'bool'"),
        ("true and 1", "Type 'int', expect 'bool'"),
        ("false and 1", "Type 'int', expect 'bool'"),
        ("true or userId", "for 'true or userId': Type 'null'"),
        ("true and (false or connectionId gt 2)", "for 'connectionId gt 2': Type 'string', expect 'int'"),
        ("'a' in connectionId", "Type 'string', expect 'collection'"),
        ("'a' in (groups, 'b')", "Type 'collection', expect 'string'"),
        ("'a' in ()", "Unexpected token ')'"),
        ("'a' in ('a' eq 'b')", "Unexpected token 'eq'"),
        ("contains(groups,'a')", "Type 'collection', expect 'string'"),
        ("contains('a')", "Function 'contains' does not take 1 argument(s)"),
        ("substring('a')", "does not take 1"),
        ("substring('a',1,1,1) eq 'a'", "does not take 4"),
        ("substring(userId,'1') eq 'a'", "Type 'string', expect 'int'"),
        ("substring(userId,1) gt 1", "Type 'string', expect 'int'"),
        ("substring(1,1) eq 'a'", "Type 'int', expect 'string'"),
        ("tolower(1) eq 'a'", "Type 'int', expect 'string'"),
        ("length", "Unexpected end of the expression, '(' is expected"),
        ("true false", "Token 'false' is not supported"),
        ("1 eq 1 eq true", "Token 'eq' is not supported"),
        ("true eq not false", "Token 'not' is not supported"),
        ("userId EQ 'x'", "Token 'EQ' is not supported"),
        ("Length(userId) gt 1", "Token 'Length' is not supported"),
        ("True", "Token 'True' is not supported"),
        ("1.5 gt 1", "Token '1.5' is not supported"),
        ("1x gt 1", "Token '1x' is not supported"),
        ("1 + 1 eq 2", "Token '+' is not supported"),
        ("groups/any(g: g eq 'a')", "is not supported"),
        ("userId eq \"x\"", "is not supported"),
        ("userId has 'x'", "Token 'has' is not supported"),
        ("userId eq 'x", "Unterminated string literal"),
        ("(true", "Unexpected end of the expression, ')' is expected"),
        ("true)", "Token ')' is not supported"),
        ("9223372036854775808 gt 1", "64 bits"),
        ("9" * 10000 + " gt 1", "64 bits"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_an_error(text: str, part: str) -> None:
    assert part in message(text)


def test_types_that_only_a_connection_has_are_found_when_it_is_asked() -> None:
    wanted = parse("userId gt 1")

    assert wanted.matches(NOBODY) is False
    with pytest.raises(FilterError, match="Type 'string', expect 'int'"):
        wanted.matches(IVY)


def test_a_long_filter_is_not_repeated_whole_in_its_error() -> None:
    assert len(message("x" * 100_000)) < 2000
