"""Who may deliver events: the signature, a bearer token, or both (spec/upstream.md 3.3-3.5)."""

from typing import Protocol

from app.upstream.errors import NotAuthentic
from app.upstream.origins import Origins
from app.upstream.signature import is_signed


class BearerVerifier(Protocol):
    """Checks the token of a service that calls with its managed identity."""

    async def verify(self, token: str) -> None:
        """Raises `NotAuthentic` for a token that is not valid and `WrongCaller` for somebody else's."""


class Authentication:
    """Fails closed: with no key, no verifier and no explicit `allow_unverified`, nothing is authentic."""

    def __init__(
        self, origins: Origins, *, bearer: BearerVerifier | None = None, allow_unverified: bool = False
    ) -> None:
        self.origins = origins
        self._bearer = bearer
        self._allow_unverified = allow_unverified

    async def check(
        self, *, origin: str, connection_id: bytes, signature: bytes | None, authorization: bytes | None
    ) -> None:
        """Raises `NotAuthentic` or `WrongCaller`. Header values are as received."""
        if self._bearer is not None:
            await self._check_bearer(self._bearer, authorization)
            keys = self._keys(origin)
            if signature and keys:
                _check_signature(keys, connection_id, signature)
        elif not self._allow_unverified:
            _check_signature(self._keys(origin), connection_id, signature)

    def _keys(self, origin: str) -> tuple[bytes, ...]:
        keys = self.origins.keys(origin)
        if keys is None:
            raise NotAuthentic(
                "WebHook-Request-Origin names no configured endpoint; add its host to WEBPUBSUB_ALLOWED_ORIGINS "
                "if it is a custom domain or a replica"
            )
        return keys

    async def _check_bearer(self, verifier: BearerVerifier, authorization: bytes | None) -> None:
        scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthentic(
                "Authorization carries no bearer token; turn on managed identity for the event handler",
                challenge="Bearer",
            )
        await verifier.verify(token.strip())


def _check_signature(keys: tuple[bytes, ...], connection_id: bytes, signature: bytes | None) -> None:
    if not keys:
        raise NotAuthentic(
            "no access key is configured for this origin, so nothing can be verified; set "
            "WEBPUBSUB_CONNECTION_STRING or configure Entra verification"
        )
    if not signature:
        raise NotAuthentic("ce-signature is missing although an access key is configured")
    if not is_signed(signature, connection_id, keys):
        raise NotAuthentic(
            "ce-signature was made with none of the configured access keys; after a key rotation configure both keys"
        )
