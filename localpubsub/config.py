"""Settings of the local service (spec/service.md 9.1). `config_file` reads them from a file."""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from localpubsub.engine.chaos_rules import ChaosSettings
from localpubsub.protocol import names
from localpubsub.protocol.roles import GroupPattern

DEFAULT_ACCESS_KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH"
DEFAULT_PORT = 8081
EVERY_HUB = "_default"
SYSTEM_EVENTS = frozenset({"connect", "connected", "disconnected"})
LISTENED_EVENTS = frozenset({"connected", "disconnected"})
PRESENCE_EVENTS = frozenset({"joined", "left"})
KEY_LENGTH = 32
KEEP_ALIVE_SECONDS = (1, 120)
RETRY_LIMIT = 10
FIXED = ("host", "port", "public_endpoints", "tls_folder", "accept_entra_tokens", "state")

_PARAMETER = re.compile(r"\{([^{}]*)\}")


class ConfigError(ValueError):
    """The text says what to change."""


@dataclass(frozen=True)
class UserEvents:
    """`*`, a name, a comma list, or empty: none. Letters' case does not matter."""

    pattern: str = ""

    def take(self, event: str) -> bool:
        patterns = {name.strip().lower() for name in self.pattern.split(",")} - {""}
        return "*" in patterns or event.lower() in patterns


@dataclass(frozen=True)
class GroupPresence:
    """Which of `joined` and `left` a handler hears of, for groups that match a pattern; no pattern is every group."""

    event_names: tuple[str, ...] = ()
    group_filters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _known(self.event_names, PRESENCE_EVENTS, "event_names")
        for pattern in self.group_filters:
            try:
                GroupPattern(pattern)
            except ValueError as error:
                raise ConfigError(f"group_filters: {pattern!r} is not a group pattern: {error}") from error

    @cached_property
    def _patterns(self) -> tuple[GroupPattern, ...]:
        return tuple(GroupPattern(pattern) for pattern in self.group_filters)

    def takes(self, event: str, group: str) -> bool:
        if event not in {name.lower() for name in self.event_names}:
            return False
        return not self._patterns or any(pattern.matches(group) for pattern in self._patterns)


@dataclass(frozen=True)
class EventHandler:
    """`{hub}` and `{event}` in the template are replaced. The pattern is `*`, a name, a comma list, or empty: none.

    `bearer_token` goes out as `Authorization` with every event; it is in no text this class makes.
    """

    url_template: str
    system_events: tuple[str, ...] = ()
    user_event_pattern: str = ""
    group_presence_events: GroupPresence = field(default_factory=GroupPresence)
    bearer_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _check_template(self.url_template)
        _known(self.system_events, SYSTEM_EVENTS, "system_events")
        if not is_header_value(self.bearer_token):
            raise ConfigError("auth: the bearer token is not printable ASCII, or has blanks in it")

    def takes(self, family: str, event: str) -> bool:
        """`family` is `sys` or `user`."""
        if family == "sys":
            return event.lower() in {name.lower() for name in self.system_events}
        return UserEvents(self.user_event_pattern).take(event)


@dataclass(frozen=True)
class EventListener:
    """Gets a copy of every event it listens to: `file:PATH` as JSON lines, an http or https URL, `log:`, or a function.

    The function is called with the event, in the event loop.
    """

    endpoint: str | Callable[[Any], object]
    system_events: tuple[str, ...] = ()
    user_event_pattern: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.endpoint, str):
            _check_endpoint(self.endpoint)
        _known(self.system_events, LISTENED_EVENTS, "system_events of a listener")

    def takes(self, family: str, event: str) -> bool:
        """`family` is `sys` or `user`."""
        if family == "sys":
            return event.lower() in {name.lower() for name in self.system_events}
        return family == "user" and UserEvents(self.user_event_pattern).take(event)


@dataclass(frozen=True)
class HubSettings:
    """Event handlers, listeners and policy of a hub; it needs none. The first handler that takes an event gets it."""

    anonymous_connect: bool = False
    event_handlers: tuple[EventHandler, ...] = ()
    event_listeners: tuple[EventListener, ...] = ()
    keep_alive_seconds: float | None = None

    def __post_init__(self) -> None:
        lowest, highest = KEEP_ALIVE_SECONDS
        if self.keep_alive_seconds is not None and not lowest <= self.keep_alive_seconds <= highest:
            raise ConfigError(f"keep_alive_seconds is {lowest} to {highest}")

    def handler(self, family: str, event: str) -> EventHandler | None:
        return next((one for one in self.event_handlers if one.takes(family, event)), None)

    def presence_handler(self, event: str, group: str) -> EventHandler | None:
        """`event` is `joined` or `left`."""
        return next((one for one in self.event_handlers if one.group_presence_events.takes(event, group)), None)

    def listeners(self, family: str, event: str) -> tuple[EventListener, ...]:
        return tuple(one for one in self.event_listeners if one.takes(family, event))


