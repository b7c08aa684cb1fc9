"""The official client against an endpoint on this machine that answers as Azure Translator documents it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken, AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from structlog.testing import capture_logs

from app.translation.azure import MAX_RESPONSE_BYTES, AzureTranslator
from app.translation.backend import TranslationFailed, Unavailable
from app.translation.careful import CarefulTranslator
from app.translation.shared import Shared
from app.upstream.translation import Note, Translation

KEY = "k3y-that-must-not-be-printed"

Answer = Callable[[web.Request, Any], Awaitable[web.StreamResponse]]


async def translate(request: web.Request, body: Any) -> web.Response:
    """`[de]` before the text is its German; what is marked to be left alone is moved to the front."""
    return web.json_response(
        {
            "value": [
                {
                    **({} if "language" in one else {"detectedLanguage": {"language": "en", "score": 0.9}}),
                    "translations": [
                        {"language": to["language"], "text": f"[{to['language']}] {one['text']}"}
                        for to in one["targets"]
                    ],
                }
                for one in body["inputs"]
            ]
        },
        headers={"X-RequestId": "1", "x-metered-usage": "5"},
    )


def refuse(status: int, **headers: str) -> Answer:
    async def answer(request: web.Request, body: Any) -> web.Response:
        error = {"error": {"code": status * 1000, "message": f"no, not {body['inputs'][0]['text']}"}}
        return web.json_response(
            error, status=status, headers={name.replace("_", "-"): one for name, one in headers.items()}
        )

    return answer


def say(body: bytes) -> Answer:
    async def answer(request: web.Request, _: Any) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return answer


@dataclass
class Endpoint:
    """Answers with the next of `answers`, then by translating."""

    url: str = ""
    requests: list[tuple[web.Request, Any]] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append((request, body))
        return await (self.answers.pop(0) if self.answers else translate)(request, body)

    @property
    def inputs(self) -> list[Any]:
        return [one for _, body in self.requests for one in body["inputs"]]


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint()
    app = web.Application()
    app.router.add_post("/translate", found.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def azure(endpoint: Endpoint) -> AsyncIterator[AzureTranslator]:
    translator = AzureTranslator(AzureKeyCredential(KEY), endpoint=endpoint.url, region="westeurope")
    await translator.open()
    yield translator
    await translator.close()


async def test_one_request_for_all_languages(azure: AzureTranslator, endpoint: Endpoint) -> None:
    found = await azure.translate("Good morning", "en", ["de", "fr", "zh"])

    ((request, body),) = endpoint.requests
    assert request.query_string == "api-version=2026-06-06"
    assert request.headers["Ocp-Apim-Subscription-Key"] == KEY
    assert request.headers["Ocp-Apim-Subscription-Region"] == "westeurope"
    assert body == {
        "inputs": [
            {
                "text": "Good morning",
                "language": "en",
                "textType": "Plain",
                "targets": [{"language": "de"}, {"language": "fr"}, {"language": "zh-Hans"}],
            }
        ]
    }
    assert found == {
        "de": Translation("[de] Good morning", "de", is_translated=True),
        "fr": Translation("[fr] Good morning", "fr", is_translated=True),
        "zh": Translation("[zh-Hans] Good morning", "zh", is_translated=True),
    }


async def test_marks_are_protected_as_the_service_wants_it(azure: AzureTranslator, endpoint: Endpoint) -> None:
    found = await azure.translate("Is <b>⟦0⟧</b> &amp; ⟦1⟧ > 5?", "en", ["de"])

    assert endpoint.inputs[0]["textType"] == "Html"
    first, second = (f'<span class="notranslate">⟦{number}⟧</span>' for number in (0, 1))
    assert endpoint.inputs[0]["text"] == f"Is &lt;b&gt;{first}&lt;/b&gt; &amp;amp; {second} &gt; 5?"
    assert found["de"].text == "[de] Is <b>⟦0⟧</b> &amp; ⟦1⟧ > 5?"


async def test_ids_and_names_never_leave_this_machine(azure: AzureTranslator, endpoint: Endpoint) -> None:
    translator = CarefulTranslator([azure])

    found = await translator.translate("Mia, mail a@b.example about A-1023", ["de"], source="en", keep=["Mia"])

    assert found["de"].text == "[de] Mia, mail a@b.example about A-1023"
    sent = str(endpoint.requests[0][1])
    assert not any(kept in sent for kept in ("Mia", "a@b.example", "A-1023"))


async def test_lines_stay_lines_and_what_is_no_word_is_not_sent(azure: AzureTranslator, endpoint: Endpoint) -> None:
    found = await azure.translate("Hello \n\n  ⟦0⟧ 👍\n\tworld", "en", ["de"])

    assert [one["text"] for one in endpoint.inputs] == ["Hello", "world"]
    assert found["de"].text == "[de] Hello \n\n  ⟦0⟧ 👍\n\t[de] world"


async def test_the_service_finds_the_language_where_nobody_knows_it(azure: AzureTranslator, endpoint: Endpoint) -> None:
    found = await azure.translate("Hello", None, ["de", "en"])

    assert "language" not in endpoint.inputs[0]
    assert found["de"].is_translated
    assert found["en"] == Translation("Hello", "en", is_translated=False, note=Note.SAME_LANGUAGE)


@pytest.mark.parametrize(("source", "to"), [("xx", "de"), ("en", "xx")])
async def test_languages_the_service_is_not_asked_about(
    azure: AzureTranslator, endpoint: Endpoint, source: str, to: str
) -> None:
    found = await azure.translate("Hello", source, [to])

    assert found[to].note is Note.UNKNOWN_LANGUAGE
    assert endpoint.requests == []


async def test_a_long_text_for_many_languages_is_several_requests(azure: AzureTranslator, endpoint: Endpoint) -> None:
    languages = [one for one in azure.languages if one != "en"]

    found = await azure.translate("hello " * 800, "en", languages)

    assert len(endpoint.requests) > 1
    assert all(found[one].is_translated for one in languages)
    for one in endpoint.inputs:
        assert len(one["text"]) * len(one["targets"]) <= 50_000


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [
        (429, {"Retry_After": "7"}, 7),
        (429, {}, 10),
        (429, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10),
        (401, {}, 60),
        (403, {}, 60),
        (500, {}, None),
        (503, {}, None),
        (408, {}, None),
    ],
)
async def test_a_service_that_is_down_or_refuses_us(
    azure: AzureTranslator, endpoint: Endpoint, status: int, headers: dict[str, str], pause: float | None
) -> None:
    endpoint.answers = [refuse(status, **headers)]

    with pytest.raises(Unavailable) as caught:
        await azure.translate("secret words", "en", ["de"])

    assert caught.value.retry_seconds == pause
    assert str(caught.value) == f"status {status}"
    assert len(endpoint.requests) == 1


async def test_a_text_the_service_refuses_is_no_outage(azure: AzureTranslator, endpoint: Endpoint) -> None:
    endpoint.answers = [refuse(400)]

    with pytest.raises(TranslationFailed, match="status 400") as caught:
        await azure.translate("hi", "en", ["de"])

    assert not isinstance(caught.value, Unavailable)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"value": []}',
        b'{"value": [{"translations": []}]}',
        b'{"value": [{"translations": [{"language": "fr", "text": "bonjour"}]}]}',
        b'{"value": [{"translations": [{"language": "de", "text": 5}]}]}',
        b'{"value": [{"translations": null}]}',
        b'{"value": [{"translations": [{"language": "de", "text": "' + b"a" * MAX_RESPONSE_BYTES + b'"}]}]}',
        b"[" * 100_000,
    ],
    ids=range(10),
)
async def test_an_answer_that_is_none(azure: AzureTranslator, endpoint: Endpoint, body: bytes) -> None:
    endpoint.answers = [say(body)]

    with pytest.raises(TranslationFailed):
        await azure.translate("hi", "en", ["de"])

    assert (await azure.translate("hi", "en", ["de"]))["de"].is_translated


async def test_a_connection_that_breaks_is_unavailable(azure: AzureTranslator, endpoint: Endpoint) -> None:
    async def hang_up(request: web.Request, body: Any) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"value"')
        assert request.transport is not None
        request.transport.abort()
        return response

    endpoint.answers = [hang_up]

    with pytest.raises(Unavailable):
        await azure.translate("hi", "en", ["de"])


async def test_nobody_there_is_unavailable(unused_tcp_port_factory: Callable[[], int]) -> None:
    azure = AzureTranslator(AzureKeyCredential(KEY), endpoint=f"http://127.0.0.1:{unused_tcp_port_factory()}")
    await azure.open()

    with pytest.raises(Unavailable):
        await azure.translate("hi", "en", ["de"])
    await azure.close()


async def test_an_outage_costs_one_message_its_wait_and_no_more(azure: AzureTranslator, endpoint: Endpoint) -> None:
    endpoint.answers = [refuse(429, Retry_After="60")]
    translator = CarefulTranslator([Shared(azure)])

    found = [await translator.translate(f"Purple {one}", ["de"], source="en") for one in ("cats", "dogs", "birds")]

    assert [one["de"].note for one in found] == [Note.UNAVAILABLE] * 3
    assert found[0]["de"].text == "Purple cats"
    assert len(endpoint.requests) == 1


async def test_a_slow_service_is_not_waited_for(azure: AzureTranslator, endpoint: Endpoint) -> None:
    released = asyncio.Event()

    async def wait(request: web.Request, body: Any) -> web.StreamResponse:
        await released.wait()
        return await translate(request, body)

    endpoint.answers = [wait]
    shared = Shared(azure, seconds=0.1)

    found = await CarefulTranslator([shared]).translate("Purple cats", ["de"], source="en")
    released.set()

    assert found["de"] == Translation("Purple cats", "en", is_translated=False, note=Note.TOOK_TOO_LONG)


async def test_neither_keys_nor_texts_are_logged(
    azure: AzureTranslator, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.answers = [translate, refuse(400), refuse(429), say(b"{")]
    shared = Shared(azure)

    with capture_logs() as logs:
        for number in range(5):
            await shared.translate(f"Purple {number}", "en", ["de"])

    written = caplog.text + str(logs)
    assert "status 429" in written
    assert "Purple" not in written
    assert KEY not in written


class Identity(AsyncTokenCredential):
    """An Entra credential."""

    is_closed = False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        assert scopes == ("https://cognitiveservices.azure.com/.default",)
        return AccessToken("t0ken", int(time.time()) + 3600)

    async def close(self) -> None:
        self.is_closed = True

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Rerouted(AioHttpTransport):  # type: ignore[misc]
    """Takes the requests for an https endpoint to one on this machine; tokens are sent over TLS only."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def send(self, request: Any, **options: Any) -> Any:
        request.url = request.url.replace("https://contoso.example", self._url)
        return await super().send(request, **options)


async def test_an_endpoint_of_ones_own_works_with_entra(endpoint: Endpoint) -> None:
    identity = Identity()
    azure = AzureTranslator(identity, endpoint="https://contoso.example", transport=Rerouted(endpoint.url))
    await azure.open()

    found = await azure.translate("hi", "en", ["de"])
    await azure.close()

    assert found["de"].text == "[de] hi"
    assert endpoint.requests[0][0].headers["Authorization"] == "Bearer t0ken"
    assert identity.is_closed
