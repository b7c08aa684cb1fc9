"""Who is believed where a signature, a bearer token, both or neither can be asked for."""

import pytest

from app.upstream.authentication import Authentication
from app.upstream.errors import NotAuthentic
from app.upstream.origins import Endpoint, Origins
from app.upstream.signature import sign

HOST = "contoso.webpubsub.azure.com"
KEY = b"a key"
GOOD, FORGED = sign(KEY, b"conn-7f3a"), b"sha256=00"


class OneToken:
    """Believes one token."""

    async def verify(self, token: str) -> None:
        if token != "good":
            raise NotAuthentic("another token")


async def is_believed(
    *,
    keys: tuple[bytes, ...] = (KEY,),
    bearer: bool = False,
    origin: str = HOST,
    signature: bytes | None = None,
    authorization: bytes | None = None,
) -> bool:
    origins = Origins([Endpoint(f"https://{HOST}", keys)])
    authentication = Authentication(origins, bearer=OneToken() if bearer else None)
    try:
        await authentication.check(
            origin=origin, connection_id=b"conn-7f3a", signature=signature, authorization=authorization
        )
    except NotAuthentic:
        return False
    return True


@pytest.mark.parametrize(
    ("signature", "origin", "believed"),
    [(GOOD, HOST, True), (FORGED, HOST, False), (b"", HOST, False), (None, HOST, False), (GOOD, "evil.example", False)],
)
async def test_with_a_key_the_signature_decides(signature: bytes | None, origin: str, believed: bool) -> None:
    assert await is_believed(signature=signature, origin=origin) is believed
    assert not await is_believed(signature=signature, origin=origin, keys=())


@pytest.mark.parametrize(
    ("authorization", "signature", "origin", "believed"),
    [
        (b"Bearer good", None, HOST, True),
        (b"bearer good", GOOD, HOST, True),
        (b"Bearer good", FORGED, HOST, False),
        (b"Bearer good", GOOD, "evil.example", False),
        (b"Bearer good", None, "evil.example", False),
        (b"Bearer bad", GOOD, HOST, False),
        (b"Basic good", GOOD, HOST, False),
        (None, GOOD, HOST, False),
    ],
)
async def test_with_a_verifier_the_token_is_asked_for_and_a_signature_must_be_right_as_well(
    authorization: bytes | None, signature: bytes | None, origin: str, believed: bool
) -> None:
    """The service signs with its keys even where it proves itself with a token (spec/upstream.md 3.5)."""
    made = {"bearer": True, "authorization": authorization, "signature": signature, "origin": origin}

    assert await is_believed(**made) is believed  # type: ignore[arg-type]  # as the parameters say


async def test_without_a_key_a_token_is_enough() -> None:
    assert await is_believed(keys=(), bearer=True, authorization=b"Bearer good", signature=FORGED)
    assert not await is_believed(keys=(), bearer=True, authorization=b"Bearer good", origin="evil.example")


@pytest.mark.parametrize(("endpoints", "allowed"), [((), ()), ((Endpoint(f"https://{HOST}", (KEY,)),), ("*",))])
async def test_where_every_origin_may_call_a_token_is_enough(
    endpoints: tuple[Endpoint, ...], allowed: tuple[str, ...]
) -> None:
    authentication = Authentication(Origins(endpoints, allowed), bearer=OneToken())

    await authentication.check(
        origin="any.example", connection_id=b"conn-7f3a", signature=None, authorization=b"Bearer good"
    )
