"""Who may do what: one file decides for tokens, for `connect` and for every event.

Rules add up. Without a rule that fits them nobody comes in, and what no rule allows is not allowed. `docs/policy.md`
shows the file.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

ANY = "*"
EVERY_GROUP = "**"
MARK = "policy."
"""Token roles that name rules begin with it; the service itself ignores them."""

PER_CONNECTION_LITERALS, PER_CONNECTION_PATTERNS, STARS = 1000, 10, 5
"""What the service accepts in a token (spec/upstream.md 9.4)."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_WILD = re.compile(r"[*?]")
_SUBJECT = re.compile(r"\*|signed-in|anonymous|(user|role|group):.+|claim:[^=]+=.+")
_LIMIT = re.compile(r"\s*(\d{1,9})\s*(?:/|per)\s*(\d{1,6})?\s*(second|minute|hour|day)s?\s*", re.IGNORECASE)
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


class PolicyError(ValueError):
    """The file cannot be used; the text names every mistake in it."""


@dataclass(frozen=True)
class Person:
    """Who somebody is, as far as it was proven. Claims as the identity provider names them, each a list."""

    user_id: str | None
    claims: Mapping[str, Sequence[str]] = field(default_factory=dict)


def _subject(text: str) -> str:
    if not _SUBJECT.fullmatch(text):
        raise ValueError(f"{text!r} is none of *, signed-in, anonymous, user:, role:, group:, claim:name=value")
    return text


def _wildcards(pattern: str) -> int:
    return len(_WILD.findall(_ESCAPED.sub("", pattern)))


def _pattern(text: str) -> str:
    if not text or len(text) > 1024 or _wildcards(text) > STARS:
        raise ValueError(f"{text!r} is no group pattern: 1 to 1024 characters, at most {STARS} wildcards")
    return text


class Limit(BaseModel):
    """At most `count` in `seconds`; in the file as `20 per 10 seconds`."""

    model_config = ConfigDict(frozen=True)

    count: int = Field(ge=1)
    seconds: int = Field(ge=1)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        found = _LIMIT.fullmatch(value)
        if found is None:
            raise ValueError(f"{value!r} is not of the form '20 per 10 seconds'")
        return {"count": int(found[1]), "seconds": int(found[2] or 1) * _SECONDS[found[3].lower()]}

    def __str__(self) -> str:
        return f"{self.count} per {self.seconds} s"


class Rate(BaseModel):
    """How often a user, or a connection, may raise an event; `*` counts all events together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: Limit
    event: str = ANY
    per: Literal["user", "connection"] = "user"


Subject = Annotated[str, AfterValidator(_subject)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Rule(BaseModel):
    """What somebody may. `{user}` in a group or pattern stands for the user id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    hub: str = ANY
    who: tuple[Subject, ...] = (ANY,)
    groups: tuple[str, ...] = Field(default=(), description="Where they start")
    join: tuple[Pattern, ...] = Field(default=(), description="Groups they may join and leave")
    send: tuple[Pattern, ...] = Field(default=(), description="Groups they may send to")
    events: tuple[str, ...] = Field(default=(), description="Events they may raise")
    rates: tuple[Rate, ...] = ()
    excess: Literal["answer", "disconnect"] = Field(default="answer", description="What too many events lead to")

    def covers(self, hub: str) -> bool:
        return self.hub in (ANY, hub) or self.hub.lower() == hub.lower()

    def fits(self, person: Person) -> str | None:
        """The first of `who` that is true of the person."""
        return next((subject for subject in self.who if _is(person, subject)), None)


def _is(person: Person, subject: str) -> bool:
    kind, _, value = subject.partition(":")
    match kind:
        case "*":
            return True
        case "signed-in":
            return person.user_id is not None
        case "anonymous":
            return person.user_id is None
        case "user":
            return person.user_id == value
        case "role" | "group":
            return any(value in person.claims.get(name, ()) for name in (kind, f"{kind}s"))
        case _:
            name, _, wanted = value.partition("=")
            return wanted in person.claims.get(name, ())


