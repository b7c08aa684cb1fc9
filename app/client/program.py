"""From the first connection to the exit code."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from app.client.connection import Connection, NotConnected, Told
from app.client.endings import Ending
from app.client.frames import Data, Message
from app.client.protocols import NotCarried
from app.client.session import Outcome
from app.client.words import NotUnderstood, Quit, Said, ShowHelp, read
from app.serving.server import until_stopped

FINE, FAILED = 0, 1
GOODBYE_SECONDS = 1


@dataclass(frozen=True)
class Plan:
    """What ends it: so many messages, so many seconds, with `listens` only a signal, otherwise the last command.

    A script's commands wait for each other's answers, and one that fails decides the exit code; a person reads. With
    `says_all` so many messages are enough only once every command was said.
    """

    listens: bool = False
    messages: int | None = None
    seconds: float | None = None
    says_all: bool = False
    is_script: bool = True

    @property
    def goes_on(self) -> bool:
        return self.listens or self.messages is not None or self.seconds is not None


class Listener:
    """Passes on what is told, and keeps what the exit code depends on."""

    def __init__(self, plan: Plan, *listeners: Callable[[Told], object]) -> None:
        self._plan = plan
        self._listeners = listeners
        self._messages = 0
        self.has_failed = False
        self.enough = asyncio.Event()

    def tell(self, told: Told) -> None:
        is_message = isinstance(told, Message | Data)
        if is_message and self.enough.is_set():
            return
        for listen in self._listeners:
            listen(told)
        if isinstance(told, Outcome) and told.error is not None:
            self.has_failed = True
        if is_message:
            self._messages += 1
            if self._messages == self._plan.messages:
                self.enough.set()


class Program:
    """`remark` is told what is wrong with a line; `noticed` hears of every command that was understood."""

    def __init__(
        self,
        connection: Connection,
        listener: Listener,
        plan: Plan,
        *,
        help_text: str,
        remark: Callable[[str], object],
        noticed: Callable[[Said], object] = lambda _: None,
    ) -> None:
        self._connection = connection
        self._listener = listener
        self._plan = plan
        self._help = help_text
        self._remark = remark
        self._noticed = noticed
        self._was_misunderstood = False

    async def run(self, lines: AsyncIterator[str]) -> int:
        """The exit code."""
        running = asyncio.create_task(self._connection.run())
        talking = asyncio.create_task(self._talk(lines))
        over = [asyncio.create_task(self._has_enough(talking)), asyncio.create_task(until_stopped())]
        if self._plan.seconds is not None:
            over.append(asyncio.create_task(asyncio.sleep(self._plan.seconds)))
        try:
            await asyncio.wait({running, talking, *over}, return_when=asyncio.FIRST_COMPLETED)
            if talking.done() and not talking.result():
                await asyncio.wait({running, *over}, return_when=asyncio.FIRST_COMPLETED)
            return self._code(running.result() if running.done() else None, all_said=talking.done())
        finally:
            await self._connection.close()
            await asyncio.wait({running}, timeout=GOODBYE_SECONDS)
            await _cancelled(running, talking, *over)

    async def _has_enough(self, talking: asyncio.Task[bool]) -> None:
        await self._listener.enough.wait()
        if self._plan.says_all:
            await asyncio.wait({talking})

    def _code(self, ending: Ending | None, *, all_said: bool) -> int:
        """`ending` is `None` where this side has had enough."""
        if not self._connection.ready.is_set() or (ending is not None and not ending.is_clean):
            return FAILED
        if not self._plan.is_script:
            return FINE
        is_short = self._plan.messages is not None and not self._listener.enough.is_set()
        is_cut = ending is not None and not all_said and not self._plan.goes_on
        return FAILED if is_short or is_cut or self._listener.has_failed or self._was_misunderstood else FINE

    async def _talk(self, lines: AsyncIterator[str]) -> bool:
        """Whether there is nothing to wait for after the last line."""
        await self._connection.ready.wait()
        async for line in lines:
            if await self._say(line):
                return True
        return not self._plan.goes_on

    async def _say(self, line: str) -> bool:
        """Whether it was the last word."""
        try:
            match read(line):
                case None:
                    return False
                case Quit():
                    return True
                case ShowHelp():
                    self._remark(self._help)
                case command:
                    self._noticed(command)
                    await self._connection.send(command)
                    if self._plan.is_script:
                        await self._connection.settled()
        except (NotUnderstood, NotCarried, NotConnected) as error:
            self._was_misunderstood = True
            self._remark(str(error))
        return False


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