@dataclass
class ServiceConfig:
    """`port` 0 takes a free one. Keys are primary and secondary. `hubs` is by name; `_default` is for all others.

    Everything that reads it reads it when it needs it: `take_over` changes a service that runs. With a
    `console_password`, whoever knows it may open the console from anywhere; without, this machine may.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    access_keys: tuple[str, ...] = field(default=(DEFAULT_ACCESS_KEY,), repr=False)
    hubs: Mapping[str, HubSettings] = field(default_factory=dict)
    retry_delays: tuple[float, ...] = (1.0, 3.0, 5.0)
    delivery_seconds: float = 100.0
    connect_seconds: float = 5.0
    validation_seconds: float = 10.0
    shutdown_seconds: float = 5.0
    close_seconds: float = 5.0
    ping_seconds: float = 25.0
    silence_seconds: float = 90.0
    public_endpoints: tuple[str, ...] = ()
    tls_folder: Path | None = None
    state: Path | None = None
    accept_entra_tokens: bool = False
    mqtt_lenient_client_ids: bool = False
    chaos: ChaosSettings = field(default_factory=ChaosSettings)
    console_password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self._check_address()
        self._check_times()
        for name in self.hubs:
            if name != EVERY_HUB and not names.is_hub(name):
                raise ConfigError(f"hubs: {name!r} is not a legal hub name")
        folded = {name.lower(): settings for name, settings in self.hubs.items()}
        if len(folded) < len(self.hubs):
            raise ConfigError("hubs: two names differ in letters' case only, and are one hub")
        self.hubs = folded

    def _check_address(self) -> None:
        if not self.access_keys or not all(self.access_keys):
            raise ConfigError("access_keys: an access key is needed")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port: {self.port} is not one; 0 takes a free one")
        for key in self.access_keys:
            if len(key.encode()) < KEY_LENGTH or ";" in key or key != key.strip() or not key.isprintable():
                raise ConfigError(
                    "access_keys: a key has at least 32 bytes and no ';', blanks around it or control characters"
                )
        if not is_loopback(self.host) and DEFAULT_ACCESS_KEY in self.access_keys:
            raise ConfigError(f"host: {self.host} is reachable from outside: choose an access key of your own")
        if not is_loopback(self.host) and self.accept_entra_tokens:
            raise ConfigError(f"accept_entra_tokens: {self.host} is reachable from outside, and nobody checks them")
        for endpoint in self.public_endpoints:
            if not _is_url(endpoint):
                raise ConfigError(f"public_endpoints: {endpoint!r} is not an http or https URL")

    def _check_times(self) -> None:
        for name in (one.name for one in fields(self) if one.name.endswith("_seconds")):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ConfigError(f"{name}: {value} is not a number of seconds above 0")
        if len(self.retry_delays) > RETRY_LIMIT or any(not 0 <= delay < math.inf for delay in self.retry_delays):
            raise ConfigError(f"retry_delays: at most {RETRY_LIMIT} numbers of seconds, none below 0")

    def hub(self, name: str) -> HubSettings:
        found = self.hubs.get(name.lower())
        return found if found is not None else self.hubs.get(EVERY_HUB, _NO_SETTINGS)

    def ping_interval(self, hub: str) -> float:
        return self.hub(hub).keep_alive_seconds or self.ping_seconds

    def take_over(self, other: "ServiceConfig") -> tuple[str, ...]:
        """Whatever may change while the service runs; the names of what differs and needs a restart."""
        # The host stays, so a key that everybody knows must not follow from the file for another host.
        is_exposed = not is_loopback(self.host) and DEFAULT_ACCESS_KEY in other.access_keys
        fixed = (*FIXED, "access_keys") if is_exposed else FIXED
        for one in fields(self):
            if one.name not in fixed:
                setattr(self, one.name, getattr(other, one.name))
        return tuple(name for name in fixed if getattr(self, name) != getattr(other, name))


_NO_SETTINGS = HubSettings()


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_header_value(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _known(given: Iterable[str], known: frozenset[str], place: str) -> None:
    unknown = {event.lower() for event in given} - known
    if unknown:
        raise ConfigError(f"{place}: {', '.join(sorted(unknown))} is none of {', '.join(sorted(known))}")


def _split(url: str) -> SplitResult | None:
    """`None` for what cannot be read as a URL."""
    if not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_url(url: str) -> bool:
    parts = _split(url)
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)


def _check_template(template: str) -> None:
    if "{@" in template:
        raise ConfigError("url_template: references to a key vault cannot be resolved here; write the URL out")
    parts = _split(template)
    if parts is not None and parts.scheme == "tunnel":
        if parts.netloc or not parts.path.startswith("/"):
            raise ConfigError(f"url_template: {template!r} names a host; a tunnel is written tunnel:///path")
    elif not _is_url(template):
        raise ConfigError(f"url_template: {template!r} is not an http or https URL, nor tunnel:///path")
    elif "{" in urlsplit(template).netloc:
        raise ConfigError("url_template: {hub} and {event} are not allowed in the host of an event handler")
    unknown = {name for name in _PARAMETER.findall(template) if name.lower() not in ("hub", "event")}
    if unknown:
        raise ConfigError(f"url_template: {{{min(unknown)}}} is not a parameter; there are {{hub}} and {{event}}")


def _check_endpoint(endpoint: str) -> None:
    scheme, _, rest = endpoint.partition(":")
    if scheme == "log" and not rest:
        return
    if scheme == "file" and rest and rest.isprintable():
        return
    if not _is_url(endpoint):
        raise ConfigError(f"endpoint: {endpoint!r} is neither file:PATH, an http or https URL, nor log:")
