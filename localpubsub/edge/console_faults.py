"""Faults on purpose, in the words of the console's form."""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from localpubsub.engine.chaos import Armed, Chaos
from localpubsub.engine.chaos_rules import (
    CloseWith,
    Delay,
    Drop,
    Duplicate,
    RestFailure,
    Rule,
    RuleError,
    WebhookDelay,
    WebhookFailure,
)

Where = Mapping[str, Any]

_MAKERS: Mapping[str, Callable[[float, Where], Rule]] = {
    "delay": lambda value, where: Delay(seconds=value / 1000, **where),
    "drop": lambda _value, where: Drop(**where),
    "duplicate": lambda _value, where: Duplicate(**where),
    "close": lambda value, where: CloseWith(code=int(value), **where),
    "429": lambda value, where: RestFailure(status=429, retry_after=int(value), **where),
    "5xx": lambda value, where: RestFailure(status=int(value), **where),
    "webhook-delay": lambda value, where: WebhookDelay(seconds=value / 1000, **where),
    "webhook-fail": lambda value, where: WebhookFailure(status=int(value), **where),
}
_USUAL = {"delay": 500.0, "close": 1011.0, "429": 1.0, "5xx": 503.0, "webhook-delay": 500.0}


class FaultRefused(ValueError):
    """The text is for the person at the page."""


class ConsoleFaults:
    def __init__(self, chaos: Chaos) -> None:
        self._chaos = chaos
        self._ids: WeakKeyDictionary[Armed, int] = WeakKeyDictionary()
        self._last_id = 0

    def all(self) -> list[dict[str, Any]]:
        return [self._shown(armed) for armed in self._chaos.rules]

    def add(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Either `rule` as `--chaos` has it, or the members of the form. Raises `FaultRefused`."""
        text = values.get("rule")
        try:
            return self._shown(self._chaos.add(text if isinstance(text, str) else _rule(values)))
        except RuleError as error:
            raise FaultRefused(f"This is no fault: {error}.") from None

    def remove(self, fault: Any = None) -> None:
        """All of them without an id. Raises `FaultRefused`."""
        if fault is None:
            self._chaos.clear()
            return
        armed = next((one for one in self._chaos.rules if self._ids.get(one) == fault), None)
        if armed is None:
            raise FaultRefused("There is no such fault any more.")
        self._chaos.remove(armed)

    def _shown(self, armed: Armed) -> dict[str, Any]:
        if armed not in self._ids:
            self._last_id += 1
            self._ids[armed] = self._last_id
        rule = armed.rule
        what, value = _what(rule)
        return {
            "id": self._ids[armed],
            "what": what,
            "value": value,
            "hub": rule.hub,
            "group": rule.group,
            "user": rule.user,
            "probability": rule.probability,
            "rule": str(rule),
            "struck": armed.struck,
        }


def _what(rule: Rule) -> tuple[str, float | None]:
    match rule:
        case Delay(seconds=seconds) | WebhookDelay(seconds=seconds):
            return rule.kind, seconds * 1000
        case CloseWith(code=code):
            return rule.kind, code
        case RestFailure(status=429, retry_after=seconds):
            return "429", seconds
        case RestFailure(status=status):
            return "5xx", status
        case WebhookFailure(status=status):
            return rule.kind, status
    return rule.kind, None


def _rule(values: Mapping[str, Any]) -> Rule:
    """Raises `FaultRefused` and `RuleError`."""
    what = str(values.get("what", ""))
    if what not in _MAKERS:
        raise FaultRefused(f"what is one of {', '.join(_MAKERS)}.")
    where: dict[str, Any] = {name: values.get(name) or "" for name in ("hub", "group", "user")}
    if not all(isinstance(one, str) for one in where.values()):
        raise FaultRefused("hub, group and user are texts.")
    where["probability"] = _number(values.get("probability"), 1.0, "probability")
    return _MAKERS[what](_number(values.get("value"), _USUAL.get(what, 0.0), "value"), where)


def _number(value: Any, default: float, name: str) -> float:
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 1e9:
        raise FaultRefused(f"{name} is a number.")
    return float(value)
