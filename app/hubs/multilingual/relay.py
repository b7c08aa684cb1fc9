"""From the kept message to its readers: translated, in the order of the numbers, by one replica at a time.

A writer is answered when the message is kept, and never waits for a translator. From there the relay takes it: a
number in the store says how far it got, so that after a crash it goes on where it was. A line may then go out twice,
under the same number.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from secrets import token_hex
from time import monotonic, time

from app.hubs.multilingual.lines import Lines, Versions, ends_block
from app.hubs.multilingual.readers import Audience, Readers, group_of
from app.hubs.multilingual.wire import Message, line_of, raw_line_of
from app.models.payloads import Message as Payload
from app.upstream.publisher import Publisher
from app.upstream.storage import Conflict, FellBehind, Keep, Storage

LOOK_SECONDS = 2.0
TURN_SECONDS = 6.0
MOST_AT_ONCE = 64
"""Messages in translation at one time."""

_NEWS = "said"
_TURN = "turn"
_PROGRESS = "relay"
_LAST = "last"


class Turn:
    """Which replica relays. It is kept for a few seconds, and may be taken over when they have passed."""

    def __init__(self, storage: Storage, *, seconds: float = TURN_SECONDS) -> None:
        self._storage = storage
        self._seconds = seconds
        self._name = token_hex(8).encode()
        self._number = 0
        self._renew_at = 0.0

    async def take(self) -> bool:
        """Whether it is ours, for some seconds more. Asks the store only every now and then."""
        if monotonic() < self._renew_at:
            return True
        asked_at = monotonic()
        newest = await self._storage.newest(_TURN, limit=1)
        last = newest[0] if newest else None
        if last is not None and last.body not in (self._name, b"") and time() - last.at < self._seconds:
            return False
        try:
            await self._write(self._name, last.number if last is not None else 0)
        except Conflict:
            return False
        self._renew_at = asked_at + self._seconds / 3
        return True

    async def give_up(self) -> None:
        """Nobody has to wait for the seconds to pass."""
        is_ours, self._renew_at = self._renew_at > 0, 0.0
        newest = await self._storage.newest(_TURN, limit=1)
        if is_ours and newest and newest[0].body == self._name:
            await self._write(b"", newest[0].number)

    async def _write(self, name: bytes, expected: int) -> None:
        await self._storage.append(_TURN, name, id=token_hex(8), expected=expected, keep=Keep(count=1))


@dataclass(frozen=True)
class _Underway:
    message: Message
    audience: Audience
    versions: Versions
    translating: asyncio.Task[None]


class Relay:
    """`run` goes on for ever; `wake` tells it, in whichever replica it is, that there is something to do."""

    def __init__(self, lines: Lines, readers: Readers, publisher: Publisher, storage: Storage, turn: Turn) -> None:
        self._lines = lines
        self._readers = readers
        self._publisher = publisher
        self._storage = storage
        self._turn = turn
        self._news = asyncio.Event()

    async def wake(self) -> None:
        await self._storage.announce(_NEWS, b"")

    async def run(self) -> None:
        await self._lines.forget_old()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._relay_for_ever())
        finally:
            await self._turn.give_up()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._storage.listen(_NEWS) as news:
                    self._news.set()
                    async for _ in news:
                        self._news.set()
            except FellBehind:
                continue  # that there is news is all they say

    async def _relay_for_ever(self) -> None:
        while True:
            self._news.clear()
            last = await self._last()
            if await self._lines.since(last, 1) and await self._turn.take():
                # Again: the one whose turn it was may have come further.
                await self._relay_after(await self._last())
                continue
            try:
                # Not `wait_for`: in Python 3.11 it can miss that it is cancelled.
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue  # an announcement can get lost, and the one whose turn it is can die

    async def _relay_after(self, number: int) -> None:
        """Until there is nothing more, or the turn is lost. Many are translated at once, and go out in order."""
        underway: deque[_Underway] = deque()
        # What waited while nobody relayed is not late for that.
        began_at = time()
        try:
            while True:
                self._news.clear()
                room = MOST_AT_ONCE - len(underway)
                messages = await self._lines.since(number, room) if room else []
                if messages:
                    # After the messages were read: whoever comes in later finds them in the history.
                    audience = await self._readers.audience()
                    underway.extend(self._begin(one, audience, max(one.at, began_at)) for one in messages)
                    number = messages[-1].number
                while underway and underway[0].translating.done():
                    if not await self._turn.take():
                        return
                    await self._publish(underway[0])
                    underway.popleft()
                if underway:
                    await self._news.wait()
                elif not messages:
                    return
        finally:
            for one in underway:
                one.translating.cancel()
            await asyncio.gather(*(one.translating for one in underway), return_exceptions=True)

    def _begin(self, message: Message, audience: Audience, since: float) -> _Underway:
        versions = Versions()
        task = asyncio.create_task(self._translate(message, audience, versions, since))
        task.add_done_callback(lambda _: self._news.set())
        return _Underway(message, audience, versions, task)

    async def _translate(self, message: Message, audience: Audience, versions: Versions, since: float) -> None:
        if not audience.groups:
            return  # who comes later reads the history
        patience = self._lines.patience_seconds
        # In a burst some wait long for their turn; a moment is enough for a translator that is well.
        seconds = max(patience / 6, since + patience - time())
        try:
            async with asyncio.timeout(seconds):
                await self._lines.translate(
                    message, audience.languages, versions, keep={*audience.names, message.said.author}
                )
        except TimeoutError:
            return  # `versions` has what was in time

    async def _publish(self, one: _Underway) -> None:
        """Without an event around it, what goes to one group is in order."""
        await one.translating
        message = one.message
        for group, language in one.audience.groups.items():
            version, source = one.versions.line(message, language)
            is_raw = group == group_of(language, is_raw=True)
            line: Payload = dict(raw_line_of(message, version)) if is_raw else line_of(message, version, source)
            await self._publisher.send_to_group(group, line)
        await self._storage.write(_PROGRESS, {_LAST: str(message.number).encode()})
        if ends_block(message.number):
            await self._lines.forget_old()

    async def _last(self) -> int:
        rows: Mapping[str, bytes] = await self._storage.rows(_PROGRESS)
        return int(rows.get(_LAST, b"0"))
