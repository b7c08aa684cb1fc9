"""What a connection may do to which group (spec/service.md 2.3)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

LITERAL_LIMIT = 1000
PATTERN_LIMIT = 10
PATTERN_LENGTH = 1024
STAR_LIMIT = 5
SHOWN_GROUPS = 5

PlainRules = tuple[bool, dict[str, bool], list[str]]


class Permission(StrEnum):
    SEND_TO_GROUP = "sendToGroup"
    JOIN_LEAVE_GROUP = "joinLeaveGroup"


class TooManyRules(Exception):
    """A connection holds at most 1000 literal rules per permission."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A run of `*`, and the fixed text behind it. `text` holds one-character strings; `None` stands for `?`."""

    crosses_dots: bool
    text: tuple[str | None, ...]

    def starts(self, positions: set[int], name: str) -> Iterable[int]:
        """Where the fixed text may begin, given where the run of stars may begin."""
        if self.crosses_dots:
            return range(min(positions), len(name) + 1)
        reached: set[int] = set()
        for position in positions:
            end = name.find(".", position)
            reached.update(range(position, (end if end >= 0 else len(name)) + 1))
        return reached


def _fits(text: tuple[str | None, ...], name: str, start: int) -> bool:
    if start + len(text) > len(name):
        return False
    return all(
        (name[start + offset] != ".") if wanted is None else (name[start + offset] == wanted)
        for offset, wanted in enumerate(text)
    )


class GroupPattern:
    """`?` is one character, `*` any number, neither a dot; `**` is any number of anything; `\\` escapes.

    Matches without backtracking, in time linear in the name for each run of stars.
    """

    def __init__(self, pattern: str) -> None:
        """Raises `ValueError` for a pattern the service would skip."""
        if not pattern or len(pattern) > PATTERN_LENGTH:
            raise ValueError("a pattern has 1 to 1024 characters")
        self.text = pattern
        self.has_wildcard = False
        self._first: tuple[str | None, ...] = ()
        self._steps: list[_Step] = []
        self._parse(pattern)

    def _parse(self, pattern: str) -> None:
        text: list[str | None] = []
        crosses: bool | None = None  # of the run of stars before `text`; None before the first run
        position = stars = 0
        while position < len(pattern):
            character = pattern[position]
            if character == "*":
                run = len(pattern[position:]) - len(pattern[position:].lstrip("*"))
                stars += run
                self._end_of_text(crosses, text)
                crosses, text, position = run > 1, [], position + run
                self.has_wildcard = True
                continue
            if character == "\\":
                position += 1
                if position == len(pattern) or pattern[position] not in "*?\\":
                    raise ValueError("a backslash escapes *, ? or itself")
                text.append(pattern[position])
            else:
                self.has_wildcard |= character == "?"
                text.append(None if character == "?" else character)
            position += 1
        if stars > STAR_LIMIT:
            raise ValueError("a pattern has at most 5 asterisks")
        self._end_of_text(crosses, text)

    def _end_of_text(self, crosses: bool | None, text: list[str | None]) -> None:  # noqa: FBT001
        if crosses is None:
            self._first = tuple(text)
        else:
            self._steps.append(_Step(crosses, tuple(text)))

    @property
    def is_everything(self) -> bool:
        """`**` alone, or a longer run."""
        return len(self.text) > 1 and not self.text.strip("*")

    @property
    def literal(self) -> str:
        """The group a pattern without wildcards names."""
        return "".join(character or "?" for character in self._first)

    def matches(self, name: str) -> bool:
        if not _fits(self._first, name, 0):
            return False
        positions = {len(self._first)}
        for step in self._steps:
            positions = {
                start + len(step.text) for start in step.starts(positions, name) if _fits(step.text, name, start)
            }
            if not positions:
                return False
        return len(name) in positions


