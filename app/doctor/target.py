"""Whom the doctor visits and in whose name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, urlsplit, urlunsplit

from app.upstream.registry import HUB_NAME

USER = "doctor"
MADE_UP_ORIGIN = "doctor.webpubsub.azure.com"
_PLACEHOLDER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}", re.ASCII)


def check_names(hub: str, events: Sequence[str], user: str) -> None:
    """Raises `ValueError` for what the service would not take."""
    if not HUB_NAME.fullmatch(hub):
        raise ValueError(f"{hub!r} is not the name of a hub")
    if not user.strip() or not user.isprintable():
        raise ValueError("the user id is blank, or cannot stand in a header")
    wrong = [name for name in events if not _EVENT_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not an event name: letters, digits and _.- behind a letter, at most 128")


@dataclass(frozen=True)
class Target:
    """An event handler as it stands in the settings of a hub. `template` may hold `{hub}` and `{event}`."""

    template: str
    hub: str
    origin: str = MADE_UP_ORIGIN
    access_key: bytes | None = field(default=None, repr=False)
    events: tuple[str, ...] = ("message",)
    user: str = USER

    def __post_init__(self) -> None:
        """Raises `ValueError` with one sentence."""
        parts = urlsplit(self.template)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the URL must be http://host/path or https://host/path")
        _ = parts.port
        if "{" in parts.netloc:
            raise ValueError("no placeholder may stand in the host")
        if parts.username is not None:
            raise ValueError("the service sends no user name or password; take them out of the URL")
        if not _HOST.fullmatch(self.origin):
            raise ValueError("the origin is a host without a scheme and a path, as contoso.webpubsub.azure.com")
        check_names(self.hub, self.events, self.user)

    @property
    def is_origin_made_up(self) -> bool:
        return self.origin == MADE_UP_ORIGIN

    def url(self, event: str) -> str:
        values = {"hub": quote(self.hub, safe=""), "event": quote(event, safe="")}
        return _PLACEHOLDER.sub(lambda found: values[found[1].lower()], self.template.partition("#")[0])

    @property
    def shown(self) -> str:
        """Without the query, which often holds a key."""
        parts = urlsplit(self.template)
        return urlunsplit((parts.scheme, parts.netloc, parts.path, "…" if parts.query else "", ""))

    @property
    def is_encrypted(self) -> bool:
        return self.template.lower().startswith("https:")

    @property
    def is_local(self) -> bool:
        """On this machine, where nobody listens in."""
        host = urlsplit(self.template).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
