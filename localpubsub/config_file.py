"""`localpubsub.toml`: settings of the local service. Every complaint names the key and what to write instead."""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from localpubsub.config import (
    ConfigError,
    EventHandler,
    EventListener,
    GroupPresence,
    HubSettings,
    ServiceConfig,
)
from localpubsub.engine.chaos_rules import ChaosSettings, Rule, RuleError, parse_rule

FILE_NAME = "localpubsub.toml"
DELIVERY = {
    "retry_delays": "retry_delays",
    "timeout_seconds": "delivery_seconds",
    "connect_timeout_seconds": "connect_seconds",
    "validation_timeout_seconds": "validation_seconds",
}
WEBSOCKET = ("ping_seconds", "silence_seconds", "close_seconds")
TYPES = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}

Made = TypeVar("Made")


def load_config(
    path: Path, base: ServiceConfig | None = None, environ: Mapping[str, str] | None = None
) -> ServiceConfig:
    """The file laid over `base`; tokens come from `environ`. Raises `ConfigError` for what it does not understand."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    reader = _Reader(path.parent, os.environ if environ is None else environ)
    try:
        return reader.service(_Table(document, ""), base or ServiceConfig())
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


class _Table:
    """A TOML table whose keys are read one by one; `done` complains of those nobody asked for."""

    def __init__(self, value: Any, place: str) -> None:
        self._values: dict[str, Any] = _typed(value, dict, place)
        self._place = place
        self._known: list[str] = []

    def place(self, key: str) -> str:
        return f"{self._place}.{key}" if self._place else key

    def take(self, key: str, wanted: type, default: Any = None) -> Any:
        self._known.append(key)
        return _typed(self._values[key], wanted, self.place(key)) if key in self._values else default

    def seconds(self, key: str) -> float | None:
        self._known.append(key)
        if key not in self._values:
            return None
        value = _number(self._values[key], self.place(key))
        if not math.isfinite(value) or value <= 0:
            raise ConfigError(f"{self.place(key)}: {value} is not a number of seconds above 0")
        return value

    def numbers(self, key: str) -> tuple[float, ...] | None:
        values = self.take(key, list)
        return None if values is None else tuple(_number(one, self.place(key)) for one in values)

    def texts(self, key: str) -> tuple[str, ...]:
        return tuple(_typed(one, str, self.place(key)) for one in self.take(key, list, []))

    def table(self, key: str) -> "_Table":
        return _Table(self.take(key, dict, {}), self.place(key))

    def tables(self, key: str) -> "list[_Table]":
        return [_Table(one, f"{self.place(key)}[{index}]") for index, one in enumerate(self.take(key, list, []))]

    def named(self, key: str) -> "dict[str, _Table]":
        tables = self.take(key, dict, {})
        return {name: _Table(one, f"{self.place(key)}.{name}") for name, one in tables.items()}

    def has(self, key: str) -> bool:
        return key in self._values

    def done(self) -> None:
        for key in self._values:
            if key not in self._known:
                raise ConfigError(f"{self.place(key)} is not a setting; {_hint(key, self._known)}")


class _Reader:
    """`folder` is where relative paths begin."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def service(self, table: _Table, base: ServiceConfig) -> ServiceConfig:
        changes: dict[str, Any] = {
            "host": table.take("host", str),
            "port": table.take("port", int),
            "access_keys": table.texts("access_keys") if table.has("access_keys") else None,
            "public_endpoints": table.texts("public_endpoints") if table.has("public_endpoints") else None,
            "tls_folder": self._folder / table.take("tls_folder", str) if table.has("tls_folder") else None,
            "state": self._folder / table.take("state", str) if table.has("state") else None,
            "accept_entra_tokens": table.take("accept_entra_tokens", bool),
            "mqtt_lenient_client_ids": table.take("mqtt_lenient_client_ids", bool),
            "console_password": table.take("console_password", str),
        }
        delivery, websocket = table.table("delivery"), table.table("websocket")
        for key, name in DELIVERY.items():
            changes[name] = delivery.numbers(key) if key == "retry_delays" else delivery.seconds(key)
        changes |= {name: websocket.seconds(name) for name in WEBSOCKET}
        changes["chaos"] = self._chaos(table.table("chaos")) if table.has("chaos") else None
        changes["hubs"] = {name: self._hub(one) for name, one in table.named("hubs").items()}
        for one in (delivery, websocket):
            one.done()
        table.take("chaos", dict)
        for key in ("access_keys", "public_endpoints"):
            table.take(key, list)
        table.take("tls_folder", str)
        table.take("state", str)
        table.done()
        return replace(base, **{name: value for name, value in changes.items() if value is not None})

    def _hub(self, table: _Table) -> HubSettings:
        policy = table.take("anonymous_connect", object, default="deny")
        if policy not in ("allow", "deny") and not isinstance(policy, bool):
            raise ConfigError(f'{table.place("anonymous_connect")} is "allow" or "deny"')
        values = {
            "anonymous_connect": policy is True or policy == "allow",
            "event_handlers": tuple(self._handler(one) for one in table.tables("event_handlers")),
            "event_listeners": tuple(self._listener(one) for one in table.tables("event_listeners")),
            "keep_alive_seconds": table.seconds("keep_alive_seconds"),
        }
        table.done()
        return _make(table, HubSettings, **values)

    def _handler(self, table: _Table) -> EventHandler:
        url = table.take("url_template", str)
        presence = table.table("group_presence_events")
        values = {
            "system_events": table.texts("system_events"),
            "user_event_pattern": table.take("user_event_pattern", str, ""),
            "group_presence_events": _make(
                presence,
                GroupPresence,
                event_names=presence.texts("event_names"),
                group_filters=presence.texts("group_filters"),
            ),
            "bearer_token": self._token(table.table("auth")),
        }
        presence.done()
        table.done()
        return _make(table, EventHandler, url_template=_there(url, table.place("url_template")), **values)

    def _token(self, table: _Table) -> str:
        kind = table.take("type", str, "none").lower()
        variable = table.take("token_env", str)
        place = table.place("type")
        if kind in ("managedidentity", "managed_identity"):
            raise ConfigError(f'{place}: there is no managed identity here; use type = "bearer" with token_env')
        if kind not in ("none", "bearer"):
            raise ConfigError(f'{place} is "none" or "bearer"')
        table.done()
        if kind == "none":
            if variable is not None:
                raise ConfigError(f'{table.place("token_env")} needs type = "bearer" beside it')
            return ""
        if not variable:
            raise ConfigError(f"{table.place('token_env')} is missing: name the environment variable with the token")
        token = self._environ.get(variable, "")
        if not token:
            raise ConfigError(f"{table.place('token_env')}: the environment variable {variable} is not set")
        return token

    def _listener(self, table: _Table) -> EventListener:
        endpoint = table.take("endpoint", str)
        chosen = table.table("filter")
        values = {
            "system_events": chosen.texts("system_events"),
            "user_event_pattern": chosen.take("user_event_pattern", str, ""),
        }
        chosen.done()
        table.done()
        scheme, _, rest = _there(endpoint, table.place("endpoint")).partition(":")
        if scheme == "file" and rest:
            endpoint = f"file:{self._folder / rest}"
        return _make(table, EventListener, endpoint=endpoint, **values)

    @staticmethod
    def _chaos(table: _Table) -> ChaosSettings:
        seed = table.take("seed", int, 0)
        rules = []
        for index, text in enumerate(table.texts("rules")):
            rules.append(_rule(text, f"{table.place('rules')}[{index}]"))
        table.done()
        return ChaosSettings(tuple(rules), seed)


def _rule(text: str, place: str) -> Rule:
    try:
        return parse_rule(text)
    except RuleError as error:
        raise ConfigError(f"{place}: {error}") from error


def _there(value: str | None, place: str) -> str:
    if value is None:
        raise ConfigError(f"{place} is missing")
    return value


def _make(table: _Table, kind: Callable[..., Made], **values: Any) -> Made:
    """What the model itself refuses is told with its place."""
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(table.place(str(error))) from error


def _typed(value: Any, wanted: type, place: str) -> Any:
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ConfigError(f"{place or 'the file'} must be {TYPES[wanted]}, not {value!r:.60}")
    return value


def _number(value: Any, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{place} must be a number, not {value!r:.60}")
    try:
        return float(value)
    except OverflowError:
        raise ConfigError(f"{place} is too large") from None


def _hint(key: str, known: list[str]) -> str:
    """The names of Azure's own model are camel case; a slip of the finger is near one of ours."""
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower().removesuffix("_policy")
    near = [snake] if snake in known else difflib.get_close_matches(snake, known, 1)
    return f"write {near[0]}" if near else f"there are {', '.join(sorted(set(known)))}"
