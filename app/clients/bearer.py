"""The `Authorization` header of calls to the service's REST API (spec/service.md 8.1)."""

import asyncio
import hmac
from collections.abc import Callable
from time import time
from typing import Protocol

from azure.core.credentials_async import AsyncTokenCredential

from app.clients.access import sign_token

ENTRA_SCOPE = "https://webpubsub.azure.com/.default"
ENTRA_SECONDS = 30
ENTRA_PAUSE_SECONDS = 30
KEY_TOKEN_SECONDS = 300
RENEW_BEFORE_SECONDS = 60
MOST_KEPT = 4096


class NoBearer(Exception):
    """No token could be had at the moment. The text is the kind of failure."""


class Bearer(Protocol):
    async def value(self, url: str) -> bytes:
        """The header's value for a request to `url`. Raises `NoBearer`."""

    def forget(self, url: str, value: bytes) -> None:
        """The service refused `value`: it is not handed out again. A newer one stays."""


class KeyBearer:
    """Signs with the access key. The audience is the request's URL: a token is kept for each, until close to expiry."""

    def __init__(
        self,
        access_key: bytes,
        *,
        refused: Callable[[bytes], object] = lambda _: None,
        clock: Callable[[], float] = time,
    ) -> None:
        """`refused` hears of a key whose token the service did not take, and may `use` another."""
        self._refused = refused
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}
        self.use(access_key)

    def use(self, access_key: bytes) -> None:
        """Signs with this one from now on."""
        self._key = access_key
        self._keyed = hmac.new(access_key, digestmod="sha256")
        self._kept.clear()

    async def value(self, url: str) -> bytes:
        now = self._clock()
        kept = self._kept.get(url)
        if kept is not None and kept[0] > now:
            return kept[1]
        token = sign_token({"aud": url, "exp": int(now) + KEY_TOKEN_SECONDS}, self._keyed)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()  # cheaper than to remember who was used last, and as rare as new audiences are many
        value = b"Bearer " + token.encode()
        self._kept[url] = now + KEY_TOKEN_SECONDS - RENEW_BEFORE_SECONDS, value
        return value

    def forget(self, url: str, value: bytes) -> None:
        kept = self._kept.get(url)
        if kept is not None and kept[1] == value:
            del self._kept[url]
            self._refused(self._key)


class EntraBearer:
    """One token for every URL, renewed before it expires; callers that come meanwhile share one request for it.

    While a token is still good nobody waits for the next but the one who asks, and a credential that fails is no harm.
    """

    def __init__(self, credential: AsyncTokenCredential, *, clock: Callable[[], float] = time) -> None:
        self._credential = credential
        self._clock = clock
        self._value = b""
        self._renew_at = 0.0
        self._expires_at = 0.0
        self._renewing = asyncio.Lock()
        self._requests = 0
        self._failure: str | None = None

    async def value(self, url: str) -> bytes:
        if not url.startswith("https://"):
            raise NoBearer("an Entra token is sent over https only")
        now = self._clock()
        if now >= self._renew_at and (now >= self._expires_at or not self._renewing.locked()):
            await self._renew()
        return self._value

    def forget(self, url: str, value: bytes) -> None:
        if value == self._value:
            self._renew_at = self._expires_at = 0.0

    async def _renew(self) -> None:
        requests = self._requests
        async with self._renewing:
            if self._requests == requests:  # else somebody asked while this one waited for its turn
                await self._ask()
        if self._failure is not None and self._clock() >= self._expires_at:
            raise NoBearer(self._failure)

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ENTRA_SECONDS):
                token = await self._credential.get_token(ENTRA_SCOPE)
        except Exception as error:  # noqa: BLE001 - a credential raises what its transport raises
            self._failure = type(error).__name__
            self._renew_at = min(self._expires_at, self._clock() + ENTRA_PAUSE_SECONDS)
        else:
            now = self._clock()
            self._failure = None
            self._value = b"Bearer " + token.token.encode()
            self._expires_at = token.expires_on
            # Half of a short life, five minutes of a long one.
            self._renew_at = max(token.expires_on - 300, now + (token.expires_on - now) / 2)
        self._requests += 1
