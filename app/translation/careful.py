"""The `Translator` hubs get: what goes around every backend."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from app.translation.backend import Backend, original
from app.translation.detection import Detection
from app.translation.languages import base
from app.translation.protection import Protected, is_wordless, protect
from app.upstream.translation import Note, Translation

MAX_CHARACTERS = 5_000
"""Of a text, marks included. Azure takes 50,000 in a request, counted once for each target."""


class CarefulTranslator:
    """Asks `backends` in turn: what the first cannot do is the next one's. Of two halves the later one's counts.

    None of them raises what is not a mistake of ours, nor waits too long: slow ones are `Shared`.
    """

    def __init__(self, backends: Sequence[Backend], detection: Detection | None = None) -> None:
        self._backends = tuple(backends)
        self._detection = detection or Detection()

    @property
    def languages(self) -> Mapping[str, str]:
        return {code: name for one in self._backends for code, name in one.languages.items()}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for backend in self._backends:
                await backend.open()
                stack.push_async_callback(backend.close)
            yield

    async def detect(self, text: str, *, likely: str | None = None) -> str | None:
        return await self._detection.detect(text, self.languages, likely=base(likely) if likely else None)

    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        if len(text) > MAX_CHARACTERS:
            return dict.fromkeys(to, original(text, source, Note.TEXT_TOO_LONG))
        protected = protect(text, keep)
        if is_wordless(protected.text):
            return dict.fromkeys(to, original(text, source, Note.NOTHING_TO_TRANSLATE))
        if len(protected.text) > MAX_CHARACTERS:
            return dict.fromkeys(to, original(text, source, Note.TEXT_TOO_LONG))
        language = base(source) if source else await self.detect(text)
        found = await self._ask(protected, language, list(dict.fromkeys(base(one) for one in to)))
        untranslated = {note: original(text, language, note) for note in Note}
        return {one: _shown(found[base(one)], untranslated) for one in to}

    async def _ask(self, protected: Protected, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        best = {one: original("", source, Note.SAME_LANGUAGE) for one in to if one == source}
        for backend in self._backends:
            wanting = [one for one in to if one not in best or _is_wanting(best[one])]
            if not wanting:
                break
            for one, translation in (await backend.translate(protected.text, source, wanting)).items():
                restored = _restored(translation, protected)
                if one not in best or _worth(restored) >= _worth(best[one]):
                    best[one] = restored
        return best


def _is_wanting(translation: Translation) -> bool:
    return bool(translation.note) and translation.note is not Note.SAME_LANGUAGE


def _worth(translation: Translation) -> int:
    """The whole, then a part, then the reason that says most."""
    if translation.is_translated:
        return 4 if not translation.note else 3
    match translation.note:
        case Note.UNKNOWN_LANGUAGE:
            return 0
        case Note.UNKNOWN_PHRASE:
            return 1
        case _:
            return 2


def _restored(translation: Translation, protected: Protected) -> Translation:
    if not translation.is_translated:
        return translation
    text = protected.restored(translation.text)
    if text is None:
        return original("", None, Note.GARBLED)
    return Translation(text, translation.language, is_translated=True, note=translation.note)


def _shown(translation: Translation, untranslated: Mapping[Note, Translation]) -> Translation:
    return translation if translation.is_translated else untranslated[translation.note]