@dataclass
class _Rules:
    everything: bool = False
    literals: dict[str, bool] = field(default_factory=dict)
    patterns: list[GroupPattern] = field(default_factory=list)

    def allows(self, group: str) -> bool:
        """A literal rule wins over patterns, and those over the rule for every group."""
        ruling = self.literals.get(group)
        if ruling is not None:
            return ruling
        return any(pattern.matches(group) for pattern in reversed(self.patterns)) or self.everything

    def __str__(self) -> str:
        """For people: `every group but lobby`."""
        granted = [name for name, allowed in self.literals.items() if allowed]
        refused = [name for name, allowed in self.literals.items() if not allowed]
        named = [] if self.everything else granted
        parts = ["every group"] if self.everything else named[:SHOWN_GROUPS]
        if len(named) > SHOWN_GROUPS:
            parts.append(f"{len(named) - SHOWN_GROUPS} more")
        if self.patterns and not self.everything:
            parts.append(f"{len(self.patterns)} pattern{'s' if len(self.patterns) > 1 else ''}")
        text = ", ".join(parts) or "no group"
        if not refused or text == "no group":
            return text
        more = f" and {len(refused) - 1} more" if len(refused) > 1 else ""
        return f"{text} but {refused[0]}{more}"

    def rule(self, group: str, *, allowed: bool) -> None:
        if group not in self.literals and len(self.literals) >= LITERAL_LIMIT:
            raise TooManyRules
        self.literals[group] = allowed


class Permissions:
    """Belongs to the connection, not to its socket; changed by the REST API while the client is connected."""

    def __init__(self) -> None:
        self._rules = {permission: _Rules() for permission in Permission}
        self.changes = 0

    @classmethod
    def from_roles(cls, roles: Iterable[str]) -> Self:
        """Roles nobody knows, and patterns that are not legal, grant nothing and break nothing."""
        permissions = cls()
        for role in roles:
            permissions._add_role(role)
        return permissions

    def _add_role(self, role: str) -> None:
        for permission, rules in self._rules.items():
            prefix = f"webpubsub.{permission}"
            if role == prefix:
                rules.everything = True
            elif role.startswith(f"{prefix}."):
                self._add_literal(rules, role[len(prefix) + 1 :])
            elif role.startswith(f"{prefix}s."):
                self._add_pattern(rules, role[len(prefix) + 2 :])

    @staticmethod
    def _add_literal(rules: _Rules, group: str) -> None:
        if len(rules.literals) < LITERAL_LIMIT:
            rules.literals[group] = True

    @staticmethod
    def _add_pattern(rules: _Rules, text: str) -> None:
        try:
            pattern = GroupPattern(text)
        except ValueError:
            return
        if not pattern.has_wildcard:
            Permissions._add_literal(rules, pattern.literal)
        elif pattern.is_everything:
            rules.everything = True
        elif len(rules.patterns) < PATTERN_LIMIT:
            rules.patterns.append(pattern)

    def plain(self) -> dict[str, PlainRules]:
        """By permission. `from_plain` makes the same of it."""
        return {
            permission.value: (rules.everything, dict(rules.literals), [one.text for one in rules.patterns])
            for permission, rules in self._rules.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, PlainRules]) -> Self:
        permissions = cls()
        for name, (everything, literals, patterns) in plain.items():
            rules = _Rules(everything, dict(literals), [GroupPattern(text) for text in patterns])
            permissions._rules[Permission(name)] = rules
        return permissions

    def allows(self, permission: Permission, group: str) -> bool:
        return self._rules[permission].allows(group)

    def describe(self, permission: Permission) -> str:
        """For people: `every group but lobby`."""
        return str(self._rules[permission])

    def grant(self, permission: Permission, group: str) -> None:
        """Raises `TooManyRules`."""
        self._rules[permission].rule(group, allowed=True)
        self.changes += 1

    def revoke(self, permission: Permission, group: str) -> None:
        """Also below a role for every group, which takes a rule of its own. Raises `TooManyRules`."""
        rules = self._rules[permission]
        rules.literals.pop(group, None)
        if rules.allows(group):
            rules.rule(group, allowed=False)
        self.changes += 1
