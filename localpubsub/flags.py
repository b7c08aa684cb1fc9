"""What the command line says about a hub, laid over the file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from localpubsub.config import (
    EVERY_HUB,
    LISTENED_EVENTS,
    ConfigError,
    EventHandler,
    EventListener,
    GroupPresence,
    HubSettings,
    ServiceConfig,
)
from localpubsub.engine.chaos_rules import Rule, RuleError, parse_rule


@dataclass(frozen=True)
class Flags:
    """`None`, empty and false leave the file's word. A handler or listener given here comes first."""

    port: int | None = None
    host: str | None = None
    access_keys: tuple[str, ...] = field(default=(), repr=False)
    hub: str = ""
    event_handler: str = ""
    system_events: str = "connect,connected,disconnected"
    user_event_pattern: str = "*"
    group_presence: str = ""
    handler_token_env: str = ""
    event_listener: str = ""
    anonymous: bool = False
    chaos: tuple[str, ...] = ()
    chaos_seed: int | None = None
    tls: Path | None = None
    accept_entra_tokens: bool = False
    console_password: str = field(default="", repr=False)
    state: Path | None = None

    def lay_over(self, base: ServiceConfig, environ: Mapping[str, str] | None = None) -> ServiceConfig:
        """Raises `ConfigError`."""
        hubs = dict(base.hubs)
        if self.event_handler or self.event_listener or self.anonymous:
            name = (self.hub or EVERY_HUB).lower()
            hubs[name] = self._hub(hubs.get(name, HubSettings()), os.environ if environ is None else environ)
        return replace(
            base,
            port=base.port if self.port is None else self.port,
            host=base.host if self.host is None else self.host,
            access_keys=self.access_keys or base.access_keys,
            hubs=hubs,
            tls_folder=self.tls or base.tls_folder,
            state=self.state or base.state,
            accept_entra_tokens=self.accept_entra_tokens or base.accept_entra_tokens,
            console_password=self.console_password or base.console_password,
            chaos=replace(
                base.chaos,
                rules=base.chaos.rules + self._rules(),
                seed=base.chaos.seed if self.chaos_seed is None else self.chaos_seed,
            ),
        )

    def _hub(self, base: HubSettings, environ: Mapping[str, str]) -> HubSettings:
        handlers: tuple[EventHandler, ...] = ()
        if self.event_handler:
            token = environ.get(self.handler_token_env, "") if self.handler_token_env else ""
            if self.handler_token_env and not token:
                raise ConfigError(f"--handler-token-env: the environment variable {self.handler_token_env} is not set")
            presence = GroupPresence(_names(self.group_presence))
            handlers = (
                EventHandler(self.event_handler, _names(self.system_events), self.user_event_pattern, presence, token),
            )
        listeners: tuple[EventListener, ...] = ()
        if self.event_listener:
            listeners = (EventListener(self.event_listener, tuple(sorted(LISTENED_EVENTS)), "*"),)
        return replace(
            base,
            anonymous_connect=base.anonymous_connect or self.anonymous,
            event_handlers=handlers + base.event_handlers,
            event_listeners=listeners + base.event_listeners,
        )

    def _rules(self) -> tuple[Rule, ...]:
        try:
            return tuple(parse_rule(text) for text in self.chaos)
        except RuleError as error:
            raise ConfigError(f"--chaos {error}") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))
