"""Which hosts may call the event handler, and with which keys they sign (spec/upstream.md 1.2, 3.3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from app.upstream.connection_string import ConnectionString

ANY = "*"


def hosts_of(header: str) -> list[str]:
    """The entries of a `WebHook-Request-Origin` value: a list, trimmed, in lower case, empties dropped."""
    return [host.lower() for entry in header.split(",") if (host := entry.strip())]


@dataclass(frozen=True)
class Endpoint:
    """A service that may call, with the keys it signs with. No keys: it authenticates with Entra."""

    url: str
    access_keys: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def hosts(self) -> frozenset[str]:
        """The host as the service names itself; some leave out a port that is not the default."""
        parts = urlsplit(self.url)
        return frozenset(name.lower() for name in (parts.netloc.rpartition("@")[2], parts.hostname) if name)


def endpoints_of(connections: Iterable[ConnectionString], keyless: str | None = None) -> tuple[Endpoint, ...]:
    """The services that may call; `keyless` is the URL of one that authenticates with Entra."""
    endpoints = [Endpoint(one.endpoint, (one.key,)) for one in connections]
    if keyless:
        endpoints.append(Endpoint(keyless))
    return tuple(endpoints)


class Origins:
    """Exact host comparison; a prefix or suffix of an allowed host is another host.

    `allowed` are hosts beside those of the endpoints: custom domains and replicas, which sign with the keys of any
    endpoint. `*` in it allows every host, as does having neither endpoints nor `allowed`.
    """

    def __init__(self, endpoints: Sequence[Endpoint], allowed: Iterable[str] = ()) -> None:
        names = {host.strip().lower() for host in allowed if host.strip()}
        self.unrestricted = ANY in names or not (names or endpoints)
        every_key = tuple(dict.fromkeys(key for endpoint in endpoints for key in endpoint.access_keys))
        self._keys: dict[str, tuple[bytes, ...]] = dict.fromkeys(names - {ANY}, every_key)
        for endpoint in endpoints:
            for host in endpoint.hosts:
                known = self._keys.get(host, ())
                self._keys[host] = tuple(dict.fromkeys((*known, *endpoint.access_keys)))
        self._every_key = every_key

    def allowed(self, header: str) -> str | None:
        """The value for `WebHook-Allowed-Origin`: `*` or the one host that matched, `None` when none does."""
        hosts = hosts_of(header)
        if self.unrestricted:
            return ANY if hosts else None
        return next((host for host in hosts if host in self._keys), None)

    def keys(self, header: str) -> tuple[bytes, ...] | None:
        """The keys a caller from these hosts may sign with; `None` when no host is known."""
        known = self._keys.get(header)
        if known is not None:
            return known
        hosts = hosts_of(header)
        found = [self._keys[host] for host in hosts if host in self._keys]
        if found:
            return tuple(dict.fromkeys(key for keys in found for key in keys))
        return self._every_key if self.unrestricted and hosts else None
