"""Faults on purpose: which rules strike. Nothing is asked where none is set."""

import random
from collections.abc import Callable, Iterable
from typing import NamedTuple

from localpubsub.engine.chaos_rules import (
    ChaosSettings,
    CloseWith,
    Delay,
    Drop,
    Duplicate,
    RestFailure,
    Rule,
    WebhookDelay,
    WebhookFailure,
    parse_rule,
)


class Armed:
    """A rule in force. `seen` counts what fitted, `struck` what it hit."""

    def __init__(self, rule: Rule, seed: str, *, configured: bool) -> None:
        self.rule = rule
        self.configured = configured
        self.seen = 0
        self.struck = 0
        self._dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be unguessable

    def strikes(self, hub: str, group: str | None, user: str | None) -> bool:
        rule = self.rule
        if (rule.times and self.struck >= rule.times) or not rule.covers(hub, group, user):
            return False
        self.seen += 1
        if self.seen % rule.every or (rule.probability < 1 and self._dice.random() >= rule.probability):
            return False
        self.struck += 1
        return True


class Fate(NamedTuple):
    """What becomes of one message to one receiver."""

    copies: int = 1
    seconds: float = 0.0
    close_code: int | None = None


class Chaos:
    """The rules in force, sorted by what they touch. An empty list is all that a place without faults looks at.

    `changed` is called when there are others.
    """

    def __init__(self, settings: ChaosSettings | None = None) -> None:
        self._settings = ChaosSettings()
        self._armed: list[Armed] = []
        self._added = 0
        self.changed: Callable[[], None] = lambda: None
        self.messages: list[Armed] = []
        self.frames: list[Armed] = []
        self.requests: list[Armed] = []
        self.webhooks: list[Armed] = []
        if settings is not None:
            self.configure(settings)

    @property
    def rules(self) -> tuple[Armed, ...]:
        return tuple(self._armed)

    def configure(self, settings: ChaosSettings) -> None:
        """The rules of the file and the flags; those that were added by hand stay."""
        if settings == self._settings:
            return
        self._settings = settings
        self._keep(one for one in self._armed if not one.configured)
        for rule in settings.rules:
            self._arm(rule, configured=True)

    def add(self, rule: Rule | str) -> Armed:
        """Raises `RuleError` for a text that is no rule."""
        return self._arm(parse_rule(rule) if isinstance(rule, str) else rule, configured=False)

    def remove(self, armed: Armed) -> None:
        self._keep(one for one in self._armed if one is not armed)

    def clear(self) -> None:
        self._keep(())

    def _arm(self, rule: Rule, *, configured: bool) -> Armed:
        armed = Armed(rule, f"{self._settings.seed}/{self._added}", configured=configured)
        self._added += 1
        self._keep((*self._armed, armed))
        return armed

    def _keep(self, armed: Iterable[Armed]) -> None:
        """In place: connections hold the lists."""
        self._armed = list(armed)
        for rules, kinds in (
            (self.messages, (Delay, Drop, Duplicate, CloseWith)),
            (self.frames, (CloseWith,)),
            (self.requests, (RestFailure,)),
            (self.webhooks, (WebhookDelay, WebhookFailure)),
        ):
            rules[:] = [one for one in self._armed if isinstance(one.rule, kinds)]
        if not self._armed:
            self._added = 0
        self.changed()

    def message(self, hub: str, group: str | None, user: str | None) -> Fate:
        """Drop and close end the matter; delays add up, and so do copies."""
        copies, seconds = 1, 0.0
        for armed in self.messages:
            if armed.strikes(hub, group, user):
                match armed.rule:
                    case Drop():
                        return Fate(copies=0)
                    case CloseWith(code=code):
                        return Fate(copies=0, close_code=code)
                    case Duplicate():
                        copies += 1
                    case Delay(seconds=more):
                        seconds += more
        return Fate(copies, seconds)

    def frame(self, hub: str, user: str | None) -> int | None:
        """The code a client's frame ends its connection with."""
        struck = (one.rule for one in self.frames if one.strikes(hub, None, user))
        return next((rule.code for rule in struck if isinstance(rule, CloseWith)), None)

    def request(self, hub: str, group: str | None, user: str | None) -> RestFailure | None:
        struck = (one.rule for one in self.requests if one.strikes(hub, group, user))
        return next((rule for rule in struck if isinstance(rule, RestFailure)), None)

    def webhook(self, hub: str, group: str | None, user: str | None) -> tuple[float, int | None]:
        """Seconds to wait, and the status to take for the answer; 0 is no answer, `None` is to send it."""
        seconds = 0.0
        for armed in self.webhooks:
            if armed.strikes(hub, group, user):
                match armed.rule:
                    case WebhookDelay(seconds=more):
                        seconds += more
                    case WebhookFailure(status=status):
                        return seconds, status
        return seconds, None
