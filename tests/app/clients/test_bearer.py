"""The `Authorization` header: signed with the key, or had from Entra."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import jwt
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from app.clients import bearer
from app.clients.bearer import ENTRA_SCOPE, MOST_KEPT, EntraBearer, KeyBearer, NoBearer

KEY = "a-key-of-at-least-thirty-two-bytes-000000"
URL = "https://contoso.webpubsub.azure.com/api/hubs/chat/:send?api-version=2024-12-01"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key_bearer(clock: Clock) -> KeyBearer:
    return KeyBearer(KEY.encode(), clock=clock)


def claims(value: bytes) -> dict[str, Any]:
    scheme, _, token = value.decode().partition(" ")
    assert scheme == "Bearer"
    options: Any = {"verify_aud": False, "verify_exp": False}
    return dict(jwt.decode(token, KEY, algorithms=["HS256"], options=options))


async def test_a_signed_token_is_for_one_url_and_a_few_minutes(key_bearer: KeyBearer, clock: Clock) -> None:
    assert claims(await key_bearer.value(URL)) == {"aud": URL, "exp": int(clock.now) + 300}
    assert claims(await key_bearer.value(URL + "&filter=x"))["aud"] == URL + "&filter=x"


async def test_a_signed_token_is_the_same_until_a_minute_before_it_expires(key_bearer: KeyBearer, clock: Clock) -> None:
    first = await key_bearer.value(URL)

    clock.now += 239.5
    assert await key_bearer.value(URL) is first
    clock.now += 0.5
    assert claims(await key_bearer.value(URL))["exp"] == claims(first)["exp"] + 240


async def test_signed_tokens_are_kept_for_so_many_urls_only(key_bearer: KeyBearer) -> None:
    for number in range(2 * MOST_KEPT + 1):
        await key_bearer.value(f"{URL}&{number}")
        assert len(key_bearer._kept) <= MOST_KEPT


async def test_a_signed_token_that_was_refused_is_signed_anew_once(key_bearer: KeyBearer, clock: Clock) -> None:
    refused = await key_bearer.value(URL)
    clock.now += 1

    key_bearer.forget(URL, refused)
    fresh = await key_bearer.value(URL)
    clock.now += 1
    key_bearer.forget(URL, refused)
    key_bearer.forget("https://elsewhere", refused)

    assert fresh != refused
    assert await key_bearer.value(URL) is fresh


class Credential:
    """Gives `token 1`, `token 2`, ..., each for `seconds`; fails while `error` is set, waits while `gate` is closed."""

    def __init__(self, clock: Clock, seconds: int = 3600) -> None:
        self._clock = clock
        self.seconds = seconds
        self.asked: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def get_token(self, *scopes: str, **options: object) -> AccessToken:
        self.asked.append(scopes)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return AccessToken(f"token {len(self.asked)}", int(self._clock.now) + self.seconds)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *details: object) -> None: ...


@pytest.fixture
async def credential(clock: Clock) -> Credential:
    return Credential(clock)


@pytest.fixture
def entra(credential: Credential, clock: Clock) -> EntraBearer:
    return EntraBearer(credential, clock=clock)


async def values(entra: EntraBearer, count: int, *, while_asked: Callable[[], None]) -> list[bytes | BaseException]:
    """What callers get that come at one time; `while_asked` runs when all of them wait or have their answer."""
    tasks = [asyncio.create_task(entra.value(URL)) for _ in range(count)]
    for _ in range(5):
        await asyncio.sleep(0)
    while_asked()
    return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("url", ["http://localhost/api", "HTTP://localhost", "ws://localhost", ""])
async def test_an_entra_token_never_goes_over_plain_http(entra: EntraBearer, credential: Credential, url: str) -> None:
    await entra.value(URL)

    with pytest.raises(NoBearer, match="https only"):
        await entra.value(url)

    assert len(credential.asked) == 1


@pytest.mark.parametrize(("seconds", "kept"), [(3600, 3300), (86400, 86100), (400, 200), (60, 30)])
async def test_an_entra_token_is_kept_for_every_url_and_renewed_before_it_expires(
    entra: EntraBearer, credential: Credential, clock: Clock, seconds: int, kept: int
) -> None:
    clock.now = 1_800_000_000.0
    credential.seconds = seconds

    assert await entra.value(URL) == b"Bearer token 1"
    clock.now += kept - 1
    assert await entra.value("https://other/") == b"Bearer token 1"
    clock.now += 1
    assert await entra.value(URL) == b"Bearer token 2"
    assert credential.asked == [(ENTRA_SCOPE,)] * 2


async def test_callers_without_a_token_share_one_request(entra: EntraBearer, credential: Credential) -> None:
    credential.gate.clear()

    assert await values(entra, 10, while_asked=credential.gate.set) == [b"Bearer token 1"] * 10
    assert len(credential.asked) == 1


async def test_only_who_renews_a_good_token_waits(entra: EntraBearer, credential: Credential, clock: Clock) -> None:
    await entra.value(URL)
    clock.now += 3400
    credential.gate.clear()

    assert await values(entra, 3, while_asked=credential.gate.set) == [
        b"Bearer token 2",
        b"Bearer token 1",
        b"Bearer token 1",
    ]


async def test_callers_share_a_failure_and_the_next_one_asks_again(entra: EntraBearer, credential: Credential) -> None:
    credential.error = ClientAuthenticationError("tenant https://login.example/secret refused")
    credential.gate.clear()

    failures = await values(entra, 10, while_asked=credential.gate.set)

    assert {str(failure) for failure in failures} == {"ClientAuthenticationError"}
    assert all(isinstance(failure, NoBearer) for failure in failures)
    assert len(credential.asked) == 1
    credential.error = None
    assert await entra.value(URL) == b"Bearer token 2"


async def test_a_credential_that_fails_is_no_harm_while_the_token_is_good(
    entra: EntraBearer, credential: Credential, clock: Clock
) -> None:
    await entra.value(URL)
    credential.error = OSError()

    clock.now += 3310
    assert [await entra.value(URL) for _ in range(3)] == [b"Bearer token 1"] * 3
    assert len(credential.asked) == 2
    clock.now += 30
    assert await entra.value(URL) == b"Bearer token 1"
    assert len(credential.asked) == 3

    clock.now += 250
    await entra.value(URL)
    clock.now += 10
    with pytest.raises(NoBearer, match="OSError"):
        await entra.value(URL)


async def test_a_token_that_seems_to_have_expired_is_for_the_service_to_judge(
    entra: EntraBearer, credential: Credential
) -> None:
    credential.error = OSError()
    with pytest.raises(NoBearer):
        await entra.value(URL)

    credential.error, credential.seconds = None, -60

    assert await entra.value(URL) == b"Bearer token 2"


async def test_a_caller_that_gives_up_leaves_the_request_to_the_next(
    entra: EntraBearer, credential: Credential
) -> None:
    credential.gate.clear()
    first = asyncio.create_task(entra.value(URL))
    second = asyncio.create_task(entra.value(URL))
    await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait([first])
    credential.gate.set()

    assert await second == b"Bearer token 2"


async def test_a_credential_that_does_not_answer_is_given_up(
    entra: EntraBearer, credential: Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearer, "ENTRA_SECONDS", 0.01)
    credential.gate.clear()

    with pytest.raises(NoBearer, match="TimeoutError"):
        await entra.value(URL)


async def test_an_entra_token_that_was_refused_is_asked_for_again_once(
    entra: EntraBearer, credential: Credential
) -> None:
    refused = await entra.value(URL)

    entra.forget(URL, refused)
    fresh = await entra.value(URL)
    entra.forget(URL, refused)

    assert (fresh, await entra.value(URL)) == (b"Bearer token 2", b"Bearer token 2")


async def test_a_refused_token_is_not_used_for_want_of_another(entra: EntraBearer, credential: Credential) -> None:
    entra.forget(URL, await entra.value(URL))
    credential.error = OSError()

    with pytest.raises(NoBearer):
        await entra.value(URL)


async def test_another_key_signs_from_its_first_token_on(key_bearer: KeyBearer) -> None:
    await key_bearer.value(URL)

    key_bearer.use(b"another-key-of-at-least-thirty-two-bytes-00")

    with pytest.raises(jwt.InvalidSignatureError):
        claims(await key_bearer.value(URL))


async def test_the_key_of_a_refused_token_is_told_unless_another_counts_by_then(clock: Clock) -> None:
    refused: list[bytes] = []
    signing = KeyBearer(b"first" * 10, refused=refused.append, clock=clock)
    of_the_first = await signing.value(URL)

    signing.forget(URL, of_the_first)
    signing.use(b"other" * 10)
    await signing.value(URL)
    signing.forget(URL, of_the_first)

    assert refused == [b"first" * 10]
