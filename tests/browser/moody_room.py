"""A room whose translator is not there when a text comes for the first time, and is when it is asked again."""

from collections.abc import Collection, Mapping, Sequence

from app.hubs.multilingual.hub import MultilingualHub
from app.upstream.history import History
from app.upstream.hub import Environment
from app.upstream.publisher import Publisher
from app.upstream.roster import Roster
from app.upstream.service import ServiceClient
from app.upstream.storage import Storage
from app.upstream.translation import Note, Translation, Translator


class MoodyTranslator:
    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._known: set[str] = set()

    @property
    def languages(self) -> Mapping[str, str]:
        return self._translator.languages

    async def detect(self, text: str, *, likely: str | None = None) -> str | None:
        return await self._translator.detect(text, likely=likely)

    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        if text in self._known:
            return await self._translator.translate(text, to, source=source, keep=keep)
        self._known.add(text)
        return dict.fromkeys(to, Translation(text, source or "", is_translated=False, note=Note.UNAVAILABLE))


class MoodyRoom(MultilingualHub):
    def __init__(
        self,
        publisher: Publisher,
        service: ServiceClient,
        history: History,
        roster: Roster,
        storage: Storage,
        translator: Translator,
        environment: Environment,
    ) -> None:
        super().__init__(publisher, service, history, roster, storage, MoodyTranslator(translator), environment)
