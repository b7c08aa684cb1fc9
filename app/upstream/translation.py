"""Translation, as hubs see it. The adapters are in `app.translation`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Note(StrEnum):
    """Why a text, or a part of it, is still the original. People may read it."""

    NONE = ""
    SAME_LANGUAGE = "same language"
    NOTHING_TO_TRANSLATE = "nothing to translate"
    UNKNOWN_PHRASE = "unknown phrase"
    PARTLY_UNKNOWN = "partly unknown"
    """Translated, but for some words or sentences."""
    UNKNOWN_LANGUAGE = "unknown language"
    """The translator does not know the target, or cannot tell which language the text is in."""
    TEXT_TOO_LONG = "text too long"
    TOOK_TOO_LONG = "took too long"
    UNAVAILABLE = "service unavailable"
    GARBLED = "translation was garbled"
    """It lost an id, a name or another part that had to stay."""


@dataclass(frozen=True)
class Translation:
    """One text for the readers of one language."""

    text: str
    """The original where `is_translated` is false."""
    language: str
    """Of `text`: the target, or that of the original, `""` where nobody knows it."""
    is_translated: bool
    note: Note = Note.NONE


class Translator(Protocol):
    """A hub asks for one in its `__init__`. Languages are codes such as `de`, compared without case."""

    @property
    def languages(self) -> Mapping[str, str]:
        """The languages it translates to, by code, with the names their speakers give them: `{"de": "Deutsch"}`.

        Some are known only once the server has started.
        """

    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        """One entry for each of `to`, under the code as it was given. Never raises for what a backend does.

        Takes a few seconds at the most, then the original goes out. `source` is the language of the text, `None` where
        it is to be found out. Occurrences of `keep` (names, say) are left as they are; so are ids of orders, addresses,
        mentions, numbers with their units and code in backticks.
        """

    async def detect(self, text: str, *, likely: str | None = None) -> str | None:
        """The language of `text`, one of `languages`; `likely`, the writer's own, where the text says too little."""
