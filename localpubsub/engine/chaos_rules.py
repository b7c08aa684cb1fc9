"""The rules of faults on purpose, and the words they are written in."""

import math
import re
import shlex
from dataclasses import dataclass, fields
from typing import ClassVar

LONGEST_SECONDS = 300.0
LOST = 1006  # no close frame says it: the socket is gone
CLOSE_CODES = frozenset({*range(1000, 1004), *range(1006, 1015), *range(3000, 5000)})

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")
_SHORT = {"p": "probability", "retry-after": "retry_after"}


class RuleError(ValueError):
    """The text says what is wrong with a rule."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Where a fault strikes, and how often: what is left empty is everything, each time, for good.

    `probability` is asked of every `every`-th time that fits; `times` ends the rule after so many strikes.
    """

    kind: ClassVar[str] = ""
    operand: ClassVar[str] = ""

    hub: str = ""
    group: str = ""
    user: str = ""
    probability: float = 1.0
    every: int = 1
    times: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise RuleError("p is above 0 and at most 1")
        if self.every < 1 or self.times < 0:
            raise RuleError("every is at least 1 and times at least 0")
        seconds = getattr(self, "seconds", 0.0)
        if not math.isfinite(seconds) or not 0 <= seconds <= LONGEST_SECONDS:
            raise RuleError(f"a delay is 0 to {LONGEST_SECONDS:.0f} seconds")

    def covers(self, hub: str, group: str | None, user: str | None) -> bool:
        return (
            (not self.hub or self.hub.lower() == hub.lower())
            and (not self.group or self.group == group)
            and (not self.user or self.user == user)
        )

    def __str__(self) -> str:
        """What `parse_rule` reads."""
        words = [self.kind]
        if self.operand:
            value = getattr(self, self.operand)
            words.append(f"{value:g}s" if self.operand == "seconds" else str(value or "unreachable"))
        long = {name: short for short, name in _SHORT.items()}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != self.operand and value != one.default:
                words.append(shlex.quote(f"{long.get(one.name, one.name)}={value}"))
        return " ".join(words)


@dataclass(frozen=True, kw_only=True)
class Delay(Rule):
    """A message waits before it is queued. Those behind it wait too: order is kept."""

    kind = "delay"
    operand = "seconds"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Drop(Rule):
    """A message never reaches this receiver."""

    kind = "drop"


@dataclass(frozen=True, kw_only=True)
class Duplicate(Rule):
    """A message reaches this receiver twice."""

    kind = "duplicate"


@dataclass(frozen=True, kw_only=True)
class CloseWith(Rule):
    """A message to a connection, or a frame from it, ends it instead; with 1006 its socket is lost without a word."""

    kind = "close"
    operand = "code"
    code: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.code not in CLOSE_CODES:
            raise RuleError("a close code is 1000 to 1003, 1006 to 1014, or 3000 to 4999")


@dataclass(frozen=True, kw_only=True)
class RestFailure(Rule):
    """A REST request is answered with `status`; a 429 carries `Retry-After`."""

    kind = "rest"
    operand = "status"
    status: int
    retry_after: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 400 <= self.status <= 599 or self.retry_after < 0:
            raise RuleError("a REST status is 400 to 599, and retry-after at least 0")


@dataclass(frozen=True, kw_only=True)
class WebhookDelay(Rule):
    """A request to an event handler waits before it is sent."""

    kind = "webhook-delay"
    operand = "seconds"
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WebhookFailure(Rule):
    """A request to an event handler is not sent, and counts as answered with `status`; 0 as not reached."""

    kind = "webhook-fail"
    operand = "status"
    status: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status and not 400 <= self.status <= 599:
            raise RuleError("a status is 400 to 599, or unreachable")


KINDS: dict[str, type[Rule]] = {
    one.kind: one for one in (Delay, Drop, Duplicate, CloseWith, RestFailure, WebhookDelay, WebhookFailure)
}


def parse_rule(text: str) -> Rule:
    """`drop group=lobby p=0.1`, `rest 429 every=2`. Raises `RuleError`."""
    try:
        kind, *words = shlex.split(text) or [""]
        if kind not in KINDS:
            raise RuleError(f"it begins with none of {', '.join(KINDS)}")
        return _read(KINDS[kind], words)
    except ValueError as error:
        raise RuleError(f"{text!r}: {error}") from error


def _read(wanted: type[Rule], words: list[str]) -> Rule:
    known = {one.name for one in fields(wanted)} - {wanted.operand}
    values: dict[str, float | str] = {}
    if wanted.operand:
        if not words or "=" in words[0]:
            raise RuleError(f"it needs a value: {_example(wanted)}")
        values[wanted.operand] = _value(wanted, wanted.operand, words[0])
    for word in words[1:] if wanted.operand else words:
        short, equals, value = word.partition("=")
        name = _SHORT.get(short, short)
        if not equals or name not in known or name in values:
            raise RuleError(f"{word!r} is unknown or there twice: {_example(wanted)}")
        values[name] = _value(wanted, name, value)
    return wanted(**values)  # type: ignore[arg-type]  # each value was read as its field's type


def _value(wanted: type[Rule], name: str, text: str) -> float | str:
    if name in ("hub", "group", "user"):
        return text
    if name == "status" and wanted is WebhookFailure and text == "unreachable":
        return 0
    if name == "seconds":
        if (found := _DURATION.fullmatch(text)) is None:
            raise RuleError(f"{text!r} is no time; write 200ms or 1.5s")
        return float(found[1]) / (1000 if found[2] == "ms" else 1)
    try:
        return float(text) if name == "probability" else int(text)
    except ValueError:
        raise RuleError(f"{text!r} is not a number") from None


def _example(wanted: type[Rule]) -> str:
    operand = {"seconds": " 200ms", "code": " 1011", "status": " 503", "": ""}[wanted.operand]
    return f"write {wanted.kind}{operand} hub=chat group=lobby user=ivy p=0.1 every=3 times=2, or fewer words"


@dataclass(frozen=True)
class ChaosSettings:
    """The same seed, rules and traffic strike the same places again."""

    rules: tuple[Rule, ...] = ()
    seed: int = 0
