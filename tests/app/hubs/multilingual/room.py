"""Replicas of the multilingual hub over one store, and people in it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

from app.hubs.multilingual.hub import MultilingualHub
from app.models.actions import Action
from app.models.payloads import Message
from app.upstream.history import History
from app.upstream.hub import Environment
from app.upstream.memory_storage import MemoryStorage
from app.upstream.roster import Roster
from app.upstream.running import running
from app.upstream.storage import Keep
from app.upstream.testing import FakeTranslator, HubClient, RecordingPublisher
from app.upstream.translation import Translation

PUBSUB = "json.webpubsub.azure.v1"


class WatchedPublisher(RecordingPublisher):
    """Lets a test wait for what a hub sends of its own accord."""

    def __init__(self) -> None:
        super().__init__()
        self._published = asyncio.Event()

    async def publish(self, action: Action) -> None:
        await super().publish(action)
        self._published.set()

    async def until(self, is_reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_reached():
                self._published.clear()
                await self._published.wait()

    def lines(self, group: str) -> list[dict[str, Any]]:
        """What the group was told, without who came and went."""
        return [dict(one.value) for one in self.sent if one.target == group and isinstance(one.value, dict)]

    async def line(self, group: str, count: int = 1) -> dict[str, Any]:
        """The newest line, once there are so many."""
        await self.until(lambda: len(self.lines(group)) >= count)
        return self.lines(group)[-1]


class WatchedStorage(MemoryStorage):
    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    async def write(self, table: str, rows: Mapping[str, bytes | None]) -> int:
        self.written.set()
        return await super().write(table, rows)


class SlowTranslator(FakeTranslator):
    """Keeps a text back until somebody lets it go. `keeps` remembers the names it was to leave alone."""

    def __init__(self, *, slow: Collection[str] = ()) -> None:
        super().__init__()
        self.gates = {text: asyncio.Event() for text in slow}
        self.keeps: list[set[str]] = []
        self._was_asked = asyncio.Condition()

    async def until_asked(self, count: int) -> None:
        async with asyncio.timeout(10), self._was_asked:
            await self._was_asked.wait_for(lambda: len(self.asked) >= count)

    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        self.keeps.append(set(keep))
        found = await super().translate(text, to, source=source, keep=keep)
        async with self._was_asked:
            self._was_asked.notify_all()
        if text in self.gates:
            await self.gates[text].wait()
        return found


class BrokenTranslator(FakeTranslator):
    async def translate(
        self, text: str, to: Sequence[str], *, source: str | None = None, keep: Collection[str] = ()
    ) -> Mapping[str, Translation]:
        raise RuntimeError("broken")


@dataclass
class Room:
    """Replicas of the hub over one store."""

    translator: FakeTranslator
    publisher: WatchedPublisher = field(default_factory=WatchedPublisher)
    storage: WatchedStorage = field(default_factory=WatchedStorage)
    keep: Keep = field(default_factory=Keep)
    patience_seconds: float = 10
    settle_seconds: float = 5

    def hub(self, translator: FakeTranslator | None = None, *, believes_query: bool = True) -> MultilingualHub:
        return MultilingualHub(
            self.publisher,
            self.publisher,
            History(self.storage, self.keep),
            Roster(self.storage, settle_seconds=self.settle_seconds),
            self.storage,
            translator or self.translator,
            Environment(believes_query=believes_query),
            patience_seconds=self.patience_seconds,
        )

    async def until_relayed(self, number: int) -> None:
        async with asyncio.timeout(10):
            while (await self.storage.rows("relay")).get("last") != str(number).encode():
                self.storage.written.clear()
                await self.storage.written.wait()


class Person(HubClient):
    """A client of the JSON subprotocol."""

    def __init__(self, hub: MultilingualHub, name: str, *, connection_id: str | None = None) -> None:
        super().__init__(hub, connection_id=connection_id or f"conn-{name}", subprotocol=PUBSUB)
        self.user_id = name

    async def ask(self, event_name: str, data: Message) -> dict[str, Any]:
        reply = await self.send(event_name, data)
        answer: dict[str, Any] = from_json(reply.body)
        return answer

    async def enter(self, language: str | None = None, since: int | None = None) -> dict[str, Any]:
        await self.connect(user_id=self.user_id, subprotocols=[PUBSUB])
        return await self.ask("enter", {"language": language, "since": since})

    async def say(self, text: str, **more: str) -> dict[str, Any]:
        return await self.ask("say", {"message": text, **more})


@asynccontextmanager
async def people(hub: MultilingualHub, **languages: str) -> AsyncIterator[list[Person]]:
    """They are in the room, and the hub relays."""
    async with running([hub]):
        crowd = [Person(hub, name) for name in languages]
        for one, language in zip(crowd, languages.values(), strict=True):
            await one.enter(language)
        yield crowd
