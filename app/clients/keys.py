"""The access keys of this moment, which Azure rotates one of two at a time."""

from collections.abc import Callable, Sequence
from time import monotonic

import structlog

from app.upstream.connection_string import ConnectionString
from app.upstream.origins import Endpoint, endpoints_of

log = structlog.get_logger(__name__)

QUIET_SECONDS = 60.0
"""So often is said that the service refuses a key."""


class AnotherService(ValueError):
    """The connection strings are for another service than the one this process started with."""


class AccessKeys:
    """Those of the service this upstream sends through, and of others that may deliver events.

    Whoever holds something made of a key is told through `changed`, so nothing has to be looked up for an event or a
    send. The first of `own` is the one to send with; `further` stay as they are. `keyless` is the URL of a service that
    authenticates with Entra.
    """

    def __init__(
        self,
        own: Sequence[ConnectionString],
        further: Sequence[ConnectionString] = (),
        keyless: str | None = None,
    ) -> None:
        self._own = tuple(own)
        self._further = tuple(further)
        self._keyless = keyless
        self._said: dict[bytes, float] = {}
        self.current = own[0].key if own else b""
        """What is signed and sent with; empty where there is no key."""
        self.changed: Callable[[], None] = lambda: None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every service that may deliver events, a key each."""
        return endpoints_of((*self._own, *self._further), self._keyless)

    def replace(self, own: Sequence[ConnectionString]) -> None:
        """From now on these count, the first to send with. Raises `AnotherService`, and nothing has changed then."""
        here, there = self._own[0].endpoint, own[0].endpoint
        if here.lower() != there.lower():
            raise AnotherService(f"the first connection string is for {there}; this process serves {here}")
        self._own = tuple(own)
        self._said.clear()
        self.current = own[0].key
        self.changed()

    def refused(self, key: bytes) -> bool:
        """The service took no token of `key`. Whether there is another to try; it is the current one from now on."""
        if key != self.current:
            return True
        keys = self._own_keys()
        others = keys[keys.index(key) + 1 :] + keys[: keys.index(key)]
        now = monotonic()
        if now - self._said.get(key, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._said[key] = now
            log.warning("the service refuses an access key", number=keys.index(key) + 1, has_another=bool(others))
        if not others:
            return False
        self.current = others[0]
        self.changed()
        return True

    def _own_keys(self) -> list[bytes]:
        """Those of the service we send through, in the order they were given."""
        here = self._own[0].endpoint.lower()
        return list(dict.fromkeys(one.key for one in (*self._own, *self._further) if one.endpoint.lower() == here))
