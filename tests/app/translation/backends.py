"""A backend that does what a test says."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from app.upstream.translation import Translation

Write = Callable[[str, str], str]
"""From a marked text and a target to the translation."""


def prefix(text: str, to: str) -> str:
    return f"{to}: {text}"


class Scripted:
    """A `Backend`. `asked` has text, source and targets of each call; `before` is awaited first, and may raise."""

    name = "scripted"

    def __init__(
        self,
        write: Write = prefix,
        *,
        languages: Sequence[str] = ("en", "de", "fr", "es"),
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.languages: Mapping[str, str] = {one: one.upper() for one in languages}
        self.asked: list[tuple[str, str | None, tuple[str, ...]]] = []
        self.is_open = False
        self._write = write
        self._before = before

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        self.asked.append((text, source, tuple(to)))
        if self._before is not None:
            await self._before()
        return {one: Translation(self._write(text, one), one, is_translated=True) for one in to}
