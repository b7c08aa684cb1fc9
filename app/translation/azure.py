"""Azure Translator, through its official client."""

import html
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from pydantic import BaseModel, Field, ValidationError

from app.translation.backend import TranslationFailed, Unavailable, original
from app.translation.languages import NAMES
from app.translation.protection import MARK, is_wordless
from app.upstream.translation import Note, Translation

GLOBAL_ENDPOINT = "https://api.cognitive.microsofttranslator.com"
MAX_REQUEST_CHARACTERS = 50_000
"""Of all texts, counted once for each target: the service's own limit."""
MAX_RESPONSE_BYTES = 2 * 1024 * 1024
CONNECT_SECONDS = 2.0
REFUSED_SECONDS = 60.0
"""A key that is wrong, or a quota that is used up, is not put right within seconds."""
THROTTLED_SECONDS = 10.0
"""Where the service does not say how long."""

_AZURE_CODES = {"zh": "zh-Hans"}
_OUR_CODES = {theirs: ours for ours, theirs in _AZURE_CODES.items()}
_SPAN = re.compile(r"</?span\b[^>]*>")


class _Text(BaseModel):
    text: str
    language: str


class _Detected(BaseModel):
    language: str


class _Item(BaseModel):
    translations: list[_Text]
    detected: _Detected | None = Field(default=None, validation_alias="detectedLanguage")


class _Answer(BaseModel):
    value: list[_Item]


class _Response(Protocol):
    """What is used of the client's response when it is streamed."""

    def iter_bytes(self) -> AsyncIterator[bytes]: ...

    async def close(self) -> None: ...


class AzureTranslator:
    """A `Backend`. A key with its region, or an endpoint with Entra, or an endpoint with its key."""

    name = "azure"

    def __init__(
        self,
        credential: AzureKeyCredential | AsyncTokenCredential,
        *,
        endpoint: str = GLOBAL_ENDPOINT,
        region: str | None = None,
        read_seconds: float = 10.0,
        transport: AsyncHttpTransport[Any, Any] | None = None,
    ) -> None:
        self.languages: Mapping[str, str] = NAMES
        self._credential = credential
        self._endpoint = endpoint
        self._region = region
        self._read_seconds = read_seconds
        self._transport = transport
        self._client: Any = None

    async def open(self) -> None:
        # A fifth of a second, and only deployments with a translator of their own need it.
        from azure.ai.translation.text.aio import TextTranslationClient  # noqa: PLC0415

        options: dict[str, Any] = {} if self._transport is None else {"transport": self._transport}
        self._client = TextTranslationClient(
            self._endpoint,
            self._credential,
            region=self._region,
            connection_timeout=CONNECT_SECONDS,
            read_timeout=self._read_seconds,
            # A message that is late is shown in the original; nobody waits for a second attempt.
            retry_total=0,
            permit_redirects=False,
            **options,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()
        if isinstance(self._credential, AsyncTokenCredential):
            await self._credential.close()

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        found = {one: original(text, source, Note.UNKNOWN_LANGUAGE) for one in to}
        known = [one for one in to if one in NAMES] if source is None or source in NAMES else []
        lines = text.split("\n")
        at_once = max(1, MAX_REQUEST_CHARACTERS // sum(len(_sent(line)) + 1 for line in lines))
        for start in range(0, len(known), at_once):
            found.update(await self._translated(text, lines, source, known[start : start + at_once]))
        return found

    async def _translated(
        self, text: str, lines: Sequence[str], source: str | None, to: Sequence[str]
    ) -> dict[str, Translation]:
        """One request. Lines are texts of their own, so that they stay lines."""
        asked = [line for line in lines if not is_wordless(line)]
        answer = await self._request([_input(line, source, to) for line in asked])
        if len(answer.value) != len(asked):
            raise TranslationFailed("the service answered another number of texts")
        detected = {_ours(item.detected.language) for item in answer.value if item.detected}
        found: dict[str, Translation] = {}
        for one in to:
            if detected == {one}:
                found[one] = original(text, one, Note.SAME_LANGUAGE)
                continue
            answers = iter(answer.value)
            written = [line if is_wordless(line) else _received(line, next(answers), one) for line in lines]
            found[one] = Translation("\n".join(written), one, is_translated=True)
        return found

    async def _request(self, inputs: list[Mapping[str, object]]) -> _Answer:
        try:
            response: _Response = await self._client.translate({"inputs": inputs}, stream=True, cls=_Streamed)
            return _Answer.model_validate_json(await _bounded(response))
        except HttpResponseError as error:
            raise _refusal(error) from None
        except AzureError as error:
            raise Unavailable(type(error).__name__) from None
        except ValidationError:
            raise TranslationFailed("the service answered what is not a translation") from None


class _Streamed:
    """What the client makes of an answer: it returns the `value`."""

    def __init__(self, pipeline_response: Any, *_: object) -> None:
        self.value: _Response = pipeline_response.http_response


async def _bounded(response: _Response) -> bytes:
    body = bytearray()
    try:
        async for part in response.iter_bytes():
            body += part
            if len(body) > MAX_RESPONSE_BYTES:
                raise TranslationFailed("the service's answer is too large")
    finally:
        await response.close()
    return bytes(body)


def _refusal(error: HttpResponseError) -> TranslationFailed:
    """Statuses only: the service's messages may quote the text."""
    status = error.status_code or 0
    reason = f"status {status}"
    if status == 429:
        headers: Mapping[str, str] = getattr(error.response, "headers", {})
        header = headers.get("Retry-After", "")
        return Unavailable(reason, retry_seconds=float(header) if header.isdigit() else THROTTLED_SECONDS)
    if status in (401, 403):
        return Unavailable(reason, retry_seconds=REFUSED_SECONDS)
    # An answer that breaks off comes without a status, or with a good one.
    return TranslationFailed(reason) if 400 <= status < 500 and status != 408 else Unavailable(reason)


def _input(line: str, source: str | None, to: Sequence[str]) -> Mapping[str, object]:
    language = {} if source is None else {"language": _AZURE_CODES.get(source, source)}
    return {
        "text": _sent(line),
        "textType": "Html" if MARK.search(line) else "Plain",
        "targets": [{"language": _AZURE_CODES.get(one, one)} for one in to],
        **language,
    }


def _sent(line: str) -> str:
    """As HTML where something is to be left alone: that is how the service is told so."""
    line = line.strip()
    if not MARK.search(line):
        return line
    return MARK.sub(r'<span class="notranslate">\g<0></span>', html.escape(line, quote=False))


def _received(line: str, item: _Item, to: str) -> str:
    for one in item.translations:
        if _ours(one.language) == to:
            text = html.unescape(_SPAN.sub("", one.text)) if MARK.search(line) else one.text
            lead, trail = len(line) - len(line.lstrip()), len(line.rstrip())
            return line[:lead] + text.strip() + line[trail:]
    raise TranslationFailed(f"the service did not translate to {to}")


def _ours(code: str) -> str:
    return _OUR_CODES.get(code, code)
