"""Who asks for a client access URL: one of four ways, by the setting `IDENTITY`."""

import importlib
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import time
from typing import Any, NamedTuple, Protocol

import aiohttp
from pydantic_core import from_json
from starlette.requests import Request
from starlette.types import Scope

from app.clients.issuer_keys import IssuerKeys, bearer_of, invalid
from app.upstream.errors import MalformedEvent, NotAuthentic
from app.upstream.policy import Person

PRINCIPAL = b"x-ms-client-principal"
PRINCIPAL_HEADERS = (b"x-ms-client-principal-id", b"x-ms-client-principal-name")
ALGORITHMS = ("RS256", "PS256", "ES256")


class Asked(NamedTuple):
    """A request for a client access URL; of repeated query parameters the first counts."""

    scope: Scope
    query: Mapping[str, str]

    def header(self, name: bytes) -> bytes | None:
        """The first of that name."""
        return next((value for key, value in self.scope["headers"] if key == name), None)


class Visitor(NamedTuple):
    """A person, and until when that was proven (Unix seconds); `None` for no end."""

    person: Person
    until: float | None = None


class Identity(Protocol):
    async def of(self, asked: Asked) -> Visitor:
        """Raises `NotAuthentic`, `MalformedEvent`, or `Overloaded` where it cannot be told at the moment."""

    def open(self, session: aiohttp.ClientSession) -> None: ...


class QueryIdentity:
    """`?id=`: everybody is who they say. For development, and behind a sign-in of one's own."""

    def open(self, session: aiohttp.ClientSession) -> None: ...

    async def of(self, asked: Asked) -> Visitor:
        user_id = asked.query.get("id", "")
        if not user_id.strip():
            raise MalformedEvent("missing user id")
        return Visitor(Person(user_id))


class AppServiceIdentity:
    """The headers of App Service's sign-in, which its front end sets and strips from what clients send."""

    def open(self, session: aiohttp.ClientSession) -> None: ...

    async def of(self, asked: Asked) -> Visitor:
        for name in PRINCIPAL_HEADERS:
            if value := asked.header(name):
                return Visitor(Person(value.decode("utf-8", "replace"), _principal_claims(asked.header(PRINCIPAL))))
        raise NotAuthentic("no App Service principal")


class OidcIdentity:
    """A bearer token of an OpenID issuer, Entra or any other, for our audience. `user_claim` is the user id."""

    def __init__(self, issuer: str, audiences: Sequence[str], user_claim: str = "sub") -> None:
        self._issuer = issuer
        self._audiences = audiences
        self._user_claim = user_claim
        self._keys = IssuerKeys(f"{issuer.rstrip('/')}/.well-known/openid-configuration", ALGORITHMS)

    def open(self, session: aiohttp.ClientSession) -> None:
        self._keys.open(session)

    async def of(self, asked: Asked) -> Visitor:
        token = bearer_of(asked.header(b"authorization"))
        claims = await self._keys.claims(token, audience=self._audiences, issuer=[self._issuer])
        user_id = claims.get(self._user_claim)
        if not isinstance(user_id, str) or not user_id.strip():
            raise invalid(f"the bearer token has no claim {self._user_claim!r} to name its user")
        return Visitor(Person(user_id, _lists(claims)), float(claims["exp"]))


class OwnIdentity:
    """A function of the host application: `async (Request) -> Person | None`, for its session cookie, say."""

    def __init__(self, identify: Callable[[Request], Awaitable[Person | None]]) -> None:
        self._identify = identify

    def open(self, session: aiohttp.ClientSession) -> None: ...

    async def of(self, asked: Asked) -> Visitor:
        person = await self._identify(Request(asked.scope))
        if person is None or not person.user_id:
            raise NotAuthentic("nobody is signed in")
        return Visitor(person)


def _principal_claims(header: bytes | None) -> dict[str, list[str]]:
    """The claims App Service knows of a person, those of `role_typ` also as `roles`; none where it is unreadable."""
    try:
        principal = from_json(b64decode(header or b"", validate=True))
    except ValueError:
        return {}
    claims: dict[str, list[str]] = {}
    match principal:
        case {"claims": [*entries]}:
            for entry in entries:
                match entry:
                    case {"typ": str(name), "val": str(value)}:
                        for known_as in {name, "roles"} if name == principal.get("role_typ") else {name}:
                            claims.setdefault(known_as, []).append(value)
    return claims


def _lists(claims: Mapping[str, Any]) -> dict[str, list[str]]:
    """Claims as the service hands them on: every value a list of texts; nested ones are left out."""
    values = {name: value if isinstance(value, list) else [value] for name, value in claims.items()}
    return {
        name: [one if isinstance(one, str) else str(one).lower() if isinstance(one, bool) else str(one) for one in some]
        for name, some in values.items()
        if all(isinstance(one, str | int | float | bool) for one in some)
    }


def own_identity(path: str) -> OwnIdentity:
    """`package.module:function`. Raises `ValueError`."""
    module_name, _, name = path.partition(":")
    try:
        identify = getattr(importlib.import_module(module_name), name)
    except Exception as error:  # whatever a module of somebody's raises while it is read
        raise ValueError(
            f"IDENTITY names no function that can be imported: {path!r} ({type(error).__name__})"
        ) from error
    if not callable(identify):
        raise ValueError(f"IDENTITY names no function: {path!r}")  # noqa: TRY004 - a mistake of the settings
    return OwnIdentity(identify)


def minutes_left(visitor: Visitor, wanted: int) -> int:
    """A client access URL does not outlive the proof it was given for. Raises `NotAuthentic` where that is over."""
    if visitor.until is None:
        return wanted
    left = int((visitor.until - time()) // 60)
    if left < 1:
        raise invalid("the bearer token is about to expire; sign in again")
    return min(wanted, left)
