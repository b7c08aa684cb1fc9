"""What a translator of this package has to do; `app.translation.careful` does the rest."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.upstream.translation import Note, Translation


class TranslationFailed(Exception):
    """One text was not translated, for the reason in `note`."""

    note = Note.UNAVAILABLE


class Unavailable(TranslationFailed):
    """Nor will the next one be: the backend is down, or wants to be left alone for `retry_seconds`."""

    def __init__(self, reason: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.retry_seconds = retry_seconds


class Backend(Protocol):
    """Gets texts with marks such as `⟦0⟧` in place of what is to be left alone, and leaves the marks in."""

    name: str

    @property
    def languages(self) -> Mapping[str, str]:
        """What it translates to, once it is open."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        """One entry for each of `to`, none of which is `source`. Raises `TranslationFailed`.

        May be cancelled, and is where it takes too long.
        """


def original(text: str, source: str | None, note: Note) -> Translation:
    return Translation(text, source or "", is_translated=False, note=note)
