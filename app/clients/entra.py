"""Bearer tokens of a service that calls with its managed identity (spec/upstream.md 3.5)."""

import asyncio
from collections.abc import Collection
from time import monotonic
from typing import Any

import aiohttp
import jwt
import structlog

from app.upstream.errors import NotAuthentic, Overloaded, WrongCaller

log = structlog.get_logger(__name__)

AUTHORITY = "https://login.microsoftonline.com"
SKEW_SECONDS = 300
KEYS_KEPT_SECONDS = 24 * 3600
UNKNOWN_KEY_PAUSE_SECONDS = 60
CALLER_CLAIMS = ("oid", "appid", "azp")


class EntraVerifier:
    """Verifies tokens with the tenant's published keys, which are fetched once and kept.

    An unknown key id fetches them again, at most once a minute: a flood of invented ids must not become a flood of
    requests to the authority.
    """

    def __init__(
        self, tenant: str, audiences: Collection[str], callers: Collection[str] = (), *, authority: str = AUTHORITY
    ) -> None:
        self._authority = authority.rstrip("/")
        self._tenant = tenant
        self._audiences = [form for audience in audiences for form in _spellings(audience)]
        self._callers = frozenset(caller.lower() for caller in callers)
        self._issuers = [f"{self._authority}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]
        self._session: aiohttp.ClientSession | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._fetches = 0
        self._fetching = asyncio.Lock()

    def open(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def verify(self, token: str) -> None:
        """Raises `NotAuthentic`, `WrongCaller`, or `Overloaded` while the authority's keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise _refusal(f"the bearer token is not a JWT ({type(error).__name__})") from None
        if header.get("alg") != "RS256" or not isinstance(header.get("kid"), str):
            raise _refusal("the bearer token is not signed with RS256 and a key id")
        key = await self._key(header["kid"])
        if key is None:
            raise _refusal("the bearer token is signed with a key this tenant does not publish")
        claims = self._claims(token, key)
        if self._callers and not self._callers & {str(claims.get(name, "")).lower() for name in CALLER_CLAIMS}:
            raise WrongCaller("the bearer token is genuine but its caller is not in WEBHOOK_ENTRA_CALLERS")

    def _claims(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "aud", "iss"]},
            )
        except jwt.InvalidTokenError as error:
            raise _refusal(f"the bearer token is not valid here ({type(error).__name__})") from None
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK | None:
        age = monotonic() - self._fetched_at
        if age < KEYS_KEPT_SECONDS and key_id in self._keys:
            return self._keys[key_id]
        if age > UNKNOWN_KEY_PAUSE_SECONDS:
            fetches = self._fetches
            async with self._fetching:
                if self._fetches == fetches:  # else somebody fetched while this one waited for its turn
                    await self._fetch()
            if not self._keys:
                raise Overloaded("the keys of the Entra tenant cannot be fetched", retry_after_seconds=5)
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Replaces the keys. Old ones stay in use while the authority does not answer; without any it is asked soon."""
        try:
            metadata = await self._get(f"{self._authority}/{self._tenant}/v2.0/.well-known/openid-configuration")
            published = await self._get(metadata["jwks_uri"])
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys if key.key_id is not None}
        except (aiohttp.ClientError, TimeoutError, LookupError, TypeError, ValueError, jwt.PyJWTError) as error:
            log.error(  # noqa: TRY400 - the kind of failure is what an operator needs
                "cannot fetch the keys of the Entra tenant", tenant=self._tenant, error=type(error).__name__
            )
        finally:
            self._fetches += 1
            if self._keys:
                self._fetched_at = monotonic()

    async def _get(self, url: str) -> dict[str, Any]:
        if self._session is None:
            raise aiohttp.ClientError("not open")
        async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=10), raise_for_status=True) as answer:
            document = await answer.json()
        if not isinstance(document, dict):
            raise TypeError("not a JSON object")
        return document


def _spellings(audience: str) -> list[str]:
    """A bare application id is also issued for as `api://<id>`; a resource URI with or without its last slash."""
    if "://" in audience:
        return [audience.rstrip("/"), audience.rstrip("/") + "/"]
    return [audience, f"api://{audience}"]


def _refusal(reason: str) -> NotAuthentic:
    return NotAuthentic(reason, challenge='Bearer error="invalid_token"')