@dataclass(frozen=True)
class Rights:
    """What the rules that fit somebody add up to, for one hub."""

    rules: tuple[Rule, ...]
    user_id: str | None

    @property
    def may_connect(self) -> bool:
        return bool(self.rules)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        return self._filled(group for rule in self.rules for group in rule.groups)

    @cached_property
    def roles(self) -> tuple[str, ...]:
        """For a token or the answer to `connect`. Raises `PolicyError` where they are more than the service takes."""
        roles = [
            *self._roles("joinLeaveGroup", (group for rule in self.rules for group in rule.join)),
            *self._roles("sendToGroup", (group for rule in self.rules for group in rule.send)),
        ]
        return (*roles, *(f"webpubsub.{MARK}{rule.name}" for rule in self.rules))

    def may_raise(self, event: str) -> bool:
        names = {name.lower() for rule in self.rules for name in rule.events}
        return ANY in names or event.lower() in names

    def rates(self, event: str) -> list[tuple[Rule, Rate]]:
        """Those that count the event: the first of each rule for the event itself, and the one for all."""
        return [
            (rule, rate) for rule in self.rules for rate in rule.rates if rate.event.lower() in (ANY, event.lower())
        ]

    def _roles(self, verb: str, patterns: Iterable[str]) -> list[str]:
        filled = self._filled(patterns, escaped=True)
        if EVERY_GROUP in filled:
            return [f"webpubsub.{verb}"]
        wild = [one for one in filled if _wildcards(one)]
        plain = [re.sub(r"\\(.)", r"\1", one, flags=re.DOTALL) for one in filled if not _wildcards(one)]
        if len(wild) > PER_CONNECTION_PATTERNS or len(plain) > PER_CONNECTION_LITERALS:
            raise PolicyError(
                f"{len(wild)} patterns and {len(plain)} groups for one connection; the service takes "
                f"{PER_CONNECTION_PATTERNS} and {PER_CONNECTION_LITERALS}"
            )
        return [f"webpubsub.{verb}s.{one}" for one in wild] + [f"webpubsub.{verb}.{one}" for one in plain]

    def _filled(self, texts: Iterable[str], *, escaped: bool = False) -> tuple[str, ...]:
        """With the user's id in them; those that need one are left out for nobody."""
        user = self.user_id
        if user is not None and escaped:
            user = re.sub(r"([\\*?])", r"\\\1", user)  # or a user called `*` would get everybody's
        filled = (
            text if "{user}" not in text else text.replace("{user}", user or "")
            for text in texts
            if user or "{user}" not in text
        )
        return tuple(dict.fromkeys(filled))


class Policy(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        if twice := _repeated(rule.name for rule in self.rule):
            raise ValueError(twice)
        return self

    def rights(self, hub: str, person: Person, marks: Iterable[str] = ()) -> Rights:
        """`marks` name rules that were found to fit before, by claims that are not known any more."""
        named = set(marks)
        fitting = (
            rule for rule in self.rule if rule.covers(hub) and (rule.name in named or rule.fits(person) is not None)
        )
        return Rights(tuple(fitting), person.user_id)


def marks_of(roles: Iterable[str]) -> list[str]:
    """The rules that a token's roles name."""
    prefix = f"webpubsub.{MARK}"
    return [role.removeprefix(prefix) for role in roles if role.startswith(prefix)]


def read_policy(path: Path) -> Policy:
    """Raises `PolicyError`."""
    raw: Mapping[str, object] = {}
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        return Policy.model_validate(raw)
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is not TOML: {error}") from error
    except ValidationError as error:
        raise PolicyError("; ".join(f"{path}: {mistake}" for mistake in _mistakes(raw, error))) from None


def _mistakes(raw: Mapping[str, object], error: ValidationError) -> list[str]:
    """Every one: names are compared by the model only where all else is right."""
    problems = error.errors(include_url=False, include_input=False)
    mistakes = [_place(one["loc"]) + one["msg"].removeprefix("Value error, ") for one in problems]
    rules = raw.get("rule")
    names = [rule.get("name") for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
    if (twice := _repeated(name for name in names if isinstance(name, str))) and twice not in mistakes:
        mistakes.append(twice)
    return mistakes


def _repeated(names: Iterable[str]) -> str | None:
    every = list(names)
    twice = sorted({name for name in every if every.count(name) > 1})
    return f"two rules are named {', '.join(twice)}" if twice else None


def _place(steps: Sequence[int | str]) -> str:
    words = [
        f"rule {step + 1}" if isinstance(step, int) and number == 1 else str(step) for number, step in enumerate(steps)
    ]
    return f"{', '.join(words[1:] or words)}: " if words else ""
