"""Settings of the local service (spec/service.md 9.1)."""

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from localpubsub.protocol import names

DEFAULT_ACCESS_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
DEFAULT_PORT = 8081
EVERY_HUB = "_default"
SYSTEM_EVENTS = frozenset({"connect", "connected", "disconnected"})
KEY_LENGTH = 32


class ConfigError(ValueError):
    """The text says what to change."""


@dataclass(frozen=True)
class EventHandler:
    """`{hub}` and `{event}` in the template are replaced. The pattern is `*`, a name, a comma list, or empty: none."""

    url_template: str
    system_events: tuple[str, ...] = ()
    user_event_pattern: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url_template)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"the event handler {self.url_template!r} is not an http or https URL")
        if "{" in parts.netloc:
            raise ConfigError("{hub} and {event} are not allowed in the host of an event handler")
        unknown = {event.lower() for event in self.system_events} - SYSTEM_EVENTS
        if unknown:
            raise ConfigError(f"{', '.join(sorted(unknown))}: system events are {', '.join(sorted(SYSTEM_EVENTS))}")

    def takes(self, family: str, event: str) -> bool:
        """`family` is `sys` or `user`."""
        wanted = event.lower()
        if family == "sys":
            return wanted in {name.lower() for name in self.system_events}
        patterns = {name.strip().lower() for name in self.user_event_pattern.split(",")}
        return "*" in patterns or wanted in patterns


@dataclass(frozen=True)
class HubSettings:
    """Event handlers and policy of a name; a hub needs none. The first handler that takes an event gets it."""

    anonymous_connect: bool = False
    event_handlers: tuple[EventHandler, ...] = ()

    def handler(self, family: str, event: str) -> EventHandler | None:
        return next((one for one in self.event_handlers if one.takes(family, event)), None)


@dataclass(frozen=True)
class ServiceConfig:
    """`port` 0 takes a free one. Keys are primary and secondary. `hubs` is by name; `_default` is for all others."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    access_keys: tuple[str, ...] = (DEFAULT_ACCESS_KEY,)
    hubs: Mapping[str, HubSettings] = field(default_factory=dict)
    retry_delays: tuple[float, ...] = (1.0, 3.0, 5.0)
    delivery_seconds: float = 100.0
    validation_seconds: float = 10.0
    shutdown_seconds: float = 5.0
    close_seconds: float = 5.0
    ping_seconds: float = 25.0
    silence_seconds: float = 90.0
    public_endpoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.access_keys or not all(self.access_keys):
            raise ConfigError("an access key is needed")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"{self.port} is not a port")
        for key in self.access_keys:
            if len(key.encode()) < KEY_LENGTH or ";" in key or key != key.strip() or not key.isprintable():
                raise ConfigError(
                    "an access key has at least 32 bytes and no ';', blanks around it or control characters"
                )
        if not is_loopback(self.host) and DEFAULT_ACCESS_KEY in self.access_keys:
            raise ConfigError(f"{self.host} is reachable from outside: choose an access key of your own")
        for name in self.hubs:
            if name != EVERY_HUB and not names.is_hub(name):
                raise ConfigError(f"{name!r} is not a legal hub name")
        object.__setattr__(self, "hubs", {name.lower(): settings for name, settings in self.hubs.items()})

    def hub(self, name: str) -> HubSettings:
        found = self.hubs.get(name.lower())
        return found if found is not None else self.hubs.get(EVERY_HUB, _NO_SETTINGS)


_NO_SETTINGS = HubSettings()


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load_config(path: Path, base: ServiceConfig | None = None) -> ServiceConfig:
    """The file laid over `base`. Raises `ConfigError` for what it does not understand."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    _only(document, {"host", "port", "access_keys", "hubs"}, "at the top")
    changes: dict[str, Any] = {name: document[name] for name in ("host", "port") if name in document}
    if "access_keys" in document:
        changes["access_keys"] = _texts(document["access_keys"], "access_keys")
    hubs = document.get("hubs", {})
    if not isinstance(hubs, dict):
        raise ConfigError("hubs must be tables: [hubs.NAME]")
    changes["hubs"] = {name: _hub(name, table) for name, table in hubs.items()}
    _type(changes.get("host", ""), str, "host")
    _type(changes.get("port", 0), int, "port")
    return replace(base or ServiceConfig(), **changes)


def _hub(name: str, table: Any) -> HubSettings:
    place = f"hubs.{name}"
    _type(table, dict, place)
    _only(table, {"anonymous_connect", "event_handlers"}, f"in {place}")
    handlers = _type(table.get("event_handlers", []), list, f"{place}.event_handlers")
    return HubSettings(
        anonymous_connect=_type(table.get("anonymous_connect", False), bool, f"{place}.anonymous_connect"),
        event_handlers=tuple(_handler(f"{place}.event_handlers", one) for one in handlers),
    )


def _handler(place: str, table: Any) -> EventHandler:
    _type(table, dict, place)
    _only(table, {"url_template", "system_events", "user_event_pattern"}, f"in {place}")
    if "url_template" not in table:
        raise ConfigError(f"{place} needs url_template")
    return EventHandler(
        _type(table["url_template"], str, f"{place}.url_template"),
        _texts(table.get("system_events", []), f"{place}.system_events"),
        _type(table.get("user_event_pattern", ""), str, f"{place}.user_event_pattern"),
    )


def _only(table: Mapping[str, Any], known: set[str], place: str) -> None:
    unknown = set(table) - known
    if unknown:
        raise ConfigError(
            f"{', '.join(sorted(unknown))} is not a setting {place}; there are {', '.join(sorted(known))}"
        )


def _type(value: Any, wanted: type, place: str) -> Any:
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ConfigError(f"{place} must be of type {wanted.__name__}")
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    _type(value, list, place)
    return tuple(_type(one, str, place) for one in value)
