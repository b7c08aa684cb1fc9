"""Rules of faults on purpose: their words, and what they strike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localpubsub.engine.chaos import Chaos, Fate
from localpubsub.engine.chaos_rules import (
    KINDS,
    ChaosSettings,
    CloseWith,
    Delay,
    Drop,
    Duplicate,
    RestFailure,
    Rule,
    RuleError,
    WebhookDelay,
    WebhookFailure,
    parse_rule,
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("drop", Drop()),
        ("drop hub=Chat group=lobby user=ivy p=0.5 every=3 times=2",
         Drop(hub="Chat", group="lobby", user="ivy", probability=0.5, every=3, times=2)),
        ("drop 'group=a b'", Drop(group="a b")),
        ("duplicate group=a=b", Duplicate(group="a=b")),
        ("delay 200ms", Delay(seconds=0.2)),
        ("delay 1.5s", Delay(seconds=1.5)),
        ("delay 2", Delay(seconds=2)),
        ("close 1011", CloseWith(code=1011)),
        ("rest 503", RestFailure(status=503)),
        ("rest 429 retry-after=7", RestFailure(status=429, retry_after=7)),
        ("webhook-delay 1s", WebhookDelay(seconds=1)),
        ("webhook-fail 500", WebhookFailure(status=500)),
        ("webhook-fail unreachable", WebhookFailure()),
    ],
)  # fmt: skip
def test_a_rule_is_read(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "begins with none of delay, drop"),
        ("explode", "begins with none of delay, drop"),
        ("delay", "needs a value: write delay 200ms"),
        ("delay p=1", "needs a value"),
        ("delay soon", "'soon' is no time"),
        ("delay 301s", "0 to 300 seconds"),
        ("close x", "'x' is not a number"),
        ("close 1005", "a close code is"),
        ("rest 200", "a REST status is"),
        ("webhook-fail 200", "a status is"),
        ("drop 5", "'5' is unknown"),
        ("drop p=0", "p is above 0"),
        ("drop p=nan", "p is above 0"),
        ("drop p=x", "'x' is not a number"),
        ("drop every=0", "every is at least 1"),
        ("drop times=-1", "times at least 0"),
        ("drop topic=a", "'topic=a' is unknown"),
        ("drop p=1 p=1", "there twice"),
        ("drop seconds=1", "unknown"),
        ("rest 429 status=500", "unknown"),
        ("drop 'x", "No closing quotation"),
    ],
)
def test_what_is_no_rule_is_said(text: str, complaint: str) -> None:
    with pytest.raises(RuleError, match=complaint):
        parse_rule(text)


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
WHERE = {
    "hub": NAMES,
    "group": NAMES,
    "user": NAMES,
    "probability": st.sampled_from([1.0, 0.25, 1e-9]),
    "every": st.integers(1, 9),
    "times": st.integers(0, 9),
}
RULES = st.one_of(
    st.builds(Drop, **WHERE),
    st.builds(Duplicate, **WHERE),
    st.builds(Delay, seconds=st.sampled_from([0.001, 0.25, 300]), **WHERE),
    st.builds(CloseWith, code=st.sampled_from([1000, 1006, 1011, 4999]), **WHERE),
    st.builds(RestFailure, status=st.integers(400, 599), retry_after=st.integers(0, 9), **WHERE),
    st.builds(WebhookDelay, seconds=st.just(1.5), **WHERE),
    st.builds(WebhookFailure, status=st.sampled_from([0, 500]), **WHERE),
)


@given(RULES)
def test_a_rule_is_what_it_says(rule: Rule) -> None:
    assert parse_rule(str(rule)) == rule


@given(st.text(max_size=60) | st.builds(" ".join, st.lists(st.sampled_from([*KINDS, "p=1", "5", "hub=", "'"]))))
def test_any_text_is_a_rule_or_refused_in_words(text: str) -> None:
    try:
        rule = parse_rule(text)
    except RuleError:
        return
    assert parse_rule(str(rule)) == rule


def struck(chaos: Chaos, count: int = 12, group: str | None = "g") -> list[int]:
    return [number for number in range(1, count + 1) if chaos.message("den", group, "ivy").copies == 0]


def test_every_third_time_and_twice_only() -> None:
    chaos = Chaos()
    chaos.add("drop every=3 times=2")

    assert struck(chaos) == [3, 6]
    assert [(one.seen, one.struck) for one in chaos.rules] == [(6, 2)]


def test_the_same_seed_strikes_the_same_places() -> None:
    def strikes(seed: int) -> list[int]:
        return struck(Chaos(ChaosSettings((parse_rule("drop p=0.5"),), seed)), 64)

    assert strikes(7) == strikes(7)
    assert strikes(7) != strikes(8)
    assert 16 < len(strikes(7)) < 48


def test_another_rule_does_not_move_the_dice_of_the_first() -> None:
    alone, together = Chaos(), Chaos()
    alone.add("drop p=0.5 group=g")
    together.add("drop p=0.5 group=g")
    together.add("drop p=0.5 group=other")
    for _ in range(5):
        together.message("den", "other", None)

    assert struck(alone) == struck(together)


@pytest.mark.parametrize(
    ("rule", "covers"),
    [
        ("drop hub=DEN", True),
        ("drop hub=other", False),
        ("drop group=g", True),
        ("drop group=G", False),
        ("drop user=ivy", True),
        ("drop user=max", False),
        ("drop hub=den group=g user=ivy", True),
    ],
)
def test_a_rule_strikes_where_it_says(rule: str, *, covers: bool) -> None:
    chaos = Chaos()
    chaos.add(rule)

    assert bool(struck(chaos)) is covers
    assert not struck(chaos, group=None) or "group" not in rule


def test_what_happens_to_a_message_adds_up() -> None:
    chaos = Chaos()
    for rule in ("delay 1s", "duplicate", "delay 500ms", "close 4000 every=2"):
        chaos.add(rule)

    assert chaos.message("den", None, None) == Fate(2, 1.5)
    assert chaos.message("den", None, None) == Fate(0, 0.0, 4000)


def test_rules_of_the_file_change_and_those_of_a_test_stay() -> None:
    chaos = Chaos(ChaosSettings((parse_rule("drop"),)))
    changes: list[int] = []
    chaos.changed = lambda: changes.append(len(chaos.rules))
    mine = chaos.add("rest 500")

    chaos.configure(ChaosSettings((parse_rule("duplicate"), parse_rule("webhook-fail 500"))))

    assert [str(one.rule) for one in chaos.rules] == ["rest 500", "duplicate", "webhook-fail 500"]
    assert (len(chaos.messages), len(chaos.requests), len(chaos.webhooks)) == (1, 1, 1)
    chaos.remove(mine)
    assert not chaos.requests
    chaos.clear()
    assert not chaos.rules
    assert not chaos.messages
    assert changes[-1] == 0


def test_unchanged_settings_keep_their_counters() -> None:
    settings = ChaosSettings((parse_rule("drop every=2"),))
    chaos = Chaos(settings)
    chaos.message("den", None, None)

    chaos.configure(ChaosSettings((parse_rule("drop every=2"),)))

    assert chaos.message("den", None, None).copies == 0
