"""What the rules of a policy add up to."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.upstream.policy import Person, Policy, PolicyError, Rights, marks_of, read_policy

EXAMPLE = """
[[rule]]
name = "everybody"
hub = "chat"
who = ["signed-in"]
groups = ["lobby"]
join = ["room.*"]
send = ["inbox.{user}"]
events = ["say", "enter"]
rates = [{ event = "say", limit = "5 per second" }, { limit = "20/10 seconds", per = "connection" }]

[[rule]]
name = "staff"
who = ["role:admin", "claim:department=support", "user:mia"]
join = ["**"]
send = ["**"]
events = ["*"]
excess = "disconnect"

[[rule]]
name = "guests"
hub = "open"
who = ["anonymous"]
events = ["look"]
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    (tmp_path / "policy.toml").write_text(EXAMPLE)
    return read_policy(tmp_path / "policy.toml")


def names(rights: Rights) -> list[str]:
    return [rule.name for rule in rights.rules]


@pytest.mark.parametrize(
    ("hub", "person", "fitting"),
    [
        ("chat", Person("jonas"), ["everybody"]),
        ("CHAT", Person("jonas", {"roles": ["admin"]}), ["everybody", "staff"]),
        ("chat", Person("jonas", {"role": ["admin", "x"]}), ["everybody", "staff"]),
        ("other", Person("jonas", {"department": ["support"]}), ["staff"]),
        ("other", Person("jonas", {"department": ["supporters"]}), []),
        ("other", Person("mia"), ["staff"]),
        ("other", Person("Mia"), []),
        ("open", Person(None), ["guests"]),
        ("chat", Person(None), []),
    ],
)
def test_who_a_rule_fits(policy: Policy, hub: str, person: Person, fitting: list[str]) -> None:
    rights = policy.rights(hub, person)

    assert names(rights) == fitting
    assert rights.may_connect == bool(fitting)


def test_a_rule_that_fitted_at_negotiate_still_does(policy: Policy) -> None:
    roles = policy.rights("chat", Person("jonas", {"roles": ["admin"]})).roles

    assert names(policy.rights("chat", Person("jonas"), marks_of(roles))) == ["everybody", "staff"]
    assert names(policy.rights("open", Person("jonas"), ["everybody", "guests"])) == ["guests"]


def test_roles_of_a_token(policy: Policy) -> None:
    assert policy.rights("chat", Person("jonas")).roles == (
        "webpubsub.joinLeaveGroups.room.*",
        "webpubsub.sendToGroup.inbox.jonas",
        "webpubsub.policy.everybody",
    )
    assert policy.rights("chat", Person("mia")).roles[:2] == ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")


def test_what_is_allowed_adds_up(policy: Policy) -> None:
    jonas, mia = policy.rights("chat", Person("jonas")), policy.rights("chat", Person("mia"))

    assert (jonas.may_raise("SAY"), jonas.may_raise("shout")) == (True, False)
    assert mia.may_raise("shout")
    assert [(str(rate.limit), rate.per) for _, rate in jonas.rates("say")] == [
        ("5 per 1 s", "user"),
        ("20 per 10 s", "connection"),
    ]
    assert [str(rate.limit) for _, rate in jonas.rates("enter")] == ["20 per 10 s"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_user_id_is_never_a_pattern(user_id: str) -> None:
    rule = {"name": "own", "send": ["inbox.{user}"], "join": ["inbox.{user}.*"], "groups": ["inbox.{user}"]}
    rights = Policy.model_validate({"rule": [rule]}).rights("chat", Person(user_id))

    join, send, _ = rights.roles
    assert send == f"webpubsub.sendToGroup.inbox.{user_id}"
    escaped = join.removeprefix("webpubsub.joinLeaveGroups.inbox.").removesuffix(".*")
    assert re.sub(r"\\(.)", r"\1", escaped, flags=re.DOTALL) == user_id
    assert not re.search(r"(?<!\\)(?:\\\\)*[*?]", escaped)
    assert rights.groups == (f"inbox.{user_id}",)


def test_what_needs_a_user_id_is_left_out_for_nobody() -> None:
    rule = {"name": "own", "send": ["inbox.{user}", "lobby"], "groups": ["inbox.{user}"]}
    rights = Policy.model_validate({"rule": [rule]}).rights("chat", Person(None))

    assert rights.roles == ("webpubsub.sendToGroup.lobby", "webpubsub.policy.own")
    assert rights.groups == ()


def test_more_patterns_than_the_service_takes_are_an_error() -> None:
    rule = {"name": "wide", "join": [f"room{number}.*" for number in range(11)]}

    with pytest.raises(PolicyError, match="11 patterns"):
        _ = Policy.model_validate({"rule": [rule]}).rights("chat", Person("mia")).roles


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[rule]]", "name"),
        ('[[rule]]\nname = "a b"', "name"),
        ('[[rule]]\nname = "a"\nwho = ["people"]', "'people' is none of"),
        ('[[rule]]\nname = "a"\nmay = "all"', "rule 1, may"),
        ('[[rule]]\nname = "a"\njoin = ["*.*.*.*.*.*"]', "at most 5 wildcards"),
        ('[[rule]]\nname = "a"\nrates = [{ limit = "often" }]', "'often' is not of the form"),
        ('[[rule]]\nname = "a"\nrates = [{ limit = "0 per second" }]', "greater than or equal to 1"),
        ('[[rule]]\nname = "a"\n[[rule]]\nname = "a"', "two rules are named a"),
        ('[[rule]]\nname = "a"\nwho = ["me"]\n[[rule]]\nname = "a"', "rule 1, who, 0: 'me' is none of"),
        ('[[rule]]\nname = "a"\nwho = ["me"]\n[[rule]]\nname = "a"', "two rules are named a"),
        ('rule = "a"\nmay = "all"', "may: Extra inputs"),
        ('rule = "a"\nmay = "all"', "rule: Input should be a valid tuple"),
        ("rule = 3", "valid tuple"),
        ("[[rule", "is not TOML"),
    ],
)
def test_every_mistake_in_the_file_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "policy.toml").write_text(text)

    with pytest.raises(PolicyError, match=re.escape(complaint)):
        read_policy(tmp_path / "policy.toml")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="cannot be read"):
        read_policy(tmp_path / "nothing.toml")
