"""Whom the doctor visits and in whose name."""

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import quote, urlsplit, urlunsplit

MADE_UP_ORIGIN = "doctor.webpubsub.azure.com"
_PLACEHOLDER = re.compile(r"\{(hub|event)\}", re.IGNORECASE)
_EVENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,127}", re.ASCII)


@dataclass(frozen=True)
class Target:
    """An event handler as it stands in the settings of a hub. `template` may hold `{hub}` and `{event}`."""

    template: str
    hub: str
    origin: str = MADE_UP_ORIGIN
    access_key: bytes | None = field(default=None, repr=False)
    events: tuple[str, ...] = ("message",)

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
        if not self.hub:
            raise ValueError("the hub needs a name")
        wrong = [name for name in self.events if not _EVENT_NAME.fullmatch(name)]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not an event name: letters, digits and _.- behind a letter, at most 128")

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
