"""Bearer tokens of a service that calls with its managed identity (spec/upstream.md 3.5)."""

from collections.abc import Collection

import aiohttp

from app.clients.issuer_keys import IssuerKeys
from app.upstream.errors import WrongCaller

AUTHORITY = "https://login.microsoftonline.com"
CALLER_CLAIMS = ("oid", "appid", "azp")


class EntraVerifier:
    """Verifies tokens with the tenant's published keys."""

    def __init__(
        self, tenant: str, audiences: Collection[str], callers: Collection[str] = (), *, authority: str = AUTHORITY
    ) -> None:
        authority = authority.rstrip("/")
        self._audiences = [form for audience in audiences for form in _spellings(audience)]
        self._callers = frozenset(caller.lower() for caller in callers)
        self._issuers = [f"{authority}/{tenant}/v2.0", f"https://sts.windows.net/{tenant}/"]
        self._keys = IssuerKeys(f"{authority}/{tenant}/v2.0/.well-known/openid-configuration", ["RS256"])

    def open(self, session: aiohttp.ClientSession) -> None:
        self._keys.open(session)

    async def verify(self, token: str) -> None:
        """Raises `NotAuthentic`, `WrongCaller`, or `Overloaded` while the authority's keys cannot be had."""
        claims = await self._keys.claims(token, audience=self._audiences, issuer=self._issuers)
        if self._callers and not self._callers & {str(claims.get(name, "")).lower() for name in CALLER_CLAIMS}:
            raise WrongCaller("the bearer token is genuine but its caller is not in WEBHOOK_ENTRA_CALLERS")


def _spellings(audience: str) -> list[str]:
    """A bare application id is also issued for as `api://<id>`; a resource URI with or without its last slash."""
    if "://" in audience:
        return [audience.rstrip("/"), audience.rstrip("/") + "/"]
    return [audience, f"api://{audience}"]
