"""Client access tokens, read back: who shows one may connect, and may see what those who are connected see."""

from collections.abc import Iterable

import jwt

from app.clients.issuer_keys import invalid
from app.upstream.errors import WrongCaller
from app.upstream.origins import Endpoint

SKEW_SECONDS = 60


class ClientTokens:
    """Verifies with the access keys of the services; tokens that the service itself made are signed with them too."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._keys = [(endpoint.url, key) for endpoint in endpoints for key in endpoint.access_keys]

    def check(self, token: str, hub: str) -> float:
        """When the token expires, in Unix seconds. Raises `NotAuthentic`, or `WrongCaller` for another hub's token."""
        is_ours = False
        for url, key in self._keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=["HS256"],
                    leeway=SKEW_SECONDS,
                    options={"require": ["exp", "aud"], "verify_aud": False},
                )
            except jwt.InvalidSignatureError:
                continue
            except jwt.InvalidTokenError as error:
                raise invalid(f"the bearer token is not valid ({type(error).__name__})") from None
            is_ours = True
            if _audience(url, hub) in _audiences_in(claims["aud"]):
                return float(claims["exp"])
        if is_ours:
            raise WrongCaller("the bearer token is for another hub")
        raise invalid("the bearer token is not signed with an access key")


def _audience(url: str, hub: str) -> str:
    return f"{url.rstrip('/')}/client/hubs/{hub}".lower()


def _audiences_in(claim: object) -> list[str]:
    audiences = claim if isinstance(claim, list) else [claim]
    return [one.lower() for one in audiences if isinstance(one, str)]
