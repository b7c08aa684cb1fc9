"""Bearer tokens of clients and of the REST API (spec/service.md 2.1, 2.2, 8.1)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import jwt

SKEW_SECONDS = 300
DEFAULT_PORTS = {"http": 80, "https": 443}
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


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
    """Verifies with the primary key, then with the secondary. `endpoints` are further URLs the service answers at."""

    def __init__(self, access_keys: tuple[str, ...], endpoints: Iterable[str] = ()) -> None:
        self._keys = [key.encode() for key in access_keys]
        self._authorities = {_authority(urlsplit(endpoint)) for endpoint in endpoints}

    def client(self, token: str, *, path: str, hub: str, host: str) -> ClientClaims:
        """`path` is that of the endpoint up to the hub, as `/client/hubs/`. Raises `InvalidToken`."""
        claims = self._decode(token)
        if not any(self._names_hub(audience, path, hub, host) for audience in _texts(claims.get("aud"))):
            raise InvalidToken("the audience is not this hub's client URL")
        user_id = claims.get("sub")
        if user_id is not None and not isinstance(user_id, str):
            raise InvalidToken("sub is not a text")
        return ClientClaims(
            user_id, _texts(claims.get("role")), _texts(claims.get("webpubsub.group")), _as_lists(claims)
        )

    def rest(self, token: str, *, raw_path: str, host: str) -> None:
        """`raw_path` is the request's path, percent-encoded as it came, without the query. Raises `InvalidToken`.

        The query is not compared: the service does not scope tokens by it.
        """
        claims = self._decode(token)
        for audience in _texts(claims.get("aud")):
            parts = urlsplit(audience)
            same_path = parts.path == raw_path or unquote(parts.path) == unquote(raw_path)
            if same_path and self._is_ours(parts, host):
                return
        raise InvalidToken("the audience is not the URL of this request")

    def _decode(self, token: str) -> dict[str, Any]:
        if not token:
            raise InvalidToken("there is no bearer token")
        options: Any = {"require": ["exp"]} | dict.fromkeys(
            ("verify_aud", "verify_iss", "verify_iat", "verify_sub", "verify_jti"), False
        )
        for key in self._keys:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=["HS256"], leeway=SKEW_SECONDS, options=options
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise InvalidToken(type(error).__name__) from None
            return claims
        raise InvalidToken("signed with none of the access keys")

    def _names_hub(self, audience: str, path: str, hub: str, host: str) -> bool:
        parts = urlsplit(audience)
        named = parts.path.rstrip("/")
        if not named.startswith(path) or unquote(named[len(path) :]).lower() != hub.lower():
            return False
        return self._is_ours(parts, host)

    def _is_ours(self, parts: SplitResult, host: str) -> bool:
        authority = _authority(parts)
        return authority in self._authorities or authority == _authority(urlsplit(f"{parts.scheme}://{host}"))


def _authority(parts: SplitResult) -> tuple[str, int | None]:
    """Host and port; the names of this machine are one."""
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme.lower(), parts.scheme.lower())
    try:
        port = parts.port
    except ValueError:
        return ("", None)
    host = (parts.hostname or "").lower()
    return ("localhost" if host in LOOPBACK else host, port or DEFAULT_PORTS.get(scheme))


def _texts(value: Any) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, str) for one in values):
        raise InvalidToken("a claim that should be text is not")
    return tuple(values)


def _as_lists(claims: Mapping[str, Any]) -> dict[str, list[str]]:
    def text(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)

    return {
        name: [text(one) for one in value] if isinstance(value, list) else [text(value)]
        for name, value in claims.items()
    }
