"""Which groups a role opens."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.protocol.roles import GroupPattern, Permission, Permissions, TooManyRules

SEND, JOIN = Permission.SEND_TO_GROUP, Permission.JOIN_LEAVE_GROUP


@pytest.mark.parametrize(
    ("pattern", "group", "matches"),
    [
        ("reef.*", "reef.1", True),
        ("reef.*", "reef.", True),
        ("reef.*", "reef.1.a", False),
        ("reef.**", "reef.1.a", True),
        ("reef.?", "reef.1", True),
        ("reef.?", "reef..", False),
        ("reef.?", "reef.12", False),
        ("**", "anything.at.all", True),
        ("*.north", "a.north", True),
        ("*.north", "a.b.north", False),
        ("**.north", "a.b.north", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"a\\b", r"a\b", True),
        ("Reef.*", "reef.1", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "a1b.2c", False),
    ],
)
def test_a_pattern_matches_by_segments(pattern: str, group: str, matches: bool) -> None:
    assert GroupPattern(pattern).matches(group) is matches


@pytest.mark.parametrize("pattern", ["", "a\\", r"\a", "*a*a*a*a*a*", "x" * 1025])
def test_a_pattern_that_is_not_legal_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"pattern|backslash"):
        GroupPattern(pattern)


def _as_regular_expression(pattern: str) -> re.Pattern[str]:
    tokens = re.findall(r"\*+|.", pattern)
    translated = {"?": "[^.]", "*": "[^.]*"}
    return re.compile(
        "".join(translated.get(t, ".*" if t.startswith("*") else re.escape(t)) for t in tokens), re.DOTALL
    )


@given(st.text("ab.*?", max_size=10).filter(lambda text: text and text.count("*") <= 5), st.text("ab.", max_size=12))
def test_patterns_agree_with_a_reference(pattern: str, group: str) -> None:
    expected = _as_regular_expression(pattern).fullmatch(group) is not None

    assert GroupPattern(pattern).matches(group) is expected


def test_the_worst_pattern_and_name_are_decided_at_once() -> None:
    assert not GroupPattern("*a*a*a*a*a" + "b").matches("a" * 1024)


def test_roles_open_what_they_say_and_nothing_else() -> None:
    permissions = Permissions.from_roles(
        ["webpubsub.sendToGroups.reef.*", "webpubsub.joinLeaveGroup.reef.1", "webpubsub.unknown", "nonsense"]
    )

    assert permissions.allows(SEND, "reef.1")
    assert not permissions.allows(SEND, "reef.1.a")
    assert permissions.allows(JOIN, "reef.1")
    assert not permissions.allows(JOIN, "reef.2")


def test_a_role_without_a_group_opens_every_group() -> None:
    permissions = Permissions.from_roles(["webpubsub.sendToGroup"])

    assert permissions.allows(SEND, "any.group")
    assert not permissions.allows(JOIN, "any.group")


def test_a_group_name_of_a_role_may_hold_dots_and_stars() -> None:
    permissions = Permissions.from_roles(["webpubsub.sendToGroup.a.*.b"])

    assert permissions.allows(SEND, "a.*.b")
    assert not permissions.allows(SEND, "a.x.b")


def test_an_illegal_pattern_grants_nothing_and_harms_no_other() -> None:
    permissions = Permissions.from_roles(["webpubsub.sendToGroups.a\\", "webpubsub.sendToGroups.b.*"])

    assert permissions.allows(SEND, "b.1")


def test_what_is_revoked_stays_closed_below_a_wider_role() -> None:
    permissions = Permissions.from_roles(["webpubsub.joinLeaveGroup"])

    permissions.revoke(JOIN, "attic")

    assert not permissions.allows(JOIN, "attic")
    assert permissions.allows(JOIN, "cellar")
    permissions.grant(JOIN, "attic")
    assert permissions.allows(JOIN, "attic")


def test_two_stars_alone_are_every_group_and_no_pattern() -> None:
    patterns = [f"webpubsub.sendToGroups.{letter}*" for letter in "abcdefghij"]
    permissions = Permissions.from_roles([*patterns, "webpubsub.sendToGroups.**", "webpubsub.joinLeaveGroups.*"])

    assert permissions.allows(SEND, "z.1")
    assert permissions.describe(SEND) == "every group"
    assert not permissions.allows(JOIN, "z.1")


def test_patterns_that_name_one_group_are_among_the_thousand_literals() -> None:
    roles = [f"webpubsub.sendToGroup{plural}.{plural}{n}" for n in range(501) for plural in ("", "s")]
    permissions = Permissions.from_roles(roles)

    assert [permissions.allows(SEND, name) for name in ("0", "s0", "499", "s499", "500", "s500")] == [
        True, True, True, True, False, False,
    ]  # fmt: skip


def test_a_rule_that_is_revoked_makes_room_for_another() -> None:
    permissions = Permissions()
    for number in range(1001):
        permissions.grant(SEND, f"group-{number}")
        permissions.revoke(SEND, f"group-{number}")

    assert not permissions.allows(SEND, "group-7")


def test_a_connection_holds_a_thousand_literal_rules() -> None:
    permissions = Permissions()
    for number in range(1000):
        permissions.grant(SEND, f"group-{number}")

    with pytest.raises(TooManyRules):
        permissions.grant(SEND, "one-more")
    permissions.revoke(SEND, "group-1")  # a rule that is there may change


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ((), "no group"),
        (("webpubsub.sendToGroup",), "every group"),
        (("webpubsub.sendToGroup.a", "webpubsub.sendToGroup.b"), "a, b"),
        (tuple(f"webpubsub.sendToGroup.{n}" for n in range(7)), "0, 1, 2, 3, 4, 2 more"),
        (("webpubsub.sendToGroup.a", "webpubsub.sendToGroups.b.*"), "a, 1 pattern"),
        (("webpubsub.sendToGroups.a.*", "webpubsub.sendToGroups.b.*"), "2 patterns"),
    ],
)
def test_permissions_in_a_few_words(roles: tuple[str, ...], told: str) -> None:
    assert Permissions.from_roles(roles).describe(Permission.SEND_TO_GROUP) == told


def test_what_was_revoked_is_told() -> None:
    permissions = Permissions.from_roles(("webpubsub.sendToGroup",))
    permissions.revoke(Permission.SEND_TO_GROUP, "a")
    assert permissions.describe(Permission.SEND_TO_GROUP) == "every group but a"

    permissions.revoke(Permission.SEND_TO_GROUP, "b")
    assert permissions.describe(Permission.SEND_TO_GROUP) == "every group but a and 1 more"
    permissions.revoke(Permission.JOIN_LEAVE_GROUP, "b")
    assert permissions.describe(Permission.JOIN_LEAVE_GROUP) == "no group"
