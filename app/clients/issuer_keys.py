"""The keys an OpenID issuer publishes: fetched once, kept, fetched again for a key nobody knows yet."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

import aiohttp
import jwt
import structlog

from app.upstream.errors import NotAuthentic, Overloaded

log = structlog.get_logger(__name__)

KEYS_KEPT_SECONDS = 24 * 3600
UNKNOWN_KEY_PAUSE_SECONDS = 60
FAILED_FETCH_PAUSE_SECONDS = 2
"""While there are no keys at all."""
SKEW_SECONDS = 300
CHALLENGE = 'Bearer error="invalid_token"'


class IssuerKeys:
    """`open` before use. An unknown key id fetches again, at most once a minute: a flood of invented ids must not
    become a flood of requests to the issuer.
    """

    def __init__(self, metadata_url: str, algorithms: Sequence[str]) -> None:
        self._metadata_url = metadata_url
        self._algorithms = list(algorithms)
        self._session: aiohttp.ClientSession | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = self._failed_at = float("-inf")
        self._fetches = 0
        self._fetching = asyncio.Lock()

    def open(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def claims(self, token: str, *, audience: Sequence[str], issuer: Sequence[str]) -> dict[str, Any]:
        """Of a genuine token. Raises `NotAuthentic`, or `Overloaded` while the issuer's keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError as error:
            raise invalid(f"the bearer token is not a JWT ({type(error).__name__})") from None
        if header.get("alg") not in self._algorithms or not isinstance(header.get("kid"), str):
            raise invalid(f"the bearer token is not signed with {' or '.join(self._algorithms)} and a key id")
        kind = str(header.get("typ", "jwt")).lower().removeprefix("application/")
        if kind not in ("jwt", "at+jwt"):
            raise invalid("the bearer token is signed for something else than access, as its typ says")
        key = await self._key(header["kid"])
        if key is None:
            raise invalid("the bearer token is signed with a key its issuer does not publish")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=audience,
                issuer=issuer,
                leeway=SKEW_SECONDS,
                options={"require": ["exp", "aud", "iss"]},
            )
        except jwt.InvalidTokenError as error:
            raise invalid(f"the bearer token is not valid here ({type(error).__name__})") from None
        return claims

    async def _key(self, key_id: str) -> jwt.PyJWK | None:
        age = monotonic() - self._fetched_at
        if age < KEYS_KEPT_SECONDS and key_id in self._keys:
            return self._keys[key_id]
        if age > UNKNOWN_KEY_PAUSE_SECONDS:
            fetches = self._fetches
            async with self._fetching:
                has_paused = monotonic() - self._failed_at >= FAILED_FETCH_PAUSE_SECONDS
                if self._fetches == fetches and has_paused:  # else somebody fetched while this one waited for its turn
                    await self._fetch()
            if not self._keys:
                raise Overloaded("the keys of the issuer cannot be fetched", retry_after_seconds=5)
        return self._keys.get(key_id)

    async def _fetch(self) -> None:
        """Replaces the keys. Old ones stay in use while the issuer does not answer; without any it is asked soon."""
        try:
            metadata = await self._get(self._metadata_url)
            published = await self._get(metadata["jwks_uri"])
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(published).keys if key.key_id is not None}
        except (aiohttp.ClientError, TimeoutError, LookupError, TypeError, ValueError, jwt.PyJWTError) as error:
            log.error(  # noqa: TRY400 - the kind of failure is what an operator needs
                "cannot fetch the keys of an issuer", metadata=self._metadata_url, error=type(error).__name__
            )
        finally:
            self._fetches += 1
            if self._keys:
                self._fetched_at = monotonic()
            else:
                self._failed_at = monotonic()

    async def _get(self, url: str) -> dict[str, Any]:
        if self._session is None:
            raise aiohttp.ClientError("not open")
        async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=10), raise_for_status=True) as answer:
            document = await answer.json()
        if not isinstance(document, dict):
            raise TypeError("not a JSON object")
        return document


def bearer_of(authorization: bytes | None) -> str:
    """The token of an `Authorization` header. Raises `NotAuthentic`."""
    scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthentic("Authorization carries no bearer token", challenge="Bearer")
    return token.strip()


def invalid(reason: str) -> NotAuthentic:
    return NotAuthentic(reason, challenge=CHALLENGE)
