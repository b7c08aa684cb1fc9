"""Bearer tokens of clients, of the REST API and of tunnels (spec/service.md 2.1, 2.2, 8.1, 10.1)."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import jwt

from localpubsub.protocol.names import is_whole

SKEW_SECONDS = 300
ALGORITHM = "HS256"
DEFAULT_PORTS = {"http": 80, "https": 443}
WEB_SCHEMES = {"ws": "http", "wss": "https"}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MQTT_PATH = "/clients/mqtt/hubs/"
TUNNEL_PATH = "/server/tunnel"
ENTRA_AUDIENCE = "https://webpubsub.azure.com"
ENTRA_WARNING = (
    "UNSAFE: Entra tokens are accepted without a check of who issued them. Audience and lifetime are looked at; "
    "signature, issuer, tenant, roles and identity are NOT. Anybody who reaches this port may call the REST API."
)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_CHECKED = dict.fromkeys(("verify_aud", "verify_iss", "verify_iat", "verify_sub", "verify_jti"), False)


class InvalidToken(Exception):
    """Answered with 401. The text says why and holds nothing of the token."""


@dataclass(frozen=True)
class ClientClaims:
    """`all` is every claim as lists of text, the way the `connect` event has them."""

    user_id: str | None
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    all: Mapping[str, list[str]]


class Tokens:
    """Verifies with the primary key, then with the secondary. `endpoints` are further URLs the service answers at.

    `accept_entra` is for development: see `ENTRA_WARNING`.
    """

    def __init__(
        self, access_keys: tuple[str, ...], endpoints: Iterable[str] = (), *, accept_entra: bool = False
    ) -> None:
        self.use(access_keys)
        self._authorities = {_authority(parts) for endpoint in endpoints if (parts := _split(endpoint)) is not None}
        self._accept_entra = accept_entra

    def use(self, access_keys: Iterable[str]) -> None:
        """These count from now on."""
        self._keys = [key.encode() for key in access_keys]

    def client(self, token: str, *, path: str, hub: str, host: str) -> ClientClaims:
        """`path` is that of the endpoint up to the hub, as `/client/hubs/`. Raises `InvalidToken`."""
        claims = self._verify(token)
        if not any(self._names_hub(parts, path, hub, host) for parts in _audiences(claims)):
            raise InvalidToken("the audience is not this hub's client URL")
        groups = _texts(claims.get("webpubsub.group"))
        if path == MQTT_PATH:  # one page of the documentation calls the claim by this name
            groups += _texts(claims.get("group"))
        return ClientClaims(_subject(claims), _texts(claims.get("role")), groups, _as_lists(claims))

    def rest(self, token: str, *, raw_path: str, host: str) -> None:
        """`raw_path` is the request's path, percent-encoded as it came, without the query. Raises `InvalidToken`.

        The query is not compared: the service does not scope tokens by it.
        """
        if self._is_entra(token):
            return
        segments = _decoded(raw_path)
        for parts in _audiences(self._verify(token)):
            same_path = _decoded(parts.path) == segments or parts.path == unquote(raw_path)
            if same_path and self._is_ours(parts, host):
                return
        raise InvalidToken("the audience is not the URL of this request")

    def tunnel(self, token: str, *, hub: str, host: str) -> str | None:
        """Who opens the tunnel. Raises `InvalidToken`."""
        if self._is_entra(token):
            return None
        claims = self._verify(token)
        for parts in _audiences(claims):
            hubs = [name.lower() for name in parse_qs(parts.query).get("hub", [])]
            if parts.path.rstrip("/") == TUNNEL_PATH and hubs == [hub.lower()] and self._is_ours(parts, host):
                return _subject(claims)
        raise InvalidToken("the audience is not the tunnel of this hub")

    def _verify(self, token: str) -> dict[str, Any]:
        if not token:
            raise InvalidToken("there is no bearer token")
        options: Any = {"require": ["exp"]} | _NOT_CHECKED
        for key in self._keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[ALGORITHM], leeway=SKEW_SECONDS, options=options
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
                raise InvalidToken(type(error).__name__) from None
            return claims
        raise InvalidToken("signed with none of the access keys")

    def _is_entra(self, token: str) -> bool:
        """Whether it is let in as one. Raises `InvalidToken` for one of another service, or out of its time."""
        if not self._accept_entra or not token:
            return False
        options: Any = {"verify_signature": False, "verify_exp": True, "verify_nbf": True, "require": ["exp"]}
        try:
            if jwt.get_unverified_header(token).get("alg") == ALGORITHM:
                return False
            claims: dict[str, Any] = jwt.decode(token, leeway=SKEW_SECONDS, options=_NOT_CHECKED | options)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise InvalidToken(type(error).__name__) from None
        if ENTRA_AUDIENCE not in {audience.rstrip("/") for audience in _texts(claims.get("aud"))}:
            raise InvalidToken("the audience is not Azure Web PubSub")
        return True

    def _names_hub(self, parts: SplitResult, path: str, hub: str, host: str) -> bool:
        named = parts.path.rstrip("/")
        if not named.startswith(path) or unquote(named[len(path) :]).lower() != hub.lower():
            return False
        return self._is_ours(parts, host)

    def _is_ours(self, parts: SplitResult, host: str) -> bool:
        authority = _authority(parts)
        here = _split(f"{parts.scheme}://{host}")
        return bool(authority[0]) and (
            authority in self._authorities or (here is not None and authority == _authority(here))
        )


def _split(url: str) -> SplitResult | None:
    try:
        return urlsplit(url)
    except ValueError:
        return None


def _audiences(claims: Mapping[str, Any]) -> list[SplitResult]:
    """Those that are URLs."""
    return [parts for audience in _texts(claims.get("aud")) if (parts := _split(audience)) is not None]


def _subject(claims: Mapping[str, Any]) -> str | None:
    subject = claims.get("sub")
    if subject is not None and not (isinstance(subject, str) and is_whole(subject)):
        raise InvalidToken("sub is not a text")
    if subject is not None and _CONTROL.search(subject):
        raise InvalidToken("sub holds a character that no header can carry")
    return subject


def _decoded(path: str) -> list[str]:
    """Segment by segment: an encoded slash is not one that separates."""
    return [unquote(segment) for segment in path.split("/")]


def _authority(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port; the names of this machine are one."""
    scheme = WEB_SCHEMES.get(parts.scheme.lower(), parts.scheme.lower())
    try:
        port = parts.port
    except ValueError:
        return ("", None)
    host = (parts.hostname or "").lower()
    return ("localhost" if host in LOOPBACK else host, port or DEFAULT_PORTS.get(scheme))


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) and is_whole(one) for one in values):
        raise InvalidToken("a claim that should be text is not")
    return tuple(values)


def _as_lists(claims: Mapping[str, Any]) -> dict[str, list[str]]:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    return {
        name: [text(one) for one in value] if isinstance(value, list) else [text(value)]
        for name, value in claims.items()
    }
