"""The messages of the room and their translations, each made once and kept as long as the message."""

import asyncio
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from pydantic import JsonValue, TypeAdapter
from pydantic_core import to_json

from app.hubs.multilingual.wire import Message, Said, line_of
from app.upstream.history import History, Line
from app.upstream.storage import Storage
from app.upstream.translation import Note, Translation, Translator

log = logging.getLogger(__name__)

ROOM = "room"
PATIENCE_SECONDS = 3.0
"""So long a reader waits for a translation; then the original is shown."""
AT_ONCE = 16
"""So many old messages are translated at one time for somebody who comes in."""

_BLOCK = 20
_TABLES = "translations/"
_TRANSLATION = TypeAdapter(Translation)
# Another attempt gives the same; any other failure may pass.
_FINAL = (Note.SAME_LANGUAGE, Note.NOTHING_TO_TRANSLATE)


@dataclass
class Versions:
    """What is known of one message: its own language (`None` where nobody could tell yet), and its translations."""

    source: str | None = None
    texts: dict[str, Translation] = field(default_factory=dict)

    def lacks(self, language: str) -> bool:
        return language != self.source and language not in self.texts

    def line(self, message: Message, language: str) -> tuple[Translation, str]:
        """The version for a reader, and the original's language. What is missing was too late."""
        original = message.said.text
        same = (code for code, one in self.texts.items() if one.note is Note.SAME_LANGUAGE)
        source = self.source or next(same, "")
        if language == source:
            return Translation(original, source, is_translated=False), source
        late = Translation(original, source, is_translated=False, note=Note.TOOK_TOO_LONG)
        return self.texts.get(language, late), source


class Lines:
    """Every call may raise `StorageError`."""

    def __init__(
        self, history: History, storage: Storage, translator: Translator, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.patience_seconds = patience_seconds
        self._history = history
        self._storage = storage
        self._translator = translator
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._visitors = asyncio.Semaphore(AT_ONCE)

    async def add(self, said: Said) -> Message:
        """Returns when it is safe. The same id again gives the first message."""
        line = await self._history.append(ROOM, said.model_dump(by_alias=True, exclude_none=True), id=said.id)
        return _message(line)

    async def newest(self, limit: int) -> list[Message]:
        return [_message(line) for line in await self._history.newest(ROOM, limit)]

    async def since(self, number: int, limit: int) -> list[Message]:
        return [_message(line) for line in await self._history.since(ROOM, number, limit)]

    async def last_number(self) -> int:
        newest = await self._history.newest(ROOM, 1)
        return newest[0].number if newest else 0

    async def read_in(
        self, language: str, messages: Sequence[Message], *, keep: Collection[str]
    ) -> list[dict[str, JsonValue]]:
        """The messages for one reader, a few seconds later at the most. What was never translated to it is now."""
        known = await self._known(messages)
        missing = [one for one in messages if known[one.number].lacks(language)]

        async def catch_up(message: Message) -> None:
            async with self._visitors:
                await self.translate(message, (language,), known[message.number], keep=keep)

        tasks = [asyncio.create_task(catch_up(message)) for message in missing]
        if tasks:
            await _finish(tasks, self.patience_seconds)
        return [line_of(one, *known[one.number].line(one, language)) for one in messages]

    async def translate(
        self, message: Message, languages: Collection[str], versions: Versions, *, keep: Collection[str]
    ) -> None:
        """Completes `versions`, by one call to the translator; what it gives is kept for the next reader."""
        lock = self._locks.setdefault(message.number, asyncio.Lock())
        async with lock:
            known = (await self._known([message]))[message.number]
            versions.source = known.source
            versions.texts.update(known.texts)
            made = await self._translate(message.said, languages, versions, keep)
            versions.texts.update(made)
            if versions.source != known.source or made:
                await self._keep(message.number, versions.source, made)

    async def _translate(
        self, said: Said, languages: Collection[str], versions: Versions, keep: Collection[str]
    ) -> Mapping[str, Translation]:
        try:
            if versions.source is None:
                versions.source = await self._translator.detect(said.text, likely=said.language)
            missing = [code for code in languages if versions.lacks(code)]
            if not missing:
                return {}
            return await self._translator.translate(said.text, missing, source=versions.source, keep=keep)
        except Exception:
            # A translator that breaks its promise must not hold up the messages behind this one.
            log.exception("the translator failed")
            failed = Translation(said.text, versions.source or "", is_translated=False, note=Note.UNAVAILABLE)
            return {code: failed for code in languages if versions.lacks(code)}

    async def _keep(self, number: int, source: str | None, made: Mapping[str, Translation]) -> None:
        rows = {f"{number}/{code}": to_json(one) for code, one in made.items() if _is_final(one)}
        if source is not None:
            rows[str(number)] = source.encode()
        if rows:
            await self._storage.write(_table(number), rows)

    async def _known(self, messages: Iterable[Message]) -> dict[int, Versions]:
        known = {one.number: Versions() for one in messages}
        for table in dict.fromkeys(map(_table, known)):
            for key, value in (await self._storage.rows(table)).items():
                number, _, language = key.partition("/")
                if (versions := known.get(int(number))) is None:
                    continue
                if language:
                    versions.texts[language] = _TRANSLATION.validate_json(value)
                else:
                    versions.source = value.decode()
        return known

    async def forget_old(self) -> None:
        """Drops translations of messages that are no longer kept."""
        first = await self._history.since(ROOM, 0, limit=1)
        oldest = first[0].number // _BLOCK if first else 0
        for table in await self._storage.tables(_TABLES):
            if int(table.removeprefix(_TABLES)) < oldest:
                rows = await self._storage.rows(table)
                await self._storage.write(table, dict.fromkeys(rows))


def ends_block(number: int) -> bool:
    """Whether it is time to look for what is too old."""
    return number % _BLOCK == 0


def _message(line: Line) -> Message:
    return Message(number=line.number, at=line.at, said=Said.model_validate(line.value))


def _table(number: int) -> str:
    return f"{_TABLES}{number // _BLOCK}"


def _is_final(translation: Translation) -> bool:
    return translation.is_translated or translation.note in _FINAL


async def _finish(tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
    """Waits, then cancels what is late. Raises what a task raised."""
    try:
        await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
